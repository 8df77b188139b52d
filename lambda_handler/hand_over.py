"""Hands a request over: to a fresh invocation, to Lambda's retry of this one, or to nobody.

Owns every call to Lambda, and the decision on whom to rely. It answers nothing itself.

An Invoke may hang, and an answer has to be sent in time where none succeeds. So none begins without room for both. One
without an answer may have started an invocation all the same; another Invoke would start one more, and each of them
would do likewise. So the ledger is asked first.
"""

from dataclasses import dataclass
from typing import Any

from .aws.calls import AwsError, Denied, Refused, Unanswered, call
from .clock import Clock
from .ledger.fence import Fence
from .ledger.state import State
from .log import logger
from .pace import Pace

_NO_TIME = "too little of the function's time was left to begin one"


@dataclass(frozen=True)
class HandingOver:
    """The end of one invocation whose request goes on.

    Attributes:
        client: boto3's of Lambda.
        function: its own ARN.
        request_id: of the request.
        issued_at: when CloudFormation issued it, in epoch seconds.
        answer_by: when its answer has to be under way, in epoch seconds.
        tries_before: how often Lambda may have tried this very event before, by the time; None where no time tells.
        is_answering: all is done but the answer.
    """

    fence: Fence
    client: Any
    clock: Clock
    pace: Pace
    function: str
    request_id: str
    issued_at: float
    answer_by: float
    tries_before: int | None
    is_answering: bool

    def go_on(self, payload: bytes) -> str | None:
        """Let somebody go on with the request. Return why nobody can, or None.

        Raises:
            RuntimeError: Lambda's asynchronous retry begins this invocation again in a minute or two.
        """
        if self.clock.has_room_for_last_calls(2):
            error = self._invoke_repeatedly(payload)
            if error is None:
                return None
            is_final = isinstance(error, Refused) or (
                isinstance(error, Denied) and self.clock.now() - self.issued_at > self.pace.denied_for
            )
            if is_final or not self._is_tried_again():
                return _cannot_go_on(error)
            self._count()
        else:
            # A call has used up the time. This Invoke may outlast the invocation: whoever comes next has to know of it.
            is_tried_again = self._is_tried_again()
            if is_tried_again:
                self._count()
            elif not self.clock.has_room_for_last_calls(1):
                return _cannot_go_on(_NO_TIME)
            error = self._invoke(payload)
            if error is None:
                return None
            if not is_tried_again:
                return _cannot_go_on(error)
        raise RuntimeError(f"no fresh invocation could be started; Lambda tries this one again: {error}")

    def _invoke_repeatedly(self, payload: bytes) -> AwsError | None:
        """Invoke until Lambda takes it, or another invocation goes on: None. Otherwise return the last error."""
        while True:
            error = self._invoke(payload)
            if error is None or isinstance(error, Refused):
                return error
            if isinstance(error, Unanswered):
                self.clock.sleep(self.pace.invoke_doubt)
                is_left = self.fence.is_left_to_another(is_answering=self.is_answering)
                if is_left:
                    logger.warning("Lambda had taken the event all the same: another invocation goes on")
                    return None
                if is_left is None:
                    return error
            else:
                self.clock.sleep(self.pace.invoke_retry)
            if not self.clock.has_room_for_last_calls(2):
                return error
            logger.warning("%s; trying again", error)

    def _invoke(self, payload: bytes) -> AwsError | None:
        try:
            call(
                self.client.invoke,
                "lambda:InvokeFunction",
                FunctionName=self.function,
                InvocationType="Event",
                Payload=payload,
            )
        except AwsError as error:
            return error
        return None

    # --- Lambda's own retry ----------------------------------------------------------------------------------------

    def _is_tried_again(self) -> bool:
        """Tell whether Lambda tries this event again, and early enough for an answer."""
        failed, due = self._failed(), self.pace.retried_after
        in_time = self.answer_by - self.clock.now() - self.pace.least_invocation
        return failed < len(due) and in_time >= due[failed]

    def _failed(self) -> int:
        """Return how often this very event may have failed before.

        The ledger has those that could be counted. An invocation that was killed, or did not reach the ledger, shows in
        the time alone.
        """
        counted = self.fence.hand_overs_failed()
        if counted is None and self.tries_before is None:
            return len(self.pace.retried_after)
        return max(counted or 0, self.tries_before or 0)

    def _count(self) -> None:
        """Note in the ledger that this event has failed once more."""
        failed = self._failed() + 1

        def counted(state: State) -> State:
            record = state.requests.get(self.fence.key)
            if record is None or record.request_id != self.request_id:
                return state
            return state.record(self.fence.key, hand_overs_failed=max(record.hand_overs_failed, failed))

        self.fence.withdraw(counted)


def _cannot_go_on(error: AwsError | str) -> str:
    denied = "access denied: " if isinstance(error, Denied) else ""
    return f"it takes longer than the function may run, and can't go on in a fresh invocation: {denied}{error}"
