"""Time: of the request (absolute, set by CloudFormation) and of the invocation (what Lambda still gives).

Owns every sleep, so that no step starts that the function could not finish.
"""

from typing import Protocol

from .errors import HandOver
from .pace import Pace, bounded

_NEARLY_OVER = "the function's time is nearly used up"


class Time(Protocol):
    """Where the time comes from."""

    def now(self) -> float:
        """Return epoch seconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class LambdaContext(Protocol):
    """What Lambda hands to a handler, as far as it is used here."""

    aws_request_id: str
    invoked_function_arn: str
    log_stream_name: str

    def get_remaining_time_in_millis(self) -> int:
        """Return the time that Lambda still gives this invocation."""
        ...


class Clock:
    """The time of one invocation.

    Attributes:
        connect_timeout, read_timeout: the longest that one call may take, in seconds.
        is_closing: the work is over.
    """

    def __init__(self, context: LambdaContext, time: Time, pace: Pace) -> None:
        self._context = context
        self._time = time
        self._pace = pace
        self.connect_timeout = pace.connect
        self.read_timeout = bounded(self.remaining() * pace.read_of_invocation, pace.read_least, pace.read_most)
        self.is_closing = False

    def now(self) -> float:
        """Return epoch seconds."""
        return self._time.now()

    def suit(self, service_timeout: float) -> None:
        """Bound each call by ServiceTimeout (seconds), so that a call that hangs leaves time for the answer."""
        pace = self._pace
        most = bounded(service_timeout * pace.read_of_request, pace.read_least, pace.read_most)
        self.read_timeout = min(self.read_timeout, most)

    def remaining(self) -> float:
        """Return the seconds that Lambda still gives this invocation."""
        return self._context.get_remaining_time_in_millis() / 1000

    def require_room_for_a_call(self) -> None:
        """Raise HandOver unless one more call can be made and its outcome dealt with."""
        if not self.has_room_for_a_call():
            raise HandOver(_NEARLY_OVER)

    def has_room_for_a_call(self, besides: float = 0.0) -> bool:
        """Tell whether one more call can be made and its outcome dealt with, `besides` so many seconds."""
        return self.remaining() >= self._needed + besides

    def close(self) -> None:
        """Note that the work is over. Calls of clients that are made from now on take less, even where they hang.

        The time that was kept for one more call now serves for the hand-over, and for an answer where that fails.
        """
        if not self.is_closing:
            self.connect_timeout, self.read_timeout = self._pace.last_connect, self._last_read
            self.is_closing = True

    def has_room_for_last_calls(self, number: int) -> bool:
        """Tell whether so many calls may hang, the work being over, and an answer be sent after them."""
        return self.remaining() >= number * self._last_call + self._pace.last_answer

    def spare(self) -> float:
        """Return for how many seconds the last calls may be tried again, so that the hand-over keeps its time."""
        spare = self.remaining() - 2 * self._last_call - self._pace.last_answer
        return bounded(spare, self._pace.ledger_for, self._pace.ledger_for_last)

    @property
    def _last_read(self) -> float:
        if self.is_closing:
            return self.read_timeout
        return min(self.read_timeout * self._pace.last_read, self._pace.last_read_most)

    @property
    def _last_call(self) -> float:
        return self._pace.last_connect + self._last_read

    @property
    def _needed(self) -> float:
        if self.is_closing:
            return self._last_call + self._pace.last_answer
        kept = 2 * self._last_call + self._pace.last_answer + self._pace.hand_over
        return self.connect_timeout + self.read_timeout + kept

    def pause(self, seconds: float) -> None:
        """Sleep. Where the invocation ends before that, sleep until then, and raise HandOver for the rest."""
        wakes = self.now() + seconds
        lasts = self.remaining() - self._needed
        self._time.sleep(max(min(seconds, lasts), 0.0))
        if lasts < seconds:
            raise HandOver(_NEARLY_OVER, wakes)

    def sleep(self, seconds: float) -> None:
        """Sleep, however little time is left."""
        self._time.sleep(seconds)
