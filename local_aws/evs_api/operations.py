"""The six operations of the EVS API on a world: what is refused, what is begun, what is answered.

Requests come here already checked against the service model. No HTTP, no permissions, no faults.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from typing import Any

from local_aws.evs_api.errors import ApiError, not_found, validation
from local_aws.evs_api.rows import HELD, Row
from local_aws.evs_api.world import World
from local_aws.inventory import Connector, Environment

Members = dict[str, Any]


def _list_vm_entitlements(world: World, members: Members) -> Members:
    place = _place(world, members)
    scope = "|".join(("rows", *place))
    after = _position(world, members.get("nextToken"), scope)
    size = members.get("maxResults", world.settings.page_size)
    if world.settings.freeze_pages:
        return _frozen_page(world, place, members.get("nextToken"), size, scope)
    rows, last = world.rows.page(place, after, size, shuffled=world.settings.shuffle_rows)
    token = None if last is None else _token(world, last, scope)
    return {"entitlements": [row.as_answer() for row in rows if not _is_hidden(world, row)], "nextToken": token}


def _frozen_page(world: World, place: tuple[str, str], token: str | None, size: int, scope: str) -> Members:
    if token in world.frozen:
        rows = world.frozen[token]
    else:
        rows = [row.as_answer() for row in world.rows.page(place, -1.0, len(world.rows.all()), shuffled=False)[0]]
    following = _token(world, float(len(world.frozen)), scope) if len(rows) > size else None
    if following:
        world.frozen[following] = rows[size:]
    return {"entitlements": rows[:size], "nextToken": following}


def _is_hidden(world: World, row: Row) -> bool:
    hidden = world.settings.hide_rows
    times = hidden.get(row.vm_id, 0)
    if times:
        hidden[row.vm_id] = times - 1
    return times > 0


def _create_entitlement(world: World, members: Members) -> Members:
    place = _place(world, members)
    connector = world.connectors[place[1]]
    if connector.state != "ACTIVE" or not connector.reachable:
        condition = "is not reachable" if connector.state == "ACTIVE" else f"is {connector.state}, not ACTIVE"
        text = f"Connector {connector.id} {condition}."
        raise validation(text, ("connectorId", text))
    vm_ids = list(dict.fromkeys(members["vmIds"]))
    _refuse(world, {vm_id: why for vm_id in vm_ids if (why := world.settings.refuse_create.get(vm_id))})
    held = {vm_id: row for vm_id in vm_ids if (row := _held(world, place, vm_id))}
    if world.settings.already_entitled == "refuse":
        _refuse(world, dict.fromkeys(held, "the virtual machine has an entitlement already"))
    rows = [held.get(vm_id) or world.begin(place, vm_id, cause="CreateEntitlement") for vm_id in vm_ids]
    world.settle()
    return {"entitlements": [row.as_answer() for row in rows]}


def _delete_entitlement(world: World, members: Members) -> Members:
    place = _place(world, members)
    settings = world.settings
    vm_ids = list(dict.fromkeys(members["vmIds"]))
    _refuse(world, {vm_id: why for vm_id in vm_ids if (why := settings.refuse_delete.get(vm_id))})
    current = {vm_id: _listed(world, place, vm_id) for vm_id in vm_ids}
    if settings.unentitled_delete == "refuse":
        missing = [vm_id for vm_id, rows in current.items() if not rows]
        _refuse(world, dict.fromkeys(missing, "the virtual machine has no entitlement"))
    if settings.refuse_delete_while_creating:
        creating = [vm_id for vm_id, rows in current.items() if any(row.status == "CREATING" for row in rows)]
        _refuse(world, dict.fromkeys(creating, "the entitlement is still CREATING"))
    rows = [row for of_vm in current.values() for row in of_vm]
    for row in rows:
        world.end(row, cause="DeleteEntitlement")
    world.settle()
    return {"entitlements": [row.as_answer() for row in rows]}


def _get_environment(world: World, members: Members) -> Members:
    return {"environment": _environment(world, world.environment(members["environmentId"]))}


def _list_environments(world: World, members: Members) -> Members:
    wanted = members.get("state") or ["CREATED"]
    found = [_environment(world, item) for item in world.environments.values() if "CREATED" in wanted]
    page, token = _slice(world, members, found, "environments")
    return {"environmentSummaries": page, "nextToken": token}


def _list_environment_connectors(world: World, members: Members) -> Members:
    environment = world.environment(members["environmentId"])
    of_environment = [item for item in world.connectors.values() if item.environment_id == environment.id]
    found = [_connector(world, item) for item in of_environment]
    page, token = _slice(world, members, found, f"connectors|{environment.id}")
    return {"connectors": page, "nextToken": token}


#: The function that serves each operation. It is called with the world locked.
OPERATIONS: dict[str, Callable[[World, Members], Members]] = {
    "CreateEntitlement": _create_entitlement,
    "DeleteEntitlement": _delete_entitlement,
    "GetEnvironment": _get_environment,
    "ListEnvironmentConnectors": _list_environment_connectors,
    "ListEnvironments": _list_environments,
    "ListVmEntitlements": _list_vm_entitlements,
}


def _place(world: World, members: Members) -> tuple[str, str]:
    environment = world.environment(members["environmentId"])
    connector = world.connectors.get(members["connectorId"])
    if connector is None or connector.environment_id != environment.id:
        raise not_found("Connector", members["connectorId"])
    if connector.type != "VCENTER":
        text = f"Connector {connector.id} is of type {connector.type}; entitlements need one of type VCENTER."
        raise validation(text, ("connectorId", text))
    return environment.id, connector.id


def _listed(world: World, place: tuple[str, str], vm_id: str) -> list[Row]:
    return [row for row in world.rows.of_vm(place, vm_id) if row.status != "DELETED"]


def _held(world: World, place: tuple[str, str], vm_id: str) -> Row | None:
    return next((row for row in world.rows.of_vm(place, vm_id) if row.status in HELD), None)


def _refuse(world: World, reasons: dict[str, str]) -> None:
    """Refuse the whole call for the sake of these VMs, before anything of it is done."""
    if not reasons:
        return
    if not world.settings.refusals_name_vm:
        raise ApiError("ValidationException", "One or more virtual machines are not valid.", reason="other")
    texts = {vm_id: f"{vm_id}: {why}" for vm_id, why in reasons.items()}
    fields: Iterable[tuple[str, str]] = (("vmIds", text) for text in texts.values())
    raise validation("; ".join(texts.values()), *fields)


def _token(world: World, position: float, scope: str) -> str:
    """Return an opaque token for a position; nobody else can make one, and it fits no other list."""
    text = json.dumps(position)
    seal = hmac.new(world.token_key, f"{scope}|{text}".encode(), hashlib.sha256).hexdigest()[:24]
    return base64.urlsafe_b64encode(f"{text}|{seal}".encode()).decode()


def _position(world: World, token: str | None, scope: str) -> float:
    if token is None:
        return -1.0
    try:
        position = float(json.loads(base64.urlsafe_b64decode(token.encode()).decode().partition("|")[0]))
        genuine = hmac.compare_digest(_token(world, position, scope), token)
    except (ValueError, TypeError):
        genuine = False
    if not genuine:
        text = "The pagination token is not valid."
        raise validation(text, ("nextToken", text))
    return position


def _slice(world: World, members: Members, items: list[Members], scope: str) -> tuple[list[Members], str | None]:
    start = max(0, int(_position(world, members.get("nextToken"), scope)))
    end = start + members.get("maxResults", 100)
    return items[start:end], _token(world, float(end), scope) if end < len(items) else None


def _environment(world: World, environment: Environment) -> Members:
    return {
        "environmentId": environment.id,
        "environmentName": environment.name,
        "environmentState": "CREATED",
        "environmentStatus": "PASSED",
        "environmentArn": world.environment_arn(environment.id),
        "vcfVersion": environment.vcf_version,
        "createdAt": world.began,
        "modifiedAt": world.began,
    }


def _connector(world: World, connector: Connector) -> Members:
    since = world.unreachable_since(connector.id)
    result = "PASSED" if since is None else "FAILED"
    checks = ("VCENTER_REACHABILITY", "VCENTER_VM_SYNC", "VCENTER_VM_EVENT")
    return {
        "environmentId": connector.environment_id,
        "connectorId": connector.id,
        "type": connector.type,
        "applianceFqdn": connector.fqdn,
        "state": connector.state,
        "status": result,
        "checks": [
            {"type": check, "result": result, "lastCheckAttempt": world.now(), "impairedSince": since}
            for check in checks
        ],
        "createdAt": world.began,
        "modifiedAt": world.began,
    }
