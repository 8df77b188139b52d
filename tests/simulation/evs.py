"""EVS: what its three calls do, and what happens by itself or by hand. Knows nothing of who may be right.

Owns the rows and their changes. `evs_list.py` shows them page by page; `judge.py` is told of every deletion.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from random import Random
from typing import Any

from .clock import Clock
from .errors import Refusal, not_found, refuse
from .rows import BY_HAND, Look, Row, Where
from .weather import Weather

#: For so long after a call of ours, answered or not, nobody entitles the same VM by hand (see weather.py).
UNDECIDABLE = 130.0
GRACE = 8 * 3600.0
HELD_NAMED = {"named": "message"}


class Evs:
    """The service.

    Attributes:
        places: environment and connector ids that exist.
        bad: VM id -> `refused` (the call is), `fails` (the row turns CREATE_FAILED), `failed` (at once, in the answer).
        stuck: VM ids whose deletion is refused.
        on_deletion: told of each row whose deletion EVS takes, and by which stack.
    """

    def __init__(self, clock: Clock, weather: Weather, random: Random, story: Callable[[str], None]) -> None:
        self._clock = clock
        self.weather = weather
        self._random = random
        self._story = story
        self.places: set[Where] = set()
        self.bad: dict[str, str] = {}
        self.stuck: set[str] = set()
        self.rows: dict[Where, list[Row]] = {}
        #: Those that are not over, of each VM: where thousands are entitled, nothing looks through all of them.
        self._of_vm: dict[tuple[Where, str], list[Row]] = {}
        self.history: list[Row] = []
        self.on_deletion: Callable[[Row, str], None] = lambda row, by: None
        self.in_air: dict[str, float] = {}
        self.touched_by_hand: dict[str, float] = {}
        #: Calls whose answer was lost: stack, VMs, when that was known.
        self.lost: list[tuple[str, frozenset[str], float]] = []
        #: All calls that change something, likewise.
        self.called: list[tuple[str, frozenset[str], float]] = []
        self.unknown_status: dict[str, str] = {}
        self.outage_since: float | None = None
        #: Connector id -> type, of those that are not of type VCENTER.
        self.types: dict[str, str] = {}
        self._numbers = 0

    # --- truth ----------------------------------------------------------------------------------------------------

    def held(self, where: Where, vm_id: str) -> Row | None:
        """Return the row by which a VM is held."""
        return next((row for row in self._of_vm.get((where, vm_id), ()) if row.is_held), None)

    def all_held(self, where: Where | None = None) -> list[Row]:
        """Return every row that holds a VM."""
        places = [where] if where else list(self.rows)
        return [row for place in places for row in self.rows.get(place, ()) if row.is_held]

    # --- calls ----------------------------------------------------------------------------------------------------

    def check_place(self, where: Where) -> None:
        """Refuse what does not exist."""
        if where in self.places:
            if self.types.get(where[1], "VCENTER") != "VCENTER":
                raise Refusal("ValidationException", f"Connector {where[1]} is of another type", reason="other")
            return
        environment, connector = where
        known = {place[0] for place in self.places}
        resource = ("connector", connector) if environment in known else ("environment", environment)
        raise not_found(resource[1], resource[0])

    def connector(self, connector_id: str) -> dict[str, Any]:
        """Return what ListEnvironmentConnectors says of a connector, but for its ids."""
        since = self.outage_since
        check: dict[str, Any] = {"type": "VCENTER_REACHABILITY", "result": "PASSED" if since is None else "FAILED"}
        if since is not None:
            check["impairedSince"] = datetime.fromtimestamp(since, UTC)
        return {"type": self.types.get(connector_id, "VCENTER"), "state": "ACTIVE", "checks": [check]}

    def create(self, where: Where, vm_ids: list[str], maker: str) -> list[Row]:
        """Take CreateEntitlement: all VMs of a call, or none."""
        self.check_place(where)
        weather = self.weather
        held = {
            vm_id: row
            for vm_id in vm_ids
            if (row := self.held(where, vm_id)) is not None and not self._is_created_anew(row, maker)
        }
        if refused := [vm_id for vm_id in vm_ids if self.bad.get(vm_id) == "refused"]:
            refuse(refused[:1], "is not running a supported Windows Server version", weather.refusal)
        # Clocks differ by half a second: taken so soon after somebody else's call, nobody could tell whose it is.
        is_new = any(row.began > self._clock.now - 1.0 and row.maker != maker for row in held.values())
        if held and (is_new or weather.held_answer in ("named", "unnamed")):
            refuse(sorted(held), "already has an entitlement", HELD_NAMED.get(weather.held_answer, "unnamed"))
        made = [self._begin(where, vm_id, maker) for vm_id in vm_ids if vm_id not in held]
        old = list(held.values()) if weather.held_answer == "old row" else []
        return [*made, *old]

    @staticmethod
    def _is_created_anew(row: Row, maker: str) -> bool:
        # Of what EVS has removed from somebody else a Create is refused: whose a renewed one was, nobody could tell.
        return row.status == "ENTITLEMENT_REMOVED" and (row.maker == maker or maker in row.adopters)

    def _begin(self, where: Where, vm_id: str, maker: str) -> Row:
        weather, now = self.weather, self._clock.now
        former = [row for row in self._of_vm.get((where, vm_id), ()) if not row.is_over]
        started = now
        for row in former:
            if weather.former_rows == "kept":
                continue
            if weather.former_rows == "renewed":
                started = row.look.started_at
            row.end(now, self._lag(weather.lag_created), "renewed", is_listed=False)
        self._numbers += 1
        row = Row(self._numbers, where, vm_id, maker, now, Look("CREATING", started, now))
        lag = self._lag(weather.lag_created)
        row.views.append((now + lag, row.look))
        self.rows.setdefault(where, []).append(row)
        self._of_vm[where, vm_id] = [one for one in [*former, row] if not one.is_over]
        self.history.append(row)
        kind = self.bad.get(vm_id)
        if kind == "failed":
            self._fail(row)
        else:
            takes = weather.creation_takes * (0.5 + self._random.random() / 2)
            self._clock.after(takes, self._settle, row)
        return row

    def _settle(self, row: Row) -> None:
        if row.is_over or row.status != "CREATING":
            return
        if self.bad.get(row.vm_id) == "fails":
            self._fail(row)
            return
        status = "AT_RISK" if self.outage_since is not None else self.unknown_status.get(row.vm_id, "CREATED")
        self._show(row, status)

    def _fail(self, row: Row) -> None:
        self._show(row, "CREATE_FAILED", ("UNSUPPORTED_GUEST_OS", f"The guest OS of {row.vm_id} is not supported"))

    def _show(self, row: Row, status: str, error: tuple[str, str] | None = None) -> None:
        row.change(self._clock.now, self._lag(self.weather.lag_changed), status, error)

    def delete(self, where: Where, vm_ids: list[str], by: str) -> list[Row]:
        """Take DeleteEntitlement: all VMs of a call, or none."""
        self.check_place(where)
        weather = self.weather
        rows = {
            vm_id: [row for row in self.rows.get(where, ()) if row.vm_id == vm_id and not row.is_over]
            for vm_id in vm_ids
        }
        creating = [vm_id for vm_id in vm_ids if any(row.status == "CREATING" for row in rows[vm_id])]
        if creating and weather.refuse_delete_while_creating:
            refuse(creating, "is being created", "message" if weather.refusal != "unnamed" else "unnamed")
        if stuck := [vm_id for vm_id in vm_ids if vm_id in self.stuck and rows[vm_id]]:
            for row in rows[stuck[0]]:
                row.is_deletion_refused = True
            refuse(stuck[:1], "can't be processed at the moment", weather.refusal)
        absent = [vm_id for vm_id in vm_ids if not rows[vm_id]]
        if weather.failed_delete_refused:
            absent += [
                vm_id for vm_id in vm_ids if rows[vm_id] and all(row.status == "CREATE_FAILED" for row in rows[vm_id])
            ]
        if absent and weather.absent_answer != "taken":
            how = "message" if weather.absent_answer == "named" else weather.absent_answer
            refuse(absent, "has no entitlement", how)
        if weather.takes_some and weather.answers_hold_rows:
            vm_ids = vm_ids[: (len(vm_ids) + 1) // 2]
        taken = [row for vm_id in vm_ids for row in rows[vm_id]]
        for row in taken:
            if not row.deletion_accepted:
                self.on_deletion(row, by)
            row.deletion_accepted = True
            takes = weather.deletion_takes * (0.5 + self._random.random() / 2)
            if takes:
                self._clock.after(takes, self._end, row, by)
            else:
                self._end(row, by)
        return taken

    def _end(self, row: Row, by: str) -> None:
        if not row.is_over:
            lag = self._lag(self.weather.lag_deleted)
            row.end(self._clock.now, lag, by, is_listed=self.weather.deleted_rows_listed)

    def _lag(self, most: float) -> float:
        return self._random.choice([0.0, 1.0, self._random.random()]) * most if most else 0.0

    def remove_place(self, where: Where) -> None:
        """Let a connector go, with every entitlement of it."""
        self.places.discard(where)
        self.rows.pop(where, None)
        self._of_vm = {key: rows for key, rows in self._of_vm.items() if key[0] != where}

    # --- by hand, and by itself -----------------------------------------------------------------------------------

    def entitle_by_hand(self, where: Where, vm_id: str, status: str = "CREATED") -> bool:
        """Let somebody else entitle a VM; False where it is held, or where nobody could tell whose it is."""
        now = self._clock.now
        if self.held(where, vm_id) is not None or self.in_air.get(vm_id, 0.0) > now:
            return False
        row = self._begin(where, vm_id, BY_HAND)
        self.touched_by_hand[vm_id] = now
        if status != "CREATING":
            row.change(now, 0.0, status)
        self._story(f"by hand: {vm_id} is entitled ({status})")
        return True

    def remove_by_hand(self, where: Where, vm_id: str) -> bool:
        """Let somebody else remove an entitlement."""
        row = self.held(where, vm_id)
        if row is None or self.in_air.get(vm_id, 0.0) > self._clock.now:
            return False
        self.touched_by_hand[vm_id] = self._clock.now
        self._end(row, BY_HAND)
        self._story(f"by hand: {vm_id} is removed")
        return True

    def fly(self, vm_ids: Iterable[str], seconds: float = UNDECIDABLE) -> None:
        """Note calls of ours of which nobody may yet know what became of them."""
        for vm_id in vm_ids:
            self.in_air[vm_id] = max(self.in_air.get(vm_id, 0.0), self._clock.now + seconds)

    def set_status(self, where: Where, vm_id: str, status: str) -> None:
        """Let EVS change the status of what holds a VM."""
        row = self.held(where, vm_id)
        if row is not None and row.status != "CREATING":
            self._story(f"EVS: {vm_id} is {status}")
            self._show(row, status)

    def lose_connector(self, seconds: float) -> None:
        """Let the connector be out of reach: all is AT_RISK, and removed after 8 hours, until it is back."""
        if self.outage_since is not None:
            return
        began = self.outage_since = self._clock.now
        self._story(f"EVS: the connector is out of reach for {seconds:.0f} s")
        for row in self.all_held():
            if row.status == "CREATED":
                self._show(row, "AT_RISK")
        if seconds > GRACE:
            self._clock.at(began + GRACE, self._take_away)
        self._clock.after(seconds, self._restore)

    def _take_away(self) -> None:
        self._story("EVS: 8 hours out of reach, what was AT_RISK is removed")
        for row in self.all_held():
            if row.status == "AT_RISK":
                self._show(row, "ENTITLEMENT_REMOVED")

    def _restore(self) -> None:
        self.outage_since = None
        self._story("EVS: the connector is back")
        for row in self.all_held():
            # What EVS has removed, and will not have deleted, is over: nobody looks after it any more.
            is_over = row.status == "ENTITLEMENT_REMOVED" and row.is_deletion_refused
            if row.status in ("AT_RISK", "ENTITLEMENT_REMOVED") and not is_over:
                self._show(row, "CREATED")
