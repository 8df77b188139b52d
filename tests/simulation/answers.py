"""S3: takes the answers that functions PUT to presigned addresses, and CloudFormation hears the first one."""

import json
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from .functions import Invocation

if TYPE_CHECKING:
    from .world import World


class Answers:
    """The bucket."""

    def __init__(self, world: "World") -> None:
        self._world = world
        #: What the next PUTs meet: a status, `broken` (before it is in), `lost` (after).
        self.planned: list[int | str] = []

    def put(self, url: str, body: bytes, invocation: Invocation) -> tuple[int | None, bool]:
        """Return the HTTP status, None for a broken connection, and whether the answer is in."""
        world = self._world
        request = world.requests[unquote(urlsplit(url).path).rpartition("|")[2]]
        request.has_succeeded = request.has_succeeded or json.loads(body)["Status"] == "SUCCESS"
        outcome = self._outcome(invocation)
        if outcome in (200, "lost", "lost with 500"):
            request.take_answer(body, invocation.held_up, is_untold=invocation.is_untold)
        if isinstance(outcome, int):
            if 400 <= outcome < 500:
                request.excuses.add("answer refused")
            return outcome, outcome == 200
        return (500 if outcome == "lost with 500" else None), outcome != "broken"

    def _outcome(self, invocation: Invocation) -> int | str:
        if self.planned:
            return self.planned.pop(0)
        if self._world.trouble.is_calm:
            return 200
        weather, random = self._world.weather, invocation.random
        if random.random() < weather.answer_errors:
            outcomes: list[int | str] = [500, 503, "broken"]
            return random.choice(outcomes)
        if random.random() < weather.answer_lost:
            return random.choice(["lost", "lost with 500"])
        return 200
