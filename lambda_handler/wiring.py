"""Puts together what the steps of one request work with: clients, ledger, EVS, stack, retries.

Owns the wiring and nothing else: it makes no call, and decides nothing.
"""

import os

from .aws.retries import Retries
from .clock import Clock
from .cloudformation.request import Request
from .cloudformation.stack import Stack
from .continuation import Continuation
from .evs.api import Evs
from .evs.listing import Listing
from .ledger.fence import Fence
from .ledger.state import key_of
from .ledger.table import LedgerTable
from .pace import Pace
from .platform import InvocationClients
from .steps.context import Context
from .steps.mutation import Mutations

#: Names the ledger's table in the function's environment.
LEDGER_TABLE = "LEDGER_TABLE_NAME"
#: In the function's environment where stacks use the function that its role was not made for.
SHARED = "SHARED_BY_STACKS"
#: Kinds of calls whose trouble one invocation tells the next.
_KINDS = ("ledger", "list", "change", "stack")


def wired(
    request: Request, timeout: float, before: Continuation, clients: InvocationClients, clock: Clock, pace: Pace
) -> tuple[Context, dict[str, Retries]]:
    """Return all that a request's steps work with, and the retries of each kind of call.

    Args:
        request: what CloudFormation asks for.
        timeout: ServiceTimeout, in seconds.
        before: what the invocation before this one has left.
        clients: of AWS.
        clock: of this invocation.
        pace: every interval and limit.
    """
    tries_before = None if before.sent is None else pace.tries_before(clock.now() - before.sent)
    if tries_before:
        before = before.tried_before()
    denied_until = before.began + pace.denied_for
    retries = {kind: Retries(clock, pace, denied_until, before.trouble_since.get(kind)) for kind in _KINDS}
    table = LedgerTable(clients, retries["ledger"], os.environ[LEDGER_TABLE], request.stack_id)
    key = key_of(request.type, request.logical_id, request.physical_id)
    fence = Fence(table, clock, pace, key, request.request_id, before.answer_by)
    evs = Evs(clients, clock)
    context = Context(
        request=request,
        fence=fence,
        evs=evs,
        listing=Listing(evs, retries["list"], clock, pace, before.look, before.not_found, place=request.place),
        mutations=Mutations(evs, fence, retries["change"], clock, pace),
        stack=Stack(
            clients, retries["stack"], clock, pace, request.stack_id, before.answer_by, before.carried.events_cut_short
        ),
        clock=clock,
        pace=pace,
        began=before.began,
        answer_by=before.answer_by,
        undo_time=pace.undo_time(timeout),
        carried=before.carried,
        is_shared=SHARED in os.environ,
        resume_at=before.resume_at,
        tries_before=tries_before,
    )
    return context, retries
