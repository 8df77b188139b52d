"""Retries: a call that fails is tried again, for as long as the trouble may pass by itself.

Owns the pace of retries and the decision that trouble has lasted too long. Each kind of call has a `Retries` of its
own: an answer of DynamoDB says nothing of EVS, and a list says nothing of a creation.
"""

import random
from collections.abc import Callable
from math import inf
from typing import TypeVar

from ..clock import Clock
from ..errors import Failure
from ..pace import Pace
from .calls import AwsError, Denied, NotFound, Throttled, Unanswered

_T = TypeVar("_T")


class Retries:
    """The retries of one kind of call.

    Args:
        denied_until: until when (epoch seconds) AccessDenied counts as a policy that is still on its way.
        trouble_since: when the present trouble began (epoch seconds), where an invocation before was in it already.

    Attributes:
        trouble_since: when the present trouble began; None when the last call went through.
    """

    def __init__(self, clock: Clock, pace: Pace, denied_until: float, trouble_since: float | None = None) -> None:
        self._clock = clock
        self._pace = pace
        self._denied_until = denied_until
        self._tries = 0
        self.trouble_since = trouble_since

    def succeeded(self) -> None:
        """Note that a call went through, or was refused for what it asks: trouble has ended."""
        self._tries = 0
        self.trouble_since = None

    def wait(self, error: AwsError, until: float) -> None:
        """Wait before another try.

        Raises:
            AwsError: the same error, once it has lasted too long or the next try would come after `until` (epoch
                seconds).
            Failure: AccessDenied that did not heal, naming the action.
        """
        now = self._clock.now()
        if isinstance(error, Denied):
            if now >= self._denied_until:
                raise Failure(f"access denied: {error}") from error
            delay = min(1.0 * 2**self._tries, 5.0)
        elif isinstance(error, (Throttled, Unanswered)):
            self.trouble_since = self.trouble_since if self.trouble_since is not None else now
            if now - self.trouble_since > self._pace.trouble_for:
                raise error
            delay = min(0.2 * 2**self._tries, self._pace.slowest_retry) * (0.5 + random.random() / 2)  # noqa: S311  spreads retries, keeps no secret
            if isinstance(error, Throttled) and error.retry_after:
                delay = max(delay, float(error.retry_after))
        else:
            self.succeeded()
            raise error
        if now + delay > until:
            raise error
        self._tries = min(self._tries + 1, 10)
        self._clock.pause(delay)

    def through(self, step: Callable[[], _T], until: float, tries: int = 1, latest: float = inf) -> _T:
        """Take a step that can be repeated freely, until it succeeds.

        Args:
            until: when the last try begins, in epoch seconds.
            tries: so often at the least, though it is later: the process may have been held up between two tries.
            latest: when the last of these begins at the latest, in epoch seconds.

        Raises:
            AwsError, Failure: as `wait` does.
            HandOver: the invocation has no time left for another call.
        """
        number = 0
        while True:
            number += 1
            self._clock.require_room_for_a_call()
            try:
                result = step()
            except AwsError as error:
                in_time = until if number >= tries else min(self._clock.now() + self._pace.slowest_retry, latest)
                self.wait(error, max(until, in_time))
            else:
                self.succeeded()
                return result

    def confirmed(self, step: Callable[[], _T], until: float) -> _T:
        """Take a step that can be repeated freely. A NotFound counts once several answers in a row have said so.

        Raises:
            NotFound: over `Pace.not_found_for` as well.
            Unanswered: not so until `until` (epoch seconds).
            AwsError, Failure, HandOver: as `through` does.
        """
        since, answers = self._clock.now(), 0
        while True:
            try:
                return self.through(step, until)
            except NotFound as error:
                now, answers = self._clock.now(), answers + 1
                if self._pace.believes_not_found(now - since, answers):
                    raise
                if now >= until:
                    raise Unanswered(error.action, error.code, f"{error.message}; it was not said for long") from error
                self._clock.pause(self._pace.not_found_for / 4)
