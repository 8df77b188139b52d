"""Asks EVS once what is wrong with the connector, where a Create or Update fails or waits for long.

Owns when that is asked, and that it never changes an outcome: one attempt without retries, only where there is time to
spare, and whatever comes of it is no error. Never asks where all goes well.
"""

import time

from ..aws.calls import AwsError
from ..evs.connector_health import what_is_wrong
from ..log import logger
from ..text import clipped, clipped_json, json_bytes
from ..values import Connector
from .context import Context

#: A request that waits longer than this asks, in seconds.
AFTER = 60.0
#: A request that has failed asks before its undo only where so many seconds are left for that.
SPARE_BEFORE_UNDO = 60.0
#: Seconds that are left for the answer itself, in any case.
SPARE = 2.0
#: Most characters of a Reason but for its log stream, and most bytes of them as JSON.
_REASON, _REASON_BYTES = 2000, 2700


def explain(context: Context, connector: Connector, doing: str, until: float, spare: float = SPARE) -> None:
    """Ask what is wrong, if this request has not asked yet and there is time, and log it in one line.

    What EVS said is in `context.carried`, so that a fresh invocation need not ask again.

    Args:
        doing: what the request does, for the log.
        until: epoch seconds by which the present phase of the request ends.
        spare: seconds of them that have to be left after a call that takes as long as one may.
    """
    clock, carried = context.clock, context.carried
    longest = clock.connect_timeout + clock.read_timeout
    if carried.connector_asked or not clock.has_room_for_a_call() or clock.now() + longest + spare > until:
        return
    try:
        rows, is_whole = context.evs.connectors(connector.environment_id)
        wrong = what_is_wrong(connector, rows, is_whole=is_whole)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not change what becomes of the request
        said = str(error) if isinstance(error, AwsError) else f"{type(error).__name__}: {error}"
        known = f"EVS does not say how connector {connector.connector_id} is: {clipped(said, 300)}"
    else:
        if wrong:
            carried.connector_wrong = f"{wrong} (as of {time.strftime('%H:%M', time.gmtime(clock.now()))} UTC)"
        known = carried.connector_wrong or f"EVS reports nothing wrong with connector {connector.connector_id}"
    carried.connector_asked = True
    logger.warning("%s; %s", doing, known)


def reason_of_failure(reason: str, wrong: str, log_stream: str) -> str:
    """Return the Reason of an answer that says FAILED.

    What is too long is cut here, not at the end of the answer: there the connector and the log stream are named.

    Args:
        wrong: what is wrong with the connector, as EVS has said; empty where it has said nothing.
        log_stream: where the whole story stands.
    """
    said = f" {wrong[:1].upper()}{wrong[1:]}" if wrong else ""
    told = clipped_json(clipped(reason, _REASON - len(said)), _REASON_BYTES - json_bytes(said))
    stop = "." if said and not told.endswith(".") else ""
    return f"{told}{stop}{said} (log stream {log_stream})"
