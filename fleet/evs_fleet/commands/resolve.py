"""`evs-entitlements resolve`: policy and inventory into the lock, and what that changes.

Owns when a lock is not written: with --check, for another vCenter, for a policy that chooses nothing, and where it
would remove more than a third of the VMs and nobody said --yes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from evs_fleet.errors import DIFFERENCE, OK, LockError, PolicyError
from evs_fleet.output import GOOD, WARN, plural, remark, write_csv, write_json, write_lines, write_table, write_text

if TYPE_CHECKING:
    from evs_entitlements.lock import EntitlementLock
    from evs_fleet.context import Context
    from evs_fleet.difference import Difference
    from evs_fleet.inventory.model import Inventory
    from evs_fleet.policy import Policy
    from evs_fleet.selection import Selection


@dataclass(frozen=True)
class _Result:
    """What came of policy, inventory and the lock that there was."""

    selection: Selection
    before: EntitlementLock | None
    after: EntitlementLock
    difference: Difference

    @property
    def up_to_date(self) -> bool:
        return self.before == self.after


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit status 1 when the lock is not up to date.")
@click.option("--yes", is_flag=True, help="Write the lock even if it removes more than a third of the VMs.")
@click.option("--other-vcenter", is_flag=True, help="Accept another vCenter than the one that the lock was made from.")
@click.option("--price", type=click.FloatRange(min=0), metavar="USD", help="Price of a vCPU-hour in USD [0.046].")
@click.pass_obj
def command(context: Context, /, check: bool, yes: bool, other_vcenter: bool, price: float | None) -> int:
    """Make the lock of what policy and inventory say, and show what changes.

    A VM that was registered anew is told by its instance UUID. VMs that an include names and EVS would refuse are shown
    with the reason, and so are VMs that an exclude names.
    """
    from evs_fleet.lock_file import save

    result = _resolve(context, other_vcenter=other_vcenter)
    too_many = result.difference.removes_too_many
    writes = not check and (yes or not too_many)
    changed = writes and save(result.after, context.lock_path)
    _show(context, result, price, written=changed)
    if check:
        return OK if result.up_to_date else DIFFERENCE
    if not writes:
        count, of = len(result.difference.removed), result.difference.before
        raise LockError(
            f"{context.lock_path}: not written: it would remove {count} of {plural(of, 'VM')}, more than a third; "
            "look at the reasons above, and say --yes if that is meant"
        )
    return OK


def _resolve(context: Context, *, other_vcenter: bool) -> _Result:
    from evs_entitlements.lock import EntitlementLock
    from evs_fleet.difference import compare
    from evs_fleet.inventory.source import read_inventory
    from evs_fleet.lock_file import load_if_there, locked_vcenter, locked_vm
    from evs_fleet.policy import load
    from evs_fleet.selection import select

    policy = load(context.policy_path)
    before = load_if_there(context.lock_path)
    inventory = read_inventory(context, policy.vcenter, tags=policy.uses("tag"))
    if not other_vcenter:
        _check_vcenter(context, before, inventory)
    selection = select(policy, inventory)
    for place in selection.unmatched:
        remark(f"warning: {place}")
    if not selection.chosen:
        raise PolicyError(
            f"{policy.path}: no VM is chosen of {plural(len(inventory.vms), 'VM')} of {inventory.source} "
            f"({len(selection.refused)} would be refused{_example(selection)}; {len(selection.excluded)} excluded); "
            "a lock needs one or more; to give up all entitlements, take the construct out of its stack"
        )
    try:
        after = EntitlementLock.make(
            policy.environment,
            policy.connector or _connector(context, policy),
            [locked_vm(vm) for vm in selection.chosen],
            locked_vcenter(inventory, policy, before),
        )
    except ValueError as error:
        raise LockError(str(error)) from error
    return _Result(selection, before, after, compare(before, after, _reasons(inventory, selection, before)))


def _check_vcenter(context: Context, before: EntitlementLock | None, inventory: Inventory) -> None:
    was = before.vcenter.instance_uuid if before and before.vcenter else None
    if was and inventory.instance_uuid and was.lower() != inventory.instance_uuid.lower():
        raise LockError(
            f"{context.lock_path} was made from the vCenter with instance_uuid {was}, and {inventory.source} is of "
            f"{inventory.instance_uuid}: ids of one mean other VMs in the other; say --other-vcenter if that is meant"
        )


def _connector(context: Context, policy: Policy) -> str:
    """Ask AWS for the environment's connector of type VCENTER."""
    from evs_fleet.aws.session import Session
    from evs_fleet.aws.targets import targets

    found = [target.connector_id for target in targets(Session.of(context), context, policy.environment, None)]
    if len(found) > 1:
        raise PolicyError(
            f"{policy.path}: environment {policy.environment} has several connectors of type VCENTER: "
            f"set connector to one of {', '.join(found)}"
        )
    return found[0]


def _example(selection: Selection) -> str:
    if not selection.refused:
        return ""
    vm, why = selection.refused[0]
    return f", such as {vm.name}: {why}"


def _reasons(inventory: Inventory, selection: Selection, before: EntitlementLock | None) -> dict[str, str]:
    """Return id of each VM that is not chosen -> why, by its old id too where it was registered anew."""
    words = {vm.id: "no include matches it" for vm in inventory.vms}
    words |= {vm.id: f"EVS would refuse it: {why}" for vm, why in selection.refused}
    words |= {vm.id: f"excluded: {reason}" for vm, reason in selection.excluded}
    by_uuid = {vm.instance_uuid: vm.id for vm in inventory.vms if vm.instance_uuid}
    for was in before.vms if before else ():
        now = by_uuid.get(was.instance_uuid or "")
        if now and now != was.id:
            words[was.id] = f"registered anew as {now}; {words[now]}"
    return words


def _show(context: Context, result: _Result, price: float | None, *, written: bool) -> None:
    from evs_fleet import changes

    rows = changes.rows(result.difference, result.selection)
    costs = changes.cost(result.after, price)
    if context.output == "ids":
        write_lines(result.after.vm_ids)
    elif context.output == "csv":
        write_csv(changes.CSV, rows)
    elif context.output == "json":
        write_json(_document(context, result, rows, costs, written=written))
    else:
        if rows:
            write_table(changes.TABLE, changes.shortened(rows))
        for line in (*result.difference.moved, *changes.total(str(context.lock_path), costs)):
            write_text(line)
        if result.up_to_date:
            write_text(("up to date", GOOD))
        else:
            write_text(("written", GOOD) if written else ("not up to date", WARN))


def _document(
    context: Context, result: _Result, rows: list[dict[str, Any]], costs: dict[str, Any], *, written: bool
) -> dict[str, Any]:
    from evs_fleet import changes

    kinds = (changes.RE_REGISTERED, changes.ADDED, changes.REMOVED, changes.RENAMED, changes.CHANGED)
    found: dict[str, Any] = {kind: [] for kind in (*kinds, changes.REFUSED, changes.EXCLUDED)}
    for row in rows:
        found[row["change"]].append({key: value for key, value in row.items() if key not in ("change", "what")})
    return {
        "lock": str(context.lock_path),
        "environment_id": result.after.environment_id,
        "connector_id": result.after.connector_id,
        "up_to_date": result.up_to_date,
        "written": written,
        "moved": list(result.difference.moved),
        **{kind.replace("-", ""): of_kind for kind, of_kind in found.items()},
        "unmatched": list(result.selection.unmatched),
        "cost": costs,
    }
