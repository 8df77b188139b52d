"""Every call to CloudFormation's API: how it is tried again, and when its answer is awaited no more.

Knows no rule. What was answered is kept for the invocation; how often no answer could be awaited, for the request.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..aws.calls import AwsError, NotFound, Refused, call
from ..aws.clients import Clients
from ..aws.retries import Retries
from ..clock import Clock
from ..errors import Failure, HandOver
from ..log import logger
from ..pace import Pace
from .events import TooManyEvents

#: Most pages, of 100 events, in which something is looked for: a few operations of the largest stacks.
EVENT_PAGES = 100


@dataclass
class StackCalls:
    """The calls about one stack, and about those that it is nested in.

    Attributes:
        until: epoch seconds until which questions are tried again at the latest. Each is tried for `Pace.stack_for`.
        cut_short: question -> how many invocations of the request have ended before it was answered; a stack's ARN
            alone stands for all its events.
    """

    clients: Clients
    retries: Retries
    clock: Clock
    pace: Pace
    stack_id: str
    until: float
    cut_short: dict[str, int]
    _client: Any = field(default=None, init=False)
    _described: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)

    def _events(self, stack_id: str) -> Iterator[dict[str, Any]]:
        """Yield a stack's events, newest first; raises TooManyEvents where there are too many of them."""
        token: dict[str, str] = {}
        if self.cut_short.get(stack_id, 0) >= self.pace.asked_anew:
            raise TooManyEvents(f"{self.pace.asked_anew} invocations have not had the time to read them")
        for _ in range(EVENT_PAGES):
            answer = self._ask("DescribeStackEvents", stack_id, **token)
            yield from answer.get("StackEvents") or ()
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}
        raise TooManyEvents(f"more than {EVENT_PAGES} pages")

    @property
    def _root(self) -> str:
        """The ARN of the outermost stack: this one where it is not nested."""
        return str(self._describe(self.stack_id).get("RootId") or list(self._chain())[-1])

    def _chain(self) -> Iterator[str]:
        """Yield the ARNs of this stack and of those that it is nested in, the outermost last."""
        above, seen = self.stack_id, set[str]()
        while above and above not in seen:
            yield above
            seen.add(above)
            above = str(self._describe(above).get("ParentId") or "")

    def _describe(self, stack_id: str) -> dict[str, Any]:
        if stack_id not in self._described:
            try:
                found = self._one(stack_id)
            except (AwsError, Failure) as error:
                logger.warning("CloudFormation can't be asked for the status of %s: %s", stack_id, error)
                found = {}
            self._described[stack_id] = found
        return self._described[stack_id]

    def _one(self, stack_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (self._ask("DescribeStacks", stack_id).get("Stacks") or [{}])[0]
        return found

    def _ask(self, operation: str, stack_id: str, **parameters: Any) -> dict[str, Any]:
        if self._client is None:
            self._client = self.clients.make("cloudformation")
        method = {
            "DescribeStacks": self._client.describe_stacks,
            "DescribeStackResource": self._client.describe_stack_resource,
            "DescribeStackEvents": self._client.describe_stack_events,
        }[operation]
        key = f"{operation} {stack_id}"
        if self.cut_short.get(key, 0) >= self.pace.asked_anew:
            raise Failure(f"{self.pace.asked_anew} invocations have not had the time to ask cloudformation:{operation}")
        # From now on: a question that comes late in a long invocation is tried again as one that comes early.
        until = min(self.until, self.clock.now() + self.pace.stack_for)
        try:
            return self.retries.through(
                lambda: call(method, f"cloudformation:{operation}", StackName=stack_id, **parameters),
                until,
                tries=self.pace.stack_tries,
                latest=self.until,
            )
        except HandOver as more:
            if "NextToken" in parameters:
                self._count_cut_short(stack_id)
            elif more.resume_at is None:  # where a retry is waited for, the time of trouble counts
                self._count_cut_short(key)
            raise

    def _count_cut_short(self, key: str) -> None:
        self.cut_short[key] = self.cut_short.get(key, 0) + 1


def is_unknown(error: AwsError) -> bool:
    """Tell whether CloudFormation says that there is no such stack, or no such resource of it."""
    return isinstance(error, Refused | NotFound) and "does not exist" in error.message
