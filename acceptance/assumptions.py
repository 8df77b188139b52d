"""What this project assumes of EVS, CloudFormation and the CDK CLI, and where: the table that a run is held against.

Owns the words of each assumption. Asks nothing and judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Questions change nothing. The life of an entitlement goes by the API, the life of a stack by the CDK CLI.
Part = Literal["questions", "life", "stack"]
PARTS: tuple[Part, ...] = ("questions", "life", "stack")


@dataclass(frozen=True)
class Assumption:
    """One assumption.

    Attributes:
        name: by which code and report know it.
        part: the part of a run that asks for it.
        assumed: what is taken to be so.
        where: files of the project that go by it.
        asked: how a run finds it out.
    """

    name: str
    part: Part
    assumed: str
    where: tuple[str, ...]
    asked: str


_OPERATIONS = "local_aws/evs_api/operations.py"
_MODEL = "local_aws/evs_api/model.py"
_ERRORS = "local_aws/evs_api/errors.py"
_WORLD = "local_aws/evs_api/world.py"
_SETTINGS = "local_aws/evs_api/settings.py"
_ROWS = "lambda_handler/evs/rows.py"
_MISSING = "lambda_handler/evs/missing.py"
_API = "lambda_handler/evs/api.py"
_PACE = "lambda_handler/pace.py"
_BEHAVIOUR = "docs/behaviour.md"
_LIMITS = "docs/limits.md"

_QUESTIONS = (
    (
        "list-answer",
        "the answer of ListVmEntitlements has `entitlements`, and `nextToken` only where more follows",
        (_MODEL, _API),
        "ListVmEntitlements",
    ),
    (
        "unknown-environment",
        "ResourceNotFoundException, HTTP 400, with the environment's id as resourceId",
        (_ERRORS, _MISSING),
        "ListVmEntitlements of an environment that does not exist",
    ),
    (
        "unknown-connector",
        "ResourceNotFoundException, HTTP 400, with the connector's id as resourceId",
        (_ERRORS, _MISSING),
        "ListVmEntitlements of a connector that does not exist",
    ),
    (
        "wrong-connector-type",
        "ValidationException, HTTP 400",
        (_OPERATIONS,),
        "ListVmEntitlements of a connector of another type; where the environment has one",
    ),
    (
        "malformed-id",
        "ValidationException, HTTP 400, reason fieldValidationFailed, the member in fieldList",
        (_MODEL, _ERRORS),
        "ListVmEntitlements with an environment id that breaks the pattern",
    ),
    (
        "unknown-entitlement-type",
        "ValidationException, HTTP 400, reason fieldValidationFailed, the member in fieldList",
        (_MODEL, _ERRORS),
        "ListVmEntitlements with an entitlementType that the model does not have",
    ),
    (
        "too-many-ids",
        "ValidationException, HTTP 400, before anything is looked up",
        (_MODEL, _API),
        "CreateEntitlement of 101 VM ids in an environment that does not exist",
    ),
    (
        "no-ids",
        "ValidationException, HTTP 400, before anything is looked up",
        (_MODEL,),
        "CreateEntitlement of no VM id in an environment that does not exist",
    ),
    (
        "too-many-results",
        "ValidationException, HTTP 400: a page has 100 rows at most",
        (_MODEL, _API),
        "ListVmEntitlements with maxResults 101",
    ),
    (
        "wrong-page-token",
        "ValidationException, HTTP 400",
        (_OPERATIONS, "lambda_handler/evs/listing.py"),
        "ListVmEntitlements with a nextToken that nobody gave out",
    ),
    (
        "error-form",
        "the code stands in `__type` behind a `#` and in the header x-amzn-ErrorType, the text in `message`",
        (_MODEL, "lambda_handler/aws/calls.py"),
        "every refusal of this run",
    ),
    (
        "connector-checks",
        "type VCENTER, state ACTIVE, checks VCENTER_REACHABILITY, VCENTER_VM_SYNC, VCENTER_VM_EVENT",
        (_OPERATIONS, "fleet/evs_health/connectors.py"),
        "ListEnvironmentConnectors",
    ),
    (
        "clock",
        "EVS's clock and the caller's are the same within a second or two",
        (_ROWS, _LIMITS),
        "the Date header of each answer",
    ),
)

_LIFE = (
    (
        "create-answer",
        "HTTP 200 with one row for each VM, in status CREATING",
        (_OPERATIONS, _WORLD),
        "CreateEntitlement of a VM and of one that no vCenter has",
    ),
    (
        "start-while-creating",
        "a row in CREATING has no startedAt",
        ("local_aws/evs_api/rows.py",),
        "the answer of CreateEntitlement",
    ),
    (
        "bad-vm-alone",
        "a VM that cannot be entitled does not refuse the call for the others",
        (_WORLD, "lambda_handler/steps/entitle.py"),
        "CreateEntitlement of a VM and of one that no vCenter has",
    ),
    (
        "bad-vm-code",
        "CREATE_FAILED, with errorDetail: errorCode VM_NOT_FOUND and an errorMessage",
        (_WORLD, "docs/operations.md"),
        "the row of a VM that no vCenter has",
    ),
    (
        "list-after-create",
        "the next ListVmEntitlements shows the new row",
        (_OPERATIONS,),
        "ListVmEntitlements at once after CreateEntitlement",
    ),
    (
        "list-lag-create",
        "ListVmEntitlements shows the new row within 65 s",
        (_PACE, _LIMITS),
        "ListVmEntitlements each second after CreateEntitlement",
    ),
    (
        "list-pages",
        "a page that is not the last has a `nextToken`, which leads to the rows that follow",
        (_OPERATIONS, "lambda_handler/evs/listing.py"),
        "ListVmEntitlements with maxResults 1",
    ),
    (
        "created-in-time",
        "CREATED within an hour",
        ("constructs/evs_entitlements/entitlements.py", _BEHAVIOUR),
        "ListVmEntitlements each second",
    ),
    (
        "start-after-call",
        "startedAt of a new entitlement is not before the call that made it",
        (_ROWS, "lambda_handler/steps/mutation.py"),
        "the row in CREATED",
    ),
    (
        "times-form",
        "times are JSON numbers: seconds since 1970 with fractions",
        (_MODEL,),
        "startedAt, lastSyncedAt and stoppedAt of every row of this VM, as they came",
    ),
    (
        "create-again",
        "HTTP 200 with the row that exists; nothing else happens",
        (_SETTINGS, _OPERATIONS),
        "CreateEntitlement of a VM that is CREATED",
    ),
    (
        "one-row",
        "a VM that is entitled has one row",
        (_SETTINGS, _ROWS),
        "ListVmEntitlements after CreateEntitlement was called twice",
    ),
    ("delete-answer", "HTTP 200 with the row", (_OPERATIONS,), "DeleteEntitlement of a VM that is CREATED"),
    (
        "list-after-delete",
        "the next ListVmEntitlements does not show the VM as held",
        (_OPERATIONS,),
        "ListVmEntitlements at once after DeleteEntitlement",
    ),
    (
        "list-lag-delete",
        "ListVmEntitlements does not show the VM as held after 65 s",
        (_PACE, _LIMITS),
        "ListVmEntitlements each second after DeleteEntitlement",
    ),
    (
        "deleted-row",
        "a row that was deleted leaves the list",
        (_SETTINGS,),
        "ListVmEntitlements after DeleteEntitlement",
    ),
    ("delete-again", "HTTP 200 with no row", (_SETTINGS, _OPERATIONS), "DeleteEntitlement of a VM that has none"),
    (
        "delete-failed",
        "HTTP 200, and the row leaves the list",
        (_OPERATIONS, _BEHAVIOUR),
        "DeleteEntitlement of a VM whose row is CREATE_FAILED",
    ),
    (
        "delete-while-creating",
        "HTTP 200, and the VM does not become entitled",
        (_SETTINGS, "lambda_handler/steps/remove.py"),
        "DeleteEntitlement at once after CreateEntitlement",
    ),
    (
        "known-statuses",
        "CREATING, CREATED, AT_RISK, ENTITLEMENT_REMOVED, CREATE_FAILED, DELETED and no other",
        (_ROWS,),
        "every row of the connector that this run saw",
    ),
    (
        "known-members",
        "answers, rows and errors have the members of botocore's model and no others",
        (_MODEL, _ROWS),
        "every answer of this run, as it came",
    ),
)

_STACK = (
    ("first-deployment", "the stack is CREATE_COMPLETE, and the VM is CREATED", (_BEHAVIOUR,), "cdk deploy"),
    (
        "changed-set",
        "a changed set gets another id, and CloudFormation sends a Delete of the former one afterwards",
        (_BEHAVIOUR, "lambda_handler/steps/declared_sets.py"),
        "cdk deploy with a second VM; the function's log",
    ),
    (
        "stays-entitled",
        "a VM that stays declared keeps its entitlement through each update",
        (_BEHAVIOUR,),
        "startedAt of the VM before and after each deployment",
    ),
    (
        "smaller-set",
        "the VM that left is not entitled any more when the update is over",
        (_BEHAVIOUR,),
        "cdk deploy without the second VM",
    ),
    (
        "rolled-back",
        "UPDATE_ROLLBACK_COMPLETE, and the VM that came is not entitled",
        (_BEHAVIOUR,),
        "cdk deploy with one VM more and a resource that fails behind it",
    ),
    (
        "cancelled",
        "UPDATE_ROLLBACK_COMPLETE, and the VM that came is not entitled",
        (_BEHAVIOUR,),
        "CancelUpdateStack while the custom resource is UPDATE_IN_PROGRESS or CREATE_IN_PROGRESS",
    ),
    (
        "no-rollback",
        "whatever CloudFormation says to it, the next deployment that succeeds puts all right",
        (_LIMITS,),
        "cdk deploy --no-rollback with one VM more and a resource that fails behind it; then without that",
    ),
    (
        "express",
        "the stack is UPDATE_COMPLETE, and the VM that left is not entitled any more soon after",
        (_LIMITS,),
        "cdk deploy --express without the VM that came; where the CLI knows it",
    ),
    ("destroyed", "the stack is gone, and no VM of it is entitled", (_BEHAVIOUR,), "cdk destroy"),
    (
        "failed-create",
        "the stack is ROLLBACK_COMPLETE, the reason names VM and errorCode, and nothing is entitled",
        (_BEHAVIOUR, "docs/operations.md"),
        "cdk deploy of the VM and one that no vCenter has",
    ),
    (
        "delete-after-failed-create",
        "CloudFormation sends a Delete for a custom resource whose Create failed",
        ("docs/local-aws.md", _BEHAVIOUR),
        "the events of the stack while its first deployment is rolled back",
    ),
)


def _table(part: Part, rows: tuple[tuple[str, str, tuple[str, ...], str], ...]) -> dict[str, Assumption]:
    return {name: Assumption(name, part, assumed, where, asked) for name, assumed, where, asked in rows}


#: Every assumption by name, in the order of the report.
ASSUMPTIONS: dict[str, Assumption] = {
    **_table("questions", _QUESTIONS),
    **_table("life", _LIFE),
    **_table("stack", _STACK),
}
