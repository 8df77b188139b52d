"""What an acceptance run cleans up, and what it leaves alone, with a list that is late and calls that are lost."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from acceptance import safekeeping
from acceptance.errors import AcceptanceError
from acceptance.evs_calls import Answer, EvsCalls
from acceptance.runs import unfinished
from acceptance.safekeeping import GONE_WITHIN, Record, Safekeeping

VM = "vm-1"
BEGAN = 1_000_000.0


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.now = BEGAN

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Evs:
    """EVS with one VM: what is entitled, and since when the list shows it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        #: When the entitlement began, and what it is; None without one.
        self.held: tuple[float, str] | None = None
        self.lag = 0.0
        #: The next creation is not answered, and takes effect so many seconds later; None: never.
        self.lost: float | None = None
        self.is_lost = False
        self.refuses_deletion = False
        self.deletions: list[float] = []
        self._lands: float | None = None

    def ask(self, operation: str, **members: Any) -> Answer:
        self._settle()
        now = self.clock.now
        if operation == "DeleteEntitlement":
            if self.refuses_deletion:
                return answer(operation, 400, "ValidationException")
            self.deletions.append(now)
            self.held = None
            return answer(operation, 200)
        if self.is_lost:
            self._lands = None if self.lost is None else now + self.lost
            return answer(operation, 0, "ReadTimeoutError")
        if self.held is None:
            self.held = (now, "CREATED")
        return answer(operation, 200, rows=[row(self.held)])

    def pages(self, environment_id: str, connector_id: str, size: int = 100) -> Iterator[Answer]:
        self._settle()
        shown = self.held is not None and self.clock.now >= self.held[0] + self.lag
        yield answer("ListVmEntitlements", 200, rows=[row(self.held)] if self.held and shown else [])

    def _settle(self) -> None:
        if self._lands is not None and self.clock.now >= self._lands:
            self.held, self._lands = (self._lands, "CREATED"), None


def row(held: tuple[float, str]) -> dict[str, Any]:
    return {"vmId": VM, "status": held[1], "startedAt": held[0]}


def answer(operation: str, status: int, code: str = "", rows: list[dict[str, Any]] | None = None) -> Answer:
    return Answer(operation, {}, status, code, "", {"entitlements": rows or []}, "{}", 0.0, 0.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(safekeeping, "time", clock)
    return clock


@pytest.fixture
def evs(clock: Clock) -> Evs:
    return Evs(clock)


@pytest.fixture
def keep(tmp_path: Path) -> Safekeeping:
    record = Record("000000000000", "us-east-1", "env-abcde12345", "cnctr-abcde12345", [VM])
    return Safekeeping(tmp_path / "run" / "record.json", record)


def cleaned(keep: Safekeeping, evs: Evs) -> list[str]:
    return keep.remove_entitlements(cast(EvsCalls, evs), lambda _: None)


def created(keep: Safekeeping, evs: Evs) -> Answer:
    return keep.create(cast(EvsCalls, evs), [VM])


def test_what_was_taken_is_removed_though_the_list_is_late(keep: Safekeeping, evs: Evs) -> None:
    evs.lag = 60.0
    created(keep, evs)
    assert cleaned(keep, evs) == []
    assert evs.held is None


@pytest.mark.parametrize("lands_after", [0.0, 20.0, 51.0])
def test_a_call_without_an_answer_is_awaited(keep: Safekeeping, evs: Evs, lands_after: float) -> None:
    evs.is_lost, evs.lost, evs.lag = True, lands_after, 30.0
    created(keep, evs)
    assert cleaned(keep, evs) == []
    assert evs.held is None
    assert evs.deletions


def test_a_call_that_never_took_effect_costs_time_and_no_deletion(keep: Safekeeping, evs: Evs, clock: Clock) -> None:
    evs.is_lost = True
    created(keep, evs)
    assert cleaned(keep, evs) == []
    assert evs.deletions == []
    assert clock.now - BEGAN > 52.0 + 65.0


def test_a_second_call_without_an_answer_is_awaited_after_the_first_was_undone(keep: Safekeeping, evs: Evs) -> None:
    created(keep, evs)
    evs.is_lost, evs.lost = True, 40.0
    created(keep, evs)
    assert cleaned(keep, evs) == []
    assert evs.held is None
    assert len(evs.deletions) == 2


def test_what_began_before_the_call_is_left_alone(keep: Safekeeping, evs: Evs, clock: Clock) -> None:
    evs.held = (clock.now, "CREATED")
    clock.now += 10.0
    with pytest.raises(AcceptanceError, match="left alone"):
        created(keep, evs)
    assert cleaned(keep, evs) == []
    assert evs.held is not None
    assert evs.deletions == []


def test_what_began_before_a_lost_call_is_left_alone(keep: Safekeeping, evs: Evs, clock: Clock) -> None:
    evs.held = (clock.now, "CREATED")
    clock.now += 10.0
    evs.is_lost = True
    created(keep, evs)
    assert cleaned(keep, evs) == []
    assert evs.held is not None


def test_what_somebody_else_has_is_not_hit_by_the_deletion_of_what_is_not_listed(
    keep: Safekeeping, evs: Evs, clock: Clock
) -> None:
    created(keep, evs)
    # Ours has ended otherwise, and what is listed began long before our call.
    evs.held = (BEGAN - 60.0, "CREATED")
    assert cleaned(keep, evs) == []
    assert evs.held is not None
    assert evs.deletions == []


def test_what_comes_after_all_was_undone_is_left_alone(keep: Safekeeping, evs: Evs, clock: Clock) -> None:
    created(keep, evs)
    keep.delete(cast(EvsCalls, evs), [VM])
    keep.undone(VM)
    clock.now += 10.0
    evs.held = (clock.now, "CREATED")
    assert cleaned(keep, evs) == []
    assert evs.held is not None
    assert len(evs.deletions) == 1


def test_what_a_stack_has_left_is_known_by_its_start(keep: Safekeeping, evs: Evs, clock: Clock) -> None:
    keep.stack_has_entitled(VM, clock.now)
    evs.held = (clock.now, "CREATED")
    assert cleaned(keep, evs) == []
    assert evs.held is None
    evs.held = (clock.now + 1.0, "CREATED")
    assert cleaned(keep, evs) == []
    assert evs.held is not None


def test_what_can_not_be_removed_is_named(keep: Safekeeping, evs: Evs, clock: Clock) -> None:
    created(keep, evs)
    evs.refuses_deletion = True
    (line,) = cleaned(keep, evs)
    assert line.startswith(f"{VM} is still entitled")
    assert "ValidationException" in line
    assert clock.now - BEGAN > GONE_WITHIN


def test_a_call_is_in_the_file_before_it_leaves(keep: Safekeeping, evs: Evs, tmp_path: Path) -> None:
    path = tmp_path / "run" / "record.json"

    class Watched(Evs):
        def ask(self, operation: str, **members: Any) -> Answer:
            self.seen = json.loads(path.read_text())["calls"]
            return super().ask(operation, **members)

    watched = Watched(evs.clock)
    keep.create(cast(EvsCalls, watched), [VM])
    assert [(call["vm_id"], call["outcome"]) for call in watched.seen] == [(VM, "announced")]
    assert unfinished(tmp_path) == [path]
    assert Safekeeping.load(path).record == keep.record
    assert cleaned(Safekeeping.load(path), watched) == []
    assert watched.held is None


def test_a_record_that_can_not_be_read_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text('{"calls": [{"vm": 1}]}')
    with pytest.raises(AcceptanceError, match="can't be read as the record of a run"):
        Safekeeping.load(path)
