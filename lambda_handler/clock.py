"""Time: of the request (absolute, set by CloudFormation) and of the invocation (what Lambda still gives).

Owns every deadline and every sleep, so that no step starts that the function could not finish.
"""

import time
from collections.abc import Callable

from .errors import HandOver

#: Kept for handing over to a fresh invocation, in seconds: one Invoke call, a retry of it, and the log.
RESERVE = 5.0
#: Before CloudFormation gives up, the answer has been sent: this share of ServiceTimeout, within these bounds.
MARGIN, MARGIN_LEAST, MARGIN_MOST = 0.05, 3.0, 30.0
#: The longest that one answer is awaited: this share of what time there is, within these bounds.
OF_INVOCATION, OF_REQUEST, READ_LEAST, READ_MOST = 1 / 5, 1 / 8, 3.0, 15.0
#: Of a Create's or Update's time, what its undo may take.
UNDO, UNDO_LEAST, UNDO_MOST = 0.2, 5.0, 300.0


def answer_by(issued_at: float, service_timeout: float) -> float:
    """Return when the answer has to be under way, in epoch seconds."""
    return issued_at + service_timeout - _bounded(service_timeout * MARGIN, MARGIN_LEAST, MARGIN_MOST)


def undo_time(service_timeout: float) -> float:
    """Return the seconds that are kept for undoing a Create or Update."""
    return _bounded(service_timeout * UNDO, UNDO_LEAST, UNDO_MOST)


def _bounded(value: float, least: float, most: float) -> float:
    return min(max(value, least), most)


class Clock:
    """The time of one invocation.

    Parameters
    ----------
    remaining_millis
        ``context.get_remaining_time_in_millis``.
    now, sleep
        Epoch seconds; seconds. Handed in so that tests can play them.
    """

    def __init__(
        self,
        remaining_millis: Callable[[], int],
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._remaining_millis = remaining_millis
        self.now = now
        self._sleep = sleep
        #: The longest that one call may take, connecting included, in seconds.
        self.connect_timeout = 3.0
        self.read_timeout = _bounded(self.remaining() * OF_INVOCATION, READ_LEAST, READ_MOST)
        self._is_closing = False

    def suit(self, service_timeout: float) -> None:
        """Bound single calls so that one which hangs leaves time for the answer (ServiceTimeout, in seconds)."""
        self.read_timeout = min(self.read_timeout, _bounded(service_timeout * OF_REQUEST, READ_LEAST, READ_MOST))

    def remaining(self) -> float:
        """Return the seconds that Lambda still gives this invocation."""
        return self._remaining_millis() / 1000

    def room_for_a_call(self) -> None:
        """Raise HandOver unless one more call can be made and its outcome dealt with."""
        if self.remaining() < self._needed:
            raise HandOver("the function's time is nearly used up")

    def closing(self) -> None:
        """Note that the work is over: what was kept for the outcome of one more call may be used for a last write."""
        self._is_closing = True

    @property
    def _needed(self) -> float:
        return RESERVE if self._is_closing else self.connect_timeout + self.read_timeout + RESERVE

    def pause(self, seconds: float) -> None:
        """Sleep; where the invocation would not last, sleep as long as it does, and raise HandOver for the rest."""
        wakes = self.now() + seconds
        lasts = self.remaining() - self._needed
        self._sleep(max(min(seconds, lasts), 0.0))
        if lasts < seconds:
            raise HandOver("the function's time is nearly used up", wakes)

    def doze(self, seconds: float) -> None:
        """Sleep, however little time is left."""
        self._sleep(seconds)
