"""Answers the local EVS API's questions about permissions from ministack's IAM."""

from __future__ import annotations

from typing import Any

from local_aws.evs_api.access import Caller, Signature
from local_aws.ministack import Ministack


class MinistackIam:
    """Looks callers up in a ministack and has its IAM decide.

    Parameters
    ----------
    ministack
        A running one.
    client
        A boto3 client of its IAM, with the account's root credentials.
    """

    def __init__(self, ministack: Ministack, client: Any) -> None:
        self._ministack = ministack
        self._client = client

    def caller(self, signature: Signature) -> Caller | None:
        """Return who signs with this access key and token, or None if nobody does."""
        found = self._ministack.ask_caller(signature.access_key, signature.session_token)
        arn = found["arn"]
        if not arn:
            return None
        return Caller(arn, None if found["type"] == "Root" else policy_source(arn))

    def decision(self, policy_source: str, action: str, resource_arn: str) -> str:
        """Return IAM's ``allowed``, ``implicitDeny`` or ``explicitDeny``."""
        answer = self._client.simulate_principal_policy(
            PolicySourceArn=policy_source, ActionNames=[action], ResourceArns=[resource_arn]
        )
        return str(answer["EvaluationResults"][0]["EvalDecision"])


def policy_source(arn: str) -> str:
    """Return the user or role whose policies count for a caller.

    A session's ARN names role and session: ``arn:aws:sts::<account>:assumed-role/<role>/<session>``.
    """
    prefix, _, resource = arn.partition(":assumed-role/")
    if not resource:
        return arn
    return f"{prefix.replace(':sts:', ':iam:')}:role/{resource.partition('/')[0]}"
