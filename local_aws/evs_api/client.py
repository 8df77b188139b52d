"""Controls a local EVS API, in this process or another: settings, faults, the call log, changes by hand."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from typing import Any

from local_aws.evs_api.faults import FaultRule
from local_aws.evs_api.rows import HELD


class ControlError(RuntimeError):
    """A control request was refused; the message says why."""


class EvsControl:
    """Controls of the local EVS API at a URL.

    Methods raise ControlError when the request is refused and OSError when nobody answers. Times are seconds
    since 1970.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        # A proxy that the environment names has no business between this machine and itself.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def healthy(self) -> bool:
        """Return whether the API answers."""
        try:
            return bool(self._ask("GET", "health")["status"] == "ok")
        except OSError:
            return False

    def settings(self) -> dict[str, Any]:
        """Return all settings; see `Settings`."""
        return dict(self._ask("GET", "settings"))

    def set(self, **changes: Any) -> dict[str, Any]:
        """Change settings and return all of them."""
        return dict(self._ask("PUT", "settings", changes))

    def fault(self, effect: str, **fields: Any) -> str:
        """Put a fault rule into force and return its id; the fields are those of `FaultRule`."""
        rule: dict[str, Any] = self._ask("POST", "faults", {"effect": effect, **fields})
        return str(rule["id"])

    def add_fault(self, rule: FaultRule) -> str:
        """Put a fault rule into force and return its id."""
        fields = {name: value for name, value in vars(rule).items() if value != ""}
        return self.fault(**fields)

    def faults(self) -> list[dict[str, Any]]:
        """Return the rules in force, each with how many calls it ``applied`` to."""
        return list(self._ask("GET", "faults"))

    def clear_faults(self, seed: int | None = None) -> None:
        """Drop all rules and release all calls."""
        self._ask("DELETE", "faults" + ("" if seed is None else f"?seed={seed}"))

    def wait_held(self, rule_id: str | None = None, *, count: int = 1, timeout: float = 10.0) -> list[int]:
        """Wait until so many calls are held back and return their numbers; raises TimeoutError."""
        query = {"count": count, "timeout": timeout, **({"rule": rule_id} if rule_id else {})}
        return list(self._ask("GET", f"held?{urllib.parse.urlencode(query)}", timeout=timeout + 10))

    def release(self, rule_id: str | None = None) -> int:
        """Let calls go on that are held back, those of one rule or all, and return how many."""
        return int(self._ask("POST", "release", {"rule": rule_id}))

    def calls(self, operation: str | None = None, vm_id: str | None = None) -> list[dict[str, Any]]:
        """Return the calls of an operation, about a VM, or all; the members are those of `Call`."""
        query = {name: value for name, value in (("operation", operation), ("vm", vm_id)) if value}
        return list(self._ask("GET", f"calls?{urllib.parse.urlencode(query)}"))

    def clear_calls(self) -> None:
        """Forget all calls."""
        self._ask("DELETE", "calls")

    def rows(self) -> list[dict[str, Any]]:
        """Return every row in the API's form, of all environments and connectors, oldest first."""
        return list(self._ask("GET", "entitlements"))

    def held(self, environment_id: str | None = None, connector_id: str | None = None) -> list[str]:
        """Return the ids of VMs that hold an entitlement, by number."""
        found = {
            row["vmId"]
            for row in self.rows()
            if row["status"] in HELD
            and environment_id in (None, row["environmentId"])
            and connector_id in (None, row["connectorId"])
        }
        return sorted(found, key=lambda vm_id: int(vm_id.removeprefix("vm-")))

    def changes(self) -> list[dict[str, Any]]:
        """Return every change of every row in order; the members are those of `Change`."""
        return list(self._ask("GET", "changes"))

    def intervals(self, vm_id: str, statuses: Iterable[str] = ()) -> list[tuple[float, float | None]]:
        """Return when a VM was licensed, or in one of these statuses: since, and until or None for still."""
        query = urllib.parse.urlencode([("status", status) for status in statuses])
        return [(since, until) for since, until in self._ask("GET", f"intervals/{vm_id}?{query}")]

    def inventory(self) -> dict[str, Any]:
        """Return the environments, connectors and VMs as they are now."""
        return dict(self._ask("GET", "inventory"))

    def entitle(self, vm_ids: Iterable[str], **where: Any) -> None:
        """Entitle VMs by hand; ``environment_id``, ``connector_id`` and ``status`` may be given."""
        self.by_hand("entitle", list(vm_ids), **where)

    def remove(self, vm_ids: Iterable[str], **where: Any) -> None:
        """End entitlements by hand; ``environment_id`` and ``connector_id`` may be given."""
        self.by_hand("remove", list(vm_ids), **where)

    def by_hand(self, what: str, *args: Any, **kwargs: Any) -> None:
        """Call a method of `Hand`, such as ``set_connector`` or ``vanish``."""
        self._ask("POST", f"hand/{what}", {"args": args, "kwargs": kwargs})

    def reset(self) -> None:
        """Return to the beginning: state, settings, faults and log."""
        self._ask("POST", "reset", {})

    def _ask(self, method: str, path: str, body: Any = None, timeout: float = 30.0) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310  the address of the server that this project started
            f"{self.url}/_local/{path}", data, method=method
        )
        request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=timeout) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
            if error.code == 408:
                raise TimeoutError(text)
            raise ControlError(f"{method} {path}: {error.code} {text}")
