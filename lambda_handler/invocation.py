"""One invocation of the function: what the one before left, in; an answer or a hand-over, out. No globals.

Owns when a request is served, answered and handed over. `wiring` makes what serves it, `hand_over` calls Lambda.
"""

from dataclasses import replace
from typing import Any

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
from .hand_over import HandingOver
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
        self._is_answering = False

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
        self._continuation = Continuation.of(
            self._event, arrived, answer_by, request.issued_at(arrived) if request.issued else None
        )
        if self._clock.remaining() < self._pace.least_invocation:
            return self._too_short(request, self._continuation.number)
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

    def _too_short(self, request: Request, number: int) -> Answer:
        got, least = self._clock.remaining(), self._pace.least_invocation
        done = "Nothing was changed" if number == 1 else "What was done so far is left to the next request"
        return self._unserved(
            request,
            f"the function's timeout is too short: {got:.0f} s were left when it began, and at least {least:.0f} s are "
            f"needed. {done}. Set the timeout of the function back to what the construct gives it, or to "
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
        self._is_answering = True
        began = self._continuation.began if self._continuation else self._clock.now()
        answers.send(self._platform.put, url, body, self._clock, began + self._pace.url_lasts, self._is_overtaken)

    def _is_overtaken(self) -> bool:
        return self._steps is not None and self._steps.fence.is_overtaken()

    # --- handing over ----------------------------------------------------------------------------------------------

    def hand_over(self, more: HandOver) -> Answer | None:
        """Leave the request to a fresh invocation, which goes on not before `more.resume_at`.

        Returns the answer where nobody can go on. Raises where Lambda's asynchronous retry may help: Lambda then begins
        the request again in a minute or two, and the ledger knows how far the request has come.
        """
        before, steps = self._continuation, self._steps
        if before is None or steps is None:
            raise more
        fence = steps.fence
        payload = self._following(before, steps, more).payload(self._event)
        fence.close()
        is_left = fence.is_left_to_another(is_answering=self._is_answering)
        fence.withdraw()
        if is_left:
            logger.warning("not handed over: another invocation or a newer request goes on")
            return None
        if not self._is_answering and self._clock.now() >= steps.answer_by:
            return self._given_up("time is up")
        if before.number >= self._pace.most_invocations:
            return self._given_up(f"{self._pace.most_invocations} invocations of the function have not been enough")
        request = steps.request
        handing_over = HandingOver(
            fence=fence,
            client=self._clients.make("lambda"),
            clock=self._clock,
            pace=self._pace,
            function=self._context.invoked_function_arn,
            request_id=request.request_id,
            issued_at=request.issued_at(before.began),
            answer_by=before.answer_by,
            tries_before=steps.tries_before,
            is_answering=self._is_answering,
        )
        why_not = handing_over.go_on(payload)
        return self._given_up(why_not) if why_not else None

    def _following(self, before: Continuation, steps: Context, more: HandOver) -> Continuation:
        troubles = {kind: retries.trouble_since for kind, retries in self._retries.items()}
        convergence = self._convergence
        return Continuation(
            number=before.number + 1,
            began=before.began,
            answer_by=steps.answer_by,
            # One that has not come to its ledger has not waited either.
            resume_at=max(more.resume_at or 0.0, steps.resume_at or 0.0) or None,
            sent=self._clock.now(),
            trouble_since={kind: since for kind, since in troubles.items() if since is not None},
            not_found=steps.listing.not_found,
            look=steps.listing.partial,
            carried=replace(steps.carried, called_for_all=convergence is not None and convergence.has_called_for_all()),
        )

    def _given_up(self, reason: str) -> Answer | None:
        assert self._convergence is not None  # noqa: S101 - made with the steps that come to here
        return self._convergence.give_up(reason)


def _properties(request: Request) -> Properties | Failure:
    try:
        return Properties.parse(request.properties)
    except Failure as failure:
        return failure
