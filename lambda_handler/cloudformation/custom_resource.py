"""crhelper's entry point, without what loses or doubles answers.

Owns ResponseURL and crhelper; no other module knows either. `docs/decisions/crhelper.md` says why crhelper is used and
what of it is switched off: its three clients and EventBridge polling (waiting happens in the function), its timer
thread (which answers FAILED with an empty id, and lets the handler answer again), its random ids, its sleep of 120 s
before a Delete is answered (the role can't create log groups, so none comes back), its sender (any HTTP status counted
as sent) and its Reason of 240 characters.
"""

import os
from collections.abc import Callable
from typing import Any, Protocol

from ..clock import LambdaContext
from ..errors import HandOver, unexpected
from ..log import logger
from .answer import Answer
from .crhelper_parts import CfnResource
from .log import set_up
from .physical_id import failed_id

#: crhelper makes three clients for a polling that is not used here; this is its own switch for leaving them out.
_SWITCH = "AWS_SAM_LOCAL"

SetUpLog = Callable[[dict[str, Any], str], None]


class Server(Protocol):
    """Who carries a request out."""

    def serve(self) -> Answer | None:
        """Return the answer, or None where there is to be none."""
        ...

    def hand_over(self, more: HandOver) -> Answer | None:
        """Start a fresh invocation; return an answer where that is not to be."""
        ...

    def send(self, url: str, body: bytes) -> None:
        """Send the answer."""
        ...


class CustomResource(CfnResource):
    """Serves one event.

    Args:
        server: carries the request out.
        set_up_log: event, id of the invocation: gives the log lines their form.
    """

    def __init__(self, server: Server, set_up_log: SetUpLog = set_up) -> None:
        self._event: dict[str, Any] = {}
        self._context: Any = None
        self._response_url = ""
        self._server = server
        self._set_up_log = set_up_log
        self._answer: Answer | None = None
        self._is_sent = False
        before = os.environ.get(_SWITCH)
        os.environ[_SWITCH] = "true"
        try:
            super().__init__(json_logging=True, log_level="INFO", boto_level="ERROR", sleep_on_delete=0)
        finally:
            if before is None:
                del os.environ[_SWITCH]
            else:
                os.environ[_SWITCH] = before
        for declare in (self.create, self.update, self.delete):
            declare(self._serve)  # type: ignore[arg-type]  # _wrap_function takes the answer itself

    def __call__(self, event: dict[str, Any], context: LambdaContext) -> None:
        """Serve the event. Raises only where Lambda's asynchronous retry is what is wanted."""
        try:
            super().__call__(event, context)
        except HandOver as more:
            logger.info("going on in a fresh invocation: %s", more)
            self._answer = self._server.hand_over(more)
            self._cfn_response(event)

    def _serve(self, _event: dict[str, Any], _context: Any) -> Answer | None:
        return self._server.serve()

    def _log_setup(self, event: dict[str, Any], context: Any) -> None:
        self._set_up_log(event, getattr(context, "aws_request_id", ""))

    def _set_timeout(self) -> None:
        """No timer: the clock hands over before the function's time is up."""

    def _poll_enabled(self) -> bool:
        return False

    def _setup_polling(self) -> None:
        raise NotImplementedError("waiting happens in the function")

    def _remove_polling(self) -> None:
        raise NotImplementedError("waiting happens in the function")

    def generate_physical_id(self, event: dict[str, Any]) -> str:
        """Never random: a failed Create has an id of its own, all else a computed one."""
        return event.get("PhysicalResourceId") or failed_id(0, event["RequestId"])

    def _wrap_function(self, func: Callable[[dict[str, Any], Any], Answer | None]) -> None:
        try:
            self._answer = func(self._event, self._context)
        except Exception as error:  # noqa: BLE001 - every request is answered, whatever raises
            logger.exception("unexpected error")
            self._answer = Answer("FAILED", self.generate_physical_id(self._event), unexpected(error))

    def _cfn_response(self, _event: dict[str, Any]) -> None:
        if self._answer is not None:
            self._send()

    def _send(self, _status: str | None = None, reason: str = "", *_: Any) -> None:
        """Send the answer once; crhelper comes here too when it fails before the request is served."""
        if self._is_sent:
            return
        answer = self._answer or Answer("FAILED", self.generate_physical_id(self._event), reason)
        said = f": {answer.reason}" if answer.reason else ""
        level = 20 if answer.status == "SUCCESS" else 40
        logger.log(level, "answering %s, PhysicalResourceId %s%s", answer.status, answer.physical_id, said)
        self._server.send(self._response_url, answer.body(self.StackId, self.RequestId, self.LogicalResourceId))
        self._is_sent = True
