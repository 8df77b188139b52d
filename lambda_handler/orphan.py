"""Requests whose ledger is gone: what a Delete's properties declare, or this invocation made, is all that is known.

Owns these cases. The table goes with the stack, so it is missing only where somebody deleted it by hand.
"""

from .aws import AwsError, NotFound, Refused
from .cloudformation import Answer, failed_request, is_set_id
from .errors import Failure, LedgerGone
from .evs import SEND_WITHIN, Rows, named
from .log import logger
from .properties import Connector, Properties
from .text import batches, count, some
from .turn import Turn


def delete_declared(turn: Turn, properties: Properties | Failure, gone: LedgerGone) -> Answer:
    """Delete the entitlements of the VMs in the properties, and wait until none is held."""
    physical_id = turn.request.physical_id
    if failed_request(physical_id) is not None or isinstance(properties, Failure):
        # A Create that failed has been undone, and one with wrong properties never began.
        return Answer("SUCCESS", physical_id)
    if _is_replaced(turn):
        reason = f"what {physical_id} declared may still be declared by the set that replaced it. {gone}"
        return Answer("FAILED", physical_id, reason)
    if not is_set_id(physical_id):
        return _answer_for_made_up(turn, properties, gone)
    logger.warning("%s; deleting what the properties declare", gone)
    try:
        left = _delete(turn, properties.connector, properties.vm_ids)
    except (AwsError, Failure) as error:
        return Answer("FAILED", physical_id, f"{error}. {gone}")
    if left:
        return Answer("FAILED", physical_id, f"{count(len(left))} still entitled: {some(left)}. {gone}")
    return Answer("SUCCESS", physical_id)


def _answer_for_made_up(turn: Turn, properties: Properties, gone: LedgerGone) -> Answer:
    """Of a Create that never answered it is not known what it made, nor whether the VMs were somebody else's before."""
    physical_id = turn.request.physical_id
    try:
        rows = _look(turn, properties.connector)
    except (AwsError, Failure) as error:
        return Answer("FAILED", physical_id, f"{error}. {gone}")
    held = {vm_id for vm_id in properties.vm_ids if vm_id in rows and rows[vm_id].held}
    if not held:
        return Answer("SUCCESS", physical_id)
    reason = (
        f"{gone}. So it is not known whether a creation that never answered has entitled {some(held)}, or somebody "
        "else. Nothing was removed: end what is not needed in the console, then delete again or skip this resource"
    )
    return Answer("FAILED", physical_id, reason)


def undone(turn: Turn, connector: Connector, made: frozenset[str]) -> str:
    """Remove what this invocation made, though nothing can be written down; return what to say of it."""
    if not made:
        return ""
    turn.failing = True
    try:
        left = _delete(turn, connector, made)
    except (AwsError, Failure) as error:
        return f". {count(len(made))} may be left entitled: {some(made)}: {error}"
    return f". {count(len(left))} left entitled: {some(left)}" if left else f". {count(len(made))} removed again"


def _is_replaced(turn: Turn) -> bool:
    """Tell whether CloudFormation names another set for the resource: then this is an update's clean-up."""
    try:
        named = turn.stack.physical_id_of(turn.request.logical_id)
    except Failure as failure:
        logger.warning("%s", failure)
        return False
    return named is not None and named != turn.request.physical_id and is_set_id(named)


def _look(turn: Turn, connector: Connector) -> Rows:
    """Return what EVS lists: nothing where the environment or the connector is gone, and every entitlement of it."""
    try:
        return turn.look(connector, turn.answer_by)
    except NotFound:
        return {}


def _delete(turn: Turn, connector: Connector, vm_ids: frozenset[str]) -> dict[str, str]:
    not_before: dict[str, float] = {}
    while True:
        rows = _look(turn, connector)
        present = {vm_id for vm_id in vm_ids if vm_id in rows and not rows[vm_id].gone}
        held = {vm_id for vm_id in present if rows[vm_id].held}
        now = turn.clock.now()
        due = [vm_id for vm_id in present if not_before.get(vm_id, 0.0) <= now and not rows[vm_id].creating]
        if not held and not due:
            return {}
        if now >= turn.answer_by:
            return {vm_id: rows[vm_id].status for vm_id in held}
        not_before.update(dict.fromkeys(due, now + 20))
        queue = batches(due)
        while queue:
            queue = [*_delete_batch(turn, connector, queue[0]), *queue[1:]]
        turn.clock.pause(1.0)


def _delete_batch(turn: Turn, connector: Connector, batch: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Delete a batch; return what of it is to be asked for again, taken apart."""
    try:
        turn.patience.through(lambda: turn.evs.delete(connector, batch, turn.clock.now() + SEND_WITHIN), turn.answer_by)
    except (NotFound, Refused) as error:
        # If it is the environment or the connector that is not there, the next look says so.
        guilty = named(error, batch)
        if guilty:
            return batches(vm_id for vm_id in batch if vm_id not in guilty)
        middle = len(batch) // 2
        return [batch[:middle], batch[middle:]] if middle else []
    return []
