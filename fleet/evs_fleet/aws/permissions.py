"""Whether a caller or a role may do something, as IAM's simulation says it without doing it.

Owns the question to SimulatePrincipalPolicy. The simulation knows identity policies; a policy of the organization, a
permissions boundary or a session policy may still refuse.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evs_fleet.aws.failures import AccessDenied, NotFound
from evs_fleet.errors import AwsError

if TYPE_CHECKING:
    from evs_fleet.aws.session import Session

_ASSUMED = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/.+")


@dataclass(frozen=True)
class Question:
    """Actions on one resource; `*` for actions that have no resource of their own."""

    actions: tuple[str, ...]
    resource: str = "*"


class NotTried(AwsError):
    """The simulation could not be asked; the text says why."""


def denied(session: Session, principal_arn: str, questions: Iterable[Question]) -> list[str]:
    """Return what a user or role may not do, as `action on resource`; empty when it may do everything.

    Raises:
        NotTried: IAM could not be asked.
    """
    found: list[str] = []
    for question in questions:
        try:
            # One resource a call: of several, some answers don't say which one they are about.
            rows = list(
                session.items(
                    "iam",
                    "simulate_principal_policy",
                    "EvaluationResults",
                    PolicySourceArn=principal_arn,
                    ActionNames=list(question.actions),
                    ResourceArns=[question.resource],
                )
            )
        except AwsError as error:
            raise NotTried(str(error)) from error
        refused = [str(row["EvalActionName"]) for row in rows if row["EvalDecision"] != "allowed"]
        on = "" if question.resource == "*" else f" on {question.resource}"
        found += [f"{action}{on}" for action in refused]
    return found


def principal(session: Session, caller_arn: str) -> str | None:
    """Return the user or role whose policies count for a caller; None for the account's root, which may do everything.

    Raises:
        NotTried: the caller is of a kind that IAM's simulation doesn't know.
    """
    if caller_arn.endswith(":root"):
        return None
    if assumed := _ASSUMED.fullmatch(caller_arn):
        return _role_arn(session, assumed)
    if ":user/" in caller_arn or ":role/" in caller_arn:
        return caller_arn
    raise NotTried(f"IAM's simulation knows users and roles, and this is {caller_arn}")


def _role_arn(session: Session, assumed: re.Match[str]) -> str:
    # A session's ARN leaves the role's path out, which the role's own ARN has.
    try:
        return str(session.call("iam", "get_role", RoleName=assumed["role"])["Role"]["Arn"])
    except (AccessDenied, NotFound):
        return f"arn:{assumed['partition']}:iam::{assumed['account']}:role/{assumed['role']}"
