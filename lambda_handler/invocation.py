"""One invocation of the function: what the one before left, in; an answer or a hand-over, out. No globals.

Owns when a request is served, answered and handed over, and every call to Lambda. `wiring` makes what serves it.
"""

from dataclasses import replace
from typing import Any

from .aws.calls import AwsError, Denied, Refused, call
from .aws.retries import Retries
from .clock import Clock, LambdaContext
from .cloudformation import answer as answers
from .cloudformation.answer import Answer
from .cloudformation.custom_resource import CustomResource, SetUpLog
from .cloudformation.log import set_up
from .cloudformation.physical_id import failed_id
from .cloudformation.properties import Properties, service_timeout
from .cloudformation.request import Request
from .continuation import Continuation
from .errors import Failure, HandOver, LedgerGone, Overtaken
from .ledger.state import State
from .log import logger
from .pace import Pace
from .platform import InvocationClients, Platform
from .steps.context import Context
from .steps.converge import Convergence
from .steps.without_ledger import delete_declared
from .wiring import wired


def run(
    event: dict[str, Any],
    context: LambdaContext,
    platform: Platform,
    pace: Pace | None = None,
    set_up_log: SetUpLog = set_up,
) -> None:
    """Serve one event of CloudFormation's, or the continuation of one.

    Raises only where Lambda's asynchronous retry is what is wanted.
    """
    CustomResource(Invocation(event, context, platform, pace or Pace()), set_up_log)(event, context)


class Invocation:
    """One invocation."""

    def __init__(self, event: dict[str, Any], context: LambdaContext, platform: Platform, pace: Pace) -> None:
        self._event = event
        self._context = context
        self._platform = platform
        self._pace = pace
        self._clock = Clock(context, platform, pace)
        self._clients = InvocationClients(platform, self._clock)
        self._continuation: Continuation | None = None
        self._steps: Context | None = None
        self._convergence: Convergence | None = None
        self._retries: dict[str, Retries] = {}

    # --- serving ---------------------------------------------------------------------------------------------------

    def serve(self) -> Answer | None:
        """Carry the request out. Return None where nothing is to be answered.

        Raises:
            HandOver: a fresh invocation has to go on.
        """
        request = Request.of(self._event)
        timeout = service_timeout(request.properties)
        self._clock.suit(timeout)
        arrived = self._clock.now()
        answer_by = self._pace.answer_by(request.issued_at(arrived), timeout)
        self._continuation = Continuation.of(self._event, arrived, answer_by)
        if self._clock.remaining() < self._pace.least_invocation:
            return self._too_short(request)
        if self._continuation.resume_at is not None:
            # EVS, or whoever else, asked for a pause that the invocation before could not last out.
            self._clock.pause(self._continuation.resume_at - arrived)
        steps, self._retries = wired(request, timeout, self._continuation, self._clients, self._clock, self._pace)
        self._steps = steps
        given = _properties(request)
        self._convergence = Convergence(steps, given, self._log_stream)
        try:
            return self._convergence.answer()
        except LedgerGone as gone:
            return delete_declared(steps, given, gone)
        except Overtaken as overtaken:
            logger.warning("no answer: %s", overtaken)
            steps.fence.withdraw()
            return None

    def _too_short(self, request: Request) -> Answer:
        got, least = self._clock.remaining(), self._pace.least_invocation
        return self._unserved(
            request,
            f"the function's timeout is too short: {got:.0f} s were left when it began, and at least {least:.0f} s are "
            "needed. Nothing was changed. Set the timeout of the function back to what the construct gives it, or to "
            "30 s at the least",
        )

    def _unserved(self, request: Request, reason: str) -> Answer:
        """Return the answer of an invocation that has not come to its ledger."""
        physical_id = request.physical_id
        if request.type == "Create" or not physical_id:
            physical_id = failed_id(0, request.request_id)
        return Answer("FAILED", physical_id, f"{reason} (log stream {self._log_stream})")

    @property
    def _log_stream(self) -> str:
        return getattr(self._context, "log_stream_name", "")

    # --- answering -------------------------------------------------------------------------------------------------

    def send(self, url: str, body: bytes) -> None:
        """Send the answer, unless a newer request has come since."""
        began = self._continuation.began if self._continuation else self._clock.now()
        answers.send(self._platform.put, url, body, self._clock, began + self._pace.url_lasts, self._is_overtaken)

    def _is_overtaken(self) -> bool:
        return self._steps is not None and self._steps.fence.is_overtaken()

    # --- handing over ----------------------------------------------------------------------------------------------

    def hand_over(self, more: HandOver) -> Answer | None:
        """Invoke this function again, asynchronously, to go on with the request, not before `more.resume_at`.

        Returns the answer where no fresh invocation can go on. Raises where Lambda's asynchronous retry may help:
        Lambda then begins the request again in a minute or two, and the ledger knows how far the request has come.
        """
        before = self._continuation
        if before is None:
            raise more
        following = self._following(before, more)
        if self._steps is not None:
            self._steps.fence.withdraw()
        if before.number >= self._pace.most_invocations:
            return self._given_up(f"{self._pace.most_invocations} invocations of the function have not been enough")
        payload = following.payload(self._event)
        issued_at = Request.of(self._event).issued_at(before.began)
        client = self._clients.make("lambda")
        while True:
            try:
                self._invoke(client, payload)
            except AwsError as error:
                is_denied = isinstance(error, Denied) and self._clock.now() - issued_at > self._pace.denied_for
                if isinstance(error, Refused) or (is_denied and self._is_last_chance):
                    return self._given_up(_cannot_go_on(error))
                if self._is_last_chance and self._may_not_retry(before):
                    return self._given_up(_cannot_go_on(error))
                if self._clock.remaining() < 2:
                    raise
                logger.warning("%s; trying again", error)
                self._clock.sleep(0.5)
            else:
                return None

    def _invoke(self, client: Any, payload: bytes) -> None:
        call(
            client.invoke,
            "lambda:InvokeFunction",
            FunctionName=self._context.invoked_function_arn,
            InvocationType="Event",
            Payload=payload,
        )

    @property
    def _is_last_chance(self) -> bool:
        return self._clock.remaining() < self._pace.last_answer

    def _may_not_retry(self, before: Continuation) -> bool:
        """Tell whether Lambda's next retry would come too late, or not at all; else raise, and count it in the ledger.

        A retry comes too late where less than `least_invocation` is left before the answer is due.
        """
        pace = self._pace
        in_time = before.answer_by - self._clock.now() - pace.least_invocation
        if self._steps is None or not self._steps.fence.is_admitted:
            # Which retry comes next is not known.
            return in_time < max(pace.retried_after)
        fence = self._steps.fence
        failed = fence.record.hand_overs_failed
        if failed >= len(pace.retried_after) or in_time < pace.retried_after[failed]:
            return True
        request = self._steps.request

        def counted(state: State) -> State:
            record = state.requests.get(fence.key)
            if record is None or record.request_id != request.request_id:
                return state
            return state.record(fence.key, hand_overs_failed=record.hand_overs_failed + 1)

        fence.withdraw(counted)
        raise RuntimeError("no fresh invocation could be started; Lambda tries this one again")

    def _following(self, before: Continuation, more: HandOver) -> Continuation:
        steps = self._steps
        if steps is None:
            # It has only slept so far.
            return Continuation(
                **{**vars(before), "number": before.number + 1, "resume_at": more.resume_at or before.resume_at}
            )
        troubles = {kind: retries.trouble_since for kind, retries in self._retries.items()}
        convergence = self._convergence
        return Continuation(
            number=before.number + 1,
            began=before.began,
            answer_by=steps.answer_by,
            resume_at=more.resume_at,
            trouble_since={kind: since for kind, since in troubles.items() if since is not None},
            not_found=steps.listing.not_found,
            look=steps.listing.partial,
            carried=replace(steps.carried, called_for_all=convergence is not None and convergence.has_called_for_all()),
        )

    def _given_up(self, reason: str) -> Answer | None:
        if self._convergence is None:
            # It has only slept.
            return self._unserved(Request.of(self._event), f"{reason}. Not undone, left to the next request")
        return self._convergence.give_up(reason)


def _cannot_go_on(error: AwsError) -> str:
    denied = "access denied: " if isinstance(error, Denied) else ""
    return f"it takes longer than the function may run, and can't go on in a fresh invocation: {denied}{error}"


def _properties(request: Request) -> Properties | Failure:
    try:
        return Properties.parse(request.properties)
    except Failure as failure:
        return failure
