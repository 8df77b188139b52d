"""Deletes a stack of a run, whatever state it was left in, by CloudFormation's API alone.

Owns the waiting for what is under way: a deployment whose command was ended by Ctrl-C goes on in AWS. Touches no stack
but those that the run's record names.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from evs_fleet.aws.session import Session
from evs_fleet.errors import AwsError

#: Seconds that a stack is given to come to rest, and to go: a request may take its whole ServiceTimeout.
_WITHIN = 2 * 3600.0
_LOOK_EVERY = 2.0
#: Deletions that end as DELETE_FAILED are begun anew so often.
_ATTEMPTS = 3
#: So many looks in a row do not find a stack before it counts as gone.
_ABSENT = 2
#: CloudFormation takes a deletion while these are under way.
_DELETABLE = frozenset({"REVIEW_IN_PROGRESS"})


class StackRemoval:
    """Deletions of one run.

    Args:
        say: tells the user what is going on.
    """

    def __init__(self, session: Session, say: Callable[[str], None]) -> None:
        self._session, self._say = session, say

    def remove(self, stack: str) -> str | None:
        """Delete a stack and wait until it is gone.

        Returns:
            None, or a line that says what is left.
        """
        until = time.monotonic() + _WITHIN
        attempts, absent, is_cancelled, status = 0, 0, False, ""
        while time.monotonic() < until:
            try:
                status = self._status(stack)
                absent = absent + 1 if status == "GONE" else 0
                # A call of a command that was ended may still arrive.
                if absent == _ABSENT:
                    return None
                if status == "UPDATE_IN_PROGRESS" and not is_cancelled:
                    self._say(f"cancelling the update of {stack}")
                    is_cancelled = self._cancel(stack)
                elif not absent and (status in _DELETABLE or not status.endswith("_IN_PROGRESS")):
                    if attempts == _ATTEMPTS:
                        break
                    attempts += 1
                    self._say(f"deleting {stack} ({status})")
                    self._session.call("cloudformation", "delete_stack", StackName=stack)
            except AwsError as error:
                # An operation that has just begun: CloudFormation refuses, and a later look says more.
                status = str(error)
                attempts += 1
                if attempts >= 3 * _ATTEMPTS:
                    break
            time.sleep(_LOOK_EVERY)
        return f"stack {stack} is still there: {status}"

    def _status(self, stack: str) -> str:
        try:
            answer = self._session.call("cloudformation", "describe_stacks", StackName=stack)
        except AwsError as error:
            if "does not exist" in str(error):
                return "GONE"
            raise
        status = str(answer["Stacks"][0]["StackStatus"])
        return "GONE" if status == "DELETE_COMPLETE" else status

    def _cancel(self, stack: str) -> bool:
        try:
            self._session.call("cloudformation", "cancel_update_stack", StackName=stack)
        except AwsError:
            # It has just come to rest.
            return False
        return True
