"""Which answers a request may get: predicted from the truth where it is determined, either where it is not.

Owns the prediction, as docs/behaviour.md has it. A request's facts are taken when it is issued (`Facts.of`); what
happens to it afterwards may make the answer open (`Request.excuses`, and what is done by hand meanwhile).
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .declared import Declared
from .rows import Row

if TYPE_CHECKING:
    from .requests import Request

EITHER = frozenset({"SUCCESS", "FAILED"})
SUCCESS = frozenset({"SUCCESS"})
FAILED = frozenset({"FAILED"})
KNOWN = frozenset({"CREATING", "CREATED", "AT_RISK", "ENTITLEMENT_REMOVED"})
_PATTERNS = {"EnvironmentId": r"env-[a-zA-Z0-9]{10}", "ConnectorId": r"cnctr-[a-zA-Z0-9]{10}"}


@dataclass(frozen=True)
class Facts:
    """What was so when a request was issued."""

    is_malformed: bool = False
    is_unknown_place: bool = False
    foreign: frozenset[str] = frozenset()
    odd: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    trouble: int = 0
    is_shadowed: bool = False
    others: int = 0
    is_given_back: bool = False
    #: One of them is the stack's, EVS has removed it, and would not have it deleted: it is nobody's.
    is_forgotten: bool = False

    @classmethod
    def of(cls, request: "Request") -> "Facts":
        """Look at the world as it is now."""
        world, stack = request.stack.world, request.stack
        if is_malformed(request):
            return cls(is_malformed=True, trouble=world.troubles)
        declared = Declared.by(request.properties)
        rows = {vm_id: row for vm_id in declared.vm_ids if (row := world.evs.held(declared.where, vm_id)) is not None}
        ours = {vm_id for vm_id, row in rows.items() if row.maker == stack.name or stack.name in row.adopters}
        known = stack.protected(declared.where)
        return cls(
            is_unknown_place=declared.where not in world.evs.places or declared.where[1] in world.evs.types,
            foreign=frozenset(rows.keys() - ours - known),
            odd=frozenset(vm_id for vm_id, row in rows.items() if row.status not in KNOWN),
            refused=frozenset(world.evs.bad.keys() & declared.vm_ids - known),
            trouble=-1 if world.is_troubled else world.troubles,
            is_shadowed=any(
                _is_shadow(row, stack.name, world.clock.now)
                for row in world.evs.history
                if row.where == declared.where and row.vm_id in declared.vm_ids
            ),
            is_forgotten=any(row.status == "ENTITLEMENT_REMOVED" and row.is_deletion_refused for row in rows.values()),
            is_given_back=any(stack.may_be_given_back(declared.where, vm_id) for vm_id in declared.vm_ids),
            others=-1 if world.others_are_busy(stack) else world.operations_of_others(stack),
        )


def _is_shadow(row: Row, stack: str, now: float) -> bool:
    """Tell whether the list shows something of somebody else that is over, or soon will be."""
    if row.maker == stack or row.ended_by == stack:
        return False
    return (row.is_over and row.views[-1][0] > now) or (row.deletion_accepted and not row.is_over)


def is_malformed(request: "Request") -> bool:
    """Tell whether a property is missing or has another form."""
    properties = request.properties
    for name, pattern in _PATTERNS.items():
        if not re.fullmatch(pattern, str(properties.get(name))):
            return True
    vm_ids = properties.get("VmIds")
    if not isinstance(vm_ids, list) or not vm_ids or not all(re.fullmatch(r"vm-[0-9]+", str(one)) for one in vm_ids):
        return True
    return str(properties.get("AdoptExisting", "false")) not in ("true", "false")


def allowed(request: "Request") -> frozenset[str]:
    """Return the answers that a request may get."""
    facts = request.facts
    if request.type == "Delete":
        return _of_delete(request)
    if facts.is_malformed or facts.is_unknown_place:
        return FAILED
    if _is_open(request):
        return EITHER
    if request.is_unheard and request.stack.status == "DELETE_IN_PROGRESS":
        return EITHER  # nobody waits for it, and who still carries it out is stopped
    declared = Declared.by(request.properties)
    if facts.odd:
        return EITHER if declared.adopts or not facts.foreign else FAILED
    if facts.is_forgotten and not declared.adopts:
        return EITHER
    if facts.foreign and not declared.adopts:
        return EITHER if facts.foreign <= _adopted_elsewhere(request, declared) else FAILED
    return FAILED if facts.refused - facts.foreign else SUCCESS


def _adopted_elsewhere(request: "Request", declared: Declared) -> set[str]:
    """Return the VMs that another resource of the stack adopts at the same time."""
    others = [Declared.by(one.properties) for one in request.stack.requests if one is not request]
    return {vm_id for one in others if one.adopts and one.where == declared.where for vm_id in one.vm_ids}


def _of_delete(request: "Request") -> frozenset[str]:
    if _is_open(request) or request.stack.table.is_gone or request.stack.is_denied:
        return EITHER
    return SUCCESS


def _is_open(request: "Request") -> bool:
    world, declared = request.stack.world, Declared.by(request.properties)
    weather = world.weather
    if request.excuses or world.troubles != request.facts.trouble or world.is_troubled or request.stack.has_lost_ledger:
        return True
    if request.stack.is_denied or request.stack.unaskable:
        # A function that several stacks share refuses to add anything to one that it may not ask about.
        return True
    if request.facts.is_shadowed or request.facts.is_given_back:
        return True
    if world.operations_of_others(request.stack) != request.facts.others:
        return True
    touched = world.evs.touched_by_hand
    if any(touched.get(vm_id, 0.0) >= request.issued_at for vm_id in declared.vm_ids):
        return True
    slow = weather.creation_takes + weather.deletion_takes + weather.lag_created + weather.lag_deleted
    held_up = 400.0 if weather.killed or weather.frozen or weather.late_delivery else 0.0
    hardship = weather.throttled + weather.errors + weather.broken + weather.lost + weather.silent
    if weather.token_lasts < 60 and (hardship or weather.latency > 1) and weather.page_size < 10:
        return True
    if hardship > 0.5 or weather.ledger_throttled + weather.ledger_errors > 0.2 or request.stack.function.timeout < 20:
        return True
    return request.service_timeout < 2 * (slow + held_up + 120.0 + 1000 * hardship)
