"""The policy that lets the function of a stack work in one EVS environment.

Owns the id, the actions and the resource of that policy, and that a stack has one for each environment. Never makes the
role, and never knows which VMs are declared.
"""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam

from evs_entitlements import service_model
from evs_entitlements.acknowledge import acknowledge, as_cdk_nag_writes_it


def environment_policy(stack: Stack, role: iam.IRole, environment_id: str | None) -> iam.Policy:
    """Return the policy for an environment, made at the first call.

    Each environment has a policy of its own. The custom resources of that environment, and no others, depend on it.
    When they leave the template, the policy leaves with them. CloudFormation then deletes the policy only after it has
    deleted them.

    Args:
        stack: where the policy is.
        role: the role of the function.
        environment_id: an id that is known at synth. None where it is a token: the policy then covers every
            environment of the account and region. The policy can't name the token's value. When that value changes, the
            policy would change before the clean-up that removes entitlements from the former environment.
    """
    # env-abcde12345 becomes Envabcde12345, which the policy of no token can be called.
    part = environment_id.replace("env-", "Env") if environment_id else "AnyEnvironment"
    policy_id = f"EvsEntitlements{part}Policy"
    found = stack.node.try_find_child(policy_id)
    if isinstance(found, iam.Policy):
        return found
    arn = stack.format_arn(service="evs", resource="environment", resource_name=environment_id or "*")
    policy = iam.Policy(
        stack,
        policy_id,
        roles=[role],
        statements=[
            iam.PolicyStatement(
                actions=[f"{service_model.SERVICE}:{operation}" for operation in service_model.OPERATIONS],
                resources=[arn],
            )
        ],
    )
    if environment_id is None:
        acknowledge(
            policy,
            f"AwsSolutions-IAM5[Resource::{as_cdk_nag_writes_it(stack.resolve(arn))}]",
            "The environment is a token: its id is known only at deployment, and a former one must still "
            "be reachable when its entitlements are removed. Limited to the account and region.",
        )
    return policy
