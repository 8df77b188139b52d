"""Requests whose ledger is gone: what a Delete's properties declare, or this request has made, is all that is known.

Owns these cases. The table goes with the stack, so it is missing only where somebody deleted it by hand.
"""

from ..aws.calls import AwsError, NotFound, Refused
from ..cloudformation.answer import Answer
from ..cloudformation.physical_id import failed_request, is_set_id
from ..cloudformation.properties import Properties
from ..errors import Failure, LedgerGone
from ..evs.api import BATCH
from ..evs.rows import Rows, taken_apart
from ..log import logger
from ..text import batches, count, some
from ..values import NO_VMS, Connector, VmIds
from .absence import may_be_missed
from .context import Context


def delete_declared(context: Context, properties: Properties | Failure, gone: LedgerGone) -> Answer:
    """Delete the entitlements of the VMs in the properties, and wait until none is held."""
    physical_id = context.request.physical_id
    if failed_request(physical_id) is not None or isinstance(properties, Failure):
        # A Create that failed has been undone, and one with wrong properties never began.
        return Answer("SUCCESS", physical_id)
    try:
        if context.clock.now() > context.answer_by or context.stack.is_gone() or context.has_deleted():
            # A late or repeated delivery: the VMs may be somebody else's, or another resource's, by now.
            return Answer("SUCCESS", physical_id)
        is_replaced = _is_replaced(context)
    except Failure as failure:
        return Answer("FAILED", physical_id, f"{failure}. {gone}")
    if is_replaced:
        reason = f"what {physical_id} declared may still be declared by the set that replaced it. {gone}"
        return Answer("FAILED", physical_id, reason)
    context.resume()
    if not is_set_id(physical_id):
        return _answer_for_unknown(context, properties, gone)
    if properties.removal_policy == "RETAIN" and not context.stack.is_rolling_back():
        logger.warning("%s; RemovalPolicy is RETAIN: what the properties declare stays entitled", gone)
        return Answer("SUCCESS", physical_id)
    if properties.adopt_existing and not _has_completed(context):
        # What was adopted in an operation that is rolled back is somebody else's.
        return _answer_for_unknown(context, properties, gone)
    logger.warning("%s; deleting what the properties declare", gone)
    try:
        left = _delete(context, properties.connector, properties.vm_ids)
    except (AwsError, Failure) as error:
        return Answer("FAILED", physical_id, f"{error}. {gone}")
    if left:
        return Answer(
            "FAILED", physical_id, f"{count(len(left))} still entitled, as far as is known: {some(left)}. {gone}"
        )
    return Answer("SUCCESS", physical_id)


def _has_completed(context: Context) -> bool:
    """Tell whether it is certain that the stack rolls nothing back, and that an operation of it has completed.

    Where a rollback has failed, the stack's deletion follows. Then only its events tell that nothing has completed. Of
    what is older than they are, they tell nothing.
    """
    now = context.clock.now()
    remembered = now - context.pace.stack_history + 1.0
    return not context.stack.is_rolling_back() and context.stack.completed_since(remembered, now)


def _answer_for_unknown(context: Context, properties: Properties, gone: LedgerGone) -> Answer:
    """Of what a request made, it is not known whether it was somebody else's before; it is left as it is.

    The request is a Create that never answered, or one that may have adopted.
    """
    physical_id = context.request.physical_id
    try:
        rows = _look(context, properties.connector)
    except (AwsError, Failure) as error:
        return Answer("FAILED", physical_id, f"{error}. {gone}")
    held = {vm_id for vm_id in properties.vm_ids if rows and vm_id in rows and rows[vm_id].may_be_held}
    if not held:
        return Answer("SUCCESS", physical_id)
    reason = (
        f"{gone}. So it is not known whether this resource has entitled {some(held)}, or somebody else. Nothing was "
        "removed: end what is not needed in the console, then delete again or skip this resource"
    )
    return Answer("FAILED", physical_id, reason)


def undo_without_ledger(context: Context, connector: Connector) -> str:
    """Remove what this request has made, though nothing can be written down; return what to say of it.

    Nobody else will ever know of it: the Delete of a Create that has failed calls nothing.
    """
    carried, pace = context.carried, context.pace
    made = frozenset(carried.times_taken)
    # By the end of the stack's deletion it has been removed, and the VMs may be somebody else's.
    if carried.undone_since is None and context.stack.is_gone():
        return ""
    context.fence.is_failing = True
    if carried.undone_since is None:
        carried.undone_since = context.clock.now()
    lands_within = 0.0 if all(carried.times_taken.values()) else pace.lost_lands_within
    try:
        left = _delete(context, connector, made, carried.undone_since + lands_within + pace.list_lag)
    except (AwsError, Failure) as error:
        return f". {count(len(made))} may be left entitled: {some(made)}: {error}"
    return f". {count(len(left))} left entitled: {some(left)}" if left else f". {count(len(made))} removed again"


def _is_replaced(context: Context) -> bool:
    """Tell whether CloudFormation names another set for the resource: then this is an update's clean-up."""
    named = context.stack.physical_id_of(context.request.logical_id)
    return named is not None and named != context.request.physical_id and is_set_id(named)


def _look(context: Context, connector: Connector) -> Rows | None:
    """Return what EVS lists; None where the environment or the connector is gone, and every entitlement of it."""
    try:
        return context.listing.look(connector, context.answer_by).rows
    except NotFound:
        return None


def _delete(context: Context, connector: Connector, vm_ids: VmIds, expected: float = 0.0) -> dict[str, str]:
    """Delete entitlements and wait until none is held; return what is left: VM id -> status.

    Args:
        expected: until when the list may not show yet what is to be deleted, in epoch seconds.
    """
    not_before = context.carried.deleted_unseen
    unseen = vm_ids - not_before.keys()
    while True:
        found = _look(context, connector)
        rows = found or {}
        present = {vm_id for vm_id in vm_ids if vm_id in rows and not rows[vm_id].is_gone}
        held = {vm_id for vm_id in present if rows[vm_id].may_be_held}
        doubted = may_be_missed(context, connector, vm_ids - present) if found is not None else NO_VMS
        unseen -= present
        now = context.clock.now()
        due = [vm_id for vm_id in present if not_before.get(vm_id, 0.0) <= now and not rows[vm_id].is_creating]
        if not held and not due and not doubted and (not unseen or now >= expected):
            return {}
        if now >= context.answer_by:
            return dict.fromkeys(doubted, "not listed, but not for long enough") | {one: rows[one].word for one in held}
        # The list may show for a while what EVS has deleted.
        not_before.update(dict.fromkeys(due, now + context.pace.list_lag))
        queue = batches(due, BATCH)
        while queue:
            queue = [*_delete_batch(context, connector, queue[0]), *queue[1:]]
        context.clock.pause(1.0)


def _delete_batch(context: Context, connector: Connector, batch: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Delete a batch; return what of it is to be asked for again, taken apart."""
    try:
        answered = context.mutations.delete_unannounced(connector, batch, context.answer_by)
    except (NotFound, Refused) as error:
        # If it is the environment or the connector that is not there, the next look says so.
        return taken_apart(error, batch) if len(batch) > 1 else []
    # EVS may have taken the call for those VMs only that it answers with.
    is_some = bool(answered) and len(batch) > 1
    return [(vm_id,) for vm_id in batch if vm_id not in answered] if is_some else []
