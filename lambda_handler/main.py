"""Entry point of the function: wires the event to a request, the request to an answer."""

import json
import os
from typing import Any

from .aws import AwsError, Clients, Denied, Patience, call
from .clock import Clock, answer_by, undo_time
from .cloudformation import Answer, Request, Resource
from .converge import Convergence
from .errors import Failure, HandOver, LedgerGone, Overtaken
from .evs import Evs
from .ledger_table import LedgerTable, packed, unpacked
from .log import logger
from .orphan import delete_declared
from .properties import Properties, service_timeout
from .stack import Stack
from .turn import Turn

#: Names the ledger's table in the function's environment.
LEDGER_TABLE = "LEDGER_TABLE_NAME"
#: What an invocation tells the one that goes on, beside the event.
CONTINUATION = "Continuation"
#: A chain of invocations ends here at the latest; the deadline ends it long before.
MOST_INVOCATIONS = 600
#: AccessDenied is ridden out for so many seconds after the request began: a new role's policy takes its time.
DENIED_FOR = 75.0
#: Kept, in seconds, for an answer where no fresh invocation can go on.
ANSWERING = 7.0


def _turn(event: dict[str, Any], clock: Clock) -> Turn:
    request = Request.of(event)
    timeout = service_timeout(request.properties)
    clock.suit(timeout)
    goes_on = event.get(CONTINUATION) or {}
    began = goes_on.get("Began", clock.now())
    deadline = goes_on.get("AnswerBy") or answer_by(request.issued_at(began), timeout)
    event[CONTINUATION] = {**goes_on, "Began": began, "AnswerBy": deadline}

    def patience() -> Patience:
        return Patience(clock, began + DENIED_FOR, goes_on.get("TroubleSince"))

    clients = Clients(clock)
    return Turn(
        request=request,
        table=LedgerTable(clients, patience(), os.environ[LEDGER_TABLE], request.stack_id),
        evs=Evs(clients, clock),
        stack=Stack(clients, patience(), request.stack_id, min(deadline, clock.now() + 90)),
        clock=clock,
        patience=patience(),
        looking=patience(),
        began=began,
        undo_time=undo_time(timeout),
        answer_by=deadline,
    )


def _properties(request: Request) -> Properties | Failure:
    try:
        return Properties.parse(request.properties)
    except Failure as failure:
        return failure


#: The request that this invocation carries out.
_current: list[Convergence] = []


def serve(event: dict[str, Any], context: Any) -> Answer | None:
    """Carry out one event; None where there is to be no answer."""
    clock = clock_of(context)
    if resume_at := (event.get(CONTINUATION) or {}).get("ResumeAt"):
        # EVS, or whoever else, asked for a pause that the invocation before could not last out.
        clock.pause(resume_at - clock.now())
    turn = _turn(event, clock)
    properties = _properties(turn.request)
    convergence = Convergence(turn, properties, getattr(context, "log_stream_name", ""))
    convergence.failed.update(unpacked(event[CONTINUATION].get("Failed") or {}))
    convergence.tried = bool(event[CONTINUATION].get("Tried"))
    _current[:] = [convergence]
    try:
        return convergence.answer()
    except LedgerGone as gone:
        return delete_declared(turn, properties, gone)
    except Overtaken as overtaken:
        logger.warning("no answer: %s", overtaken)
        turn.withdraw()
        return None
    except HandOver:
        troubles = [since for since in (turn.patience.since, turn.looking.since) if since is not None]
        event[CONTINUATION]["TroubleSince"] = min(troubles, default=None)
        event[CONTINUATION]["Failed"] = packed(convergence.failed)
        event[CONTINUATION]["Tried"] = convergence.has_tried()
        turn.withdraw()
        raise


def is_overtaken() -> bool:
    """Tell whether the request that this invocation carries out has been overtaken since."""
    return any(convergence.is_overtaken() for convergence in _current)


_clocks: dict[int, Clock] = {}


def clock_of(context: Any) -> Clock:
    """Return the clock of an invocation, the same one each time."""
    if id(context) not in _clocks:
        _clocks.clear()
        _clocks[id(context)] = Clock(context.get_remaining_time_in_millis)
    return _clocks[id(context)]


def hand_over(event: dict[str, Any], context: Any, clock: Clock, resume_at: float | None) -> Answer | None:
    """Invoke this function again, asynchronously, to go on with the request, not before a time in epoch seconds.

    The payload holds the event, ResponseURL with it: it is the only place where the fresh invocation can learn it.
    Raises where Lambda's asynchronous retry may help. It begins the request again in a minute or two, and the ledger
    knows how far it got. Where IAM has refused for longer than a policy is on its way, the request is given up: the
    answer says so, and what was made is left to the request with which CloudFormation rolls back.
    """
    goes_on = event.get(CONTINUATION) or {}
    number = goes_on.get("Invocation", 1) + 1
    if number > MOST_INVOCATIONS:
        raise RuntimeError(f"{MOST_INVOCATIONS} invocations have not been enough")
    payload = {key: value for key, value in event.items() if key != "OldResourceProperties"}
    payload[CONTINUATION] = {**goes_on, "Invocation": number, "ResumeAt": resume_at}
    issued_at = Request.of(event).issued_at(goes_on.get("Began", clock.now()))
    client = Clients(clock).make("lambda")
    while True:
        try:
            call(
                client.invoke, "lambda:InvokeFunction",
                FunctionName=context.invoked_function_arn, InvocationType="Event", Payload=json.dumps(payload).encode(),
            )  # fmt: skip
        except AwsError as error:
            final = isinstance(error, Denied) and clock.now() - issued_at > DENIED_FOR
            if final and clock.remaining() < ANSWERING and (answer := _given_up(error)):
                return answer
            if clock.remaining() < 2:
                raise
            logger.warning("%s; trying again", error)
            clock.doze(0.5)
        else:
            return None


def _given_up(error: AwsError) -> Answer | None:
    reason = f"it takes longer than the function may run, and can't go on in a fresh invocation: access denied: {error}"
    return next((answer for convergence in _current if (answer := convergence.give_up(reason))), None)


_resource = Resource(serve, clock_of, hand_over, is_overtaken)


def handler(event: dict[str, Any], context: Any) -> None:
    """Serve an event of CloudFormation's, or the continuation of one."""
    # A warm function has served another request before.
    _current.clear()
    _resource(event, context)
