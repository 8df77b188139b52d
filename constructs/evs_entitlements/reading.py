"""What it takes to look at a declared set, as the command's `list` and `check --stack` do, and to change nothing.

Owns the actions and the resources that they are limited to. Never grants an action that changes something, nor one that
AWS does not limit to a resource.
"""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import IConstruct

#: On the environment. https://docs.aws.amazon.com/service-authorization/latest/reference/ has each action's resources.
_EVS = ("evs:ListEnvironmentConnectors", "evs:ListVmEntitlements")
_STACK = ("cloudformation:DescribeStacks", "cloudformation:ListStackResources")
_LEDGER = ("dynamodb:GetItem",)


def grant_read(grantee: iam.IGrantable, scope: IConstruct, *, environment_id: str, ledger_table_arn: str) -> iam.Grant:
    """Let somebody look at what is declared and at what EVS holds.

    Args:
        grantee: a role, user, function or other principal, of any stack.
        scope: the construct whose set it is.
        environment_id: of the set; a token is granted as such, not as every environment.
        ledger_table_arn: of the stack's ledger.
    """
    stack = Stack.of(scope)
    environment = stack.format_arn(service="evs", resource="environment", resource_name=environment_id)
    # By name, as people give it: CloudFormation authorizes such a call with this very pattern, not with the stack's id.
    named = stack.format_arn(service="cloudformation", resource="stack", resource_name=f"{stack.stack_name}/*")
    grants = [
        iam.Grant.add_to_principal(grantee=grantee, scope=scope, actions=list(actions), resource_arns=[resource])
        for actions, resource in ((_EVS, environment), (_STACK, named), (_LEDGER, ledger_table_arn))
    ]
    return grants[0].combine(grants[1]).combine(grants[2])
