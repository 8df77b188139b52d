"""What the function may do, as statements of IAM.

Owns every action and resource that the role is granted, and the reasons that are given to cdk-nag. Never makes a role.
"""

from collections.abc import Sequence

from aws_cdk import Aws, ScopedAws, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs

#: What Lambda does with the function's role to put the function into a VPC. It takes no narrower resource for most.
#: https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
_NETWORK = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
#: What DynamoDB and Lambda do with a customer's key in the name of the function's role.
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
_KEY = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")


def role_statements(
    stack: Stack, table: dynamodb.Table, log_group: logs.LogGroup, shared_with: Sequence[str] = ()
) -> list[iam.PolicyStatement]:
    """Return what every function is granted: its ledger, its log group, and looking at stacks.

    Args:
        stack: of the function.
        table: its ledger.
        log_group: its log group.
        shared_with: patterns of the names of other stacks that use the function.
    """
    others = [
        stack.format_arn(
            service="cloudformation", resource="stack", resource_name=pattern if pattern == "*" else f"{pattern}/*"
        )
        for pattern in shared_with
    ]
    return [
        iam.PolicyStatement(
            actions=["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], resources=[table.table_arn]
        ),
        iam.PolicyStatement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn]),
        # The stack's id is its whole ARN: a namesake made after this stack is none of ours. The handler must ask by
        # that id; by name IAM would see stack/<name>/*. Whether an operation has completed is asked of the outermost
        # stack, where this one is nested. The ids of other stacks that use the function are not known when it is
        # deployed.
        iam.PolicyStatement(
            actions=[
                "cloudformation:DescribeStackEvents",
                "cloudformation:DescribeStackResource",
                "cloudformation:DescribeStacks",
            ],
            resources=[Aws.STACK_ID, *_ancestor_ids(stack), *others],
        ),
    ]


def network_statement() -> iam.PolicyStatement:
    """Return what the role of a function in a VPC is granted."""
    return iam.PolicyStatement(actions=list(_NETWORK), resources=["*"])


def key_statement(key: kms.IKey) -> iam.PolicyStatement:
    """Return what the role is granted of the key that encrypts the ledger and the function's environment."""
    return iam.PolicyStatement(actions=list(_KEY), resources=[key.key_arn])


def let_logs_use(key: kms.IKey, stack: Stack) -> None:
    """Let CloudWatch Logs encrypt log groups of the account and region with a key. An imported key stays as it is.

    See https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    # The name of the log group is made at deployment, after the key: to name it here would be a cycle.
    log_groups = stack.format_arn(service="logs", resource="log-group:*")
    key.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["kms:Decrypt", "kms:Describe*", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            principals=[iam.ServicePrincipal(f"logs.{stack.region}.{stack.url_suffix}")],
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
        )
    )


def _ancestor_ids(stack: Stack) -> list[str]:
    """Return the ids, which are ARNs, of the stacks that a nested stack is in, the nearest first.

    Not the `stack_id` of a nested stack: that is a reference to its resource in the stack around it, and to hand that
    to the nested stack itself would be a cycle. The pseudo parameter of that very stack is handed down instead.
    """
    ids = []
    around = stack.nested_stack_parent
    while around is not None:
        ids.append(ScopedAws(around).stack_id)
        around = around.nested_stack_parent
    return ids
