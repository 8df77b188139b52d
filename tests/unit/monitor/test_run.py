"""Runs of the monitor: what is counted, who is told, and what a run does that can't find something out."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from evs_health.assessment import assess
from lambda_handler.ledger.records import Call, Holding
from lambda_handler.monitor import memory as memories
from lambda_handler.monitor.run import NotFoundOut
from tests.unit.monitor.world import HERE, STACK, START, THERE, MonitorWorld, refuses, row

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "schemas" / "entitlement-event.schema.json"
NAMES = ["Declared", "Entitled", "AtRisk", "Removed", "Failed", "Missing", "Undeclared", "ConnectorReachable"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_TABLE_NAME", "ledger")
    monkeypatch.setenv("MONITOR_TABLE_NAME", "memory")
    monkeypatch.setenv("STACK_ID", STACK)
    monkeypatch.setenv("PLACES", json.dumps([[HERE.environment_id, HERE.connector_id]]))


@pytest.fixture
def world() -> MonitorWorld:
    world = MonitorWorld()
    world.declare("vm-1", "vm-2", "vm-3")
    world.rows[HERE] = [row("vm-1"), row("vm-2"), row("vm-3")]
    return world


def numbers(line: dict[str, Any]) -> list[int]:
    return [line[name] for name in NAMES]


def kinds(world: MonitorWorld) -> list[str]:
    return [entry["Detail"]["change"] for entry in world.sent]


# --- metrics ---------------------------------------------------------------------------------------------------------


def test_values_that_are_no_metrics_stand_in_the_line_all_the_same(
    world: MonitorWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.run()[0]
    monkeypatch.setenv("METRICS", "AtRisk,NotEntitled")
    line = world.run()[0]
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert [one["Name"] for one in directive["Metrics"]] == ["AtRisk", "NotEntitled"]
    assert {**line, "_aws": 0} == {**before, "_aws": 0}


def test_one_embedded_metric_line_for_each_place(world: MonitorWorld) -> None:
    world.declare("vm-9", place=THERE)
    world.rows[THERE] = [row("vm-9", "CREATE_FAILED")]
    here, there = world.run()
    assert numbers(here) == [3, 3, 0, 0, 0, 0, 0, 1]
    assert numbers(there) == [1, 0, 0, 0, 1, 0, 0, 1]
    (directive,) = here["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "EvsEntitlements"
    assert directive["Dimensions"] == [["EnvironmentId", "ConnectorId"]]
    assert [metric["Name"] for metric in directive["Metrics"]] == [*NAMES[:6], "NotEntitled", *NAMES[6:]]
    assert there["NotEntitled"] == 1
    assert (here["EnvironmentId"], here["ConnectorId"]) == (HERE.environment_id, HERE.connector_id)
    assert here["_aws"]["Timestamp"] == int(world.at * 1000)


def test_every_status_counts_once_where_it_belongs(world: MonitorWorld) -> None:
    world.declare(*(f"vm-{number}" for number in range(1, 9)))
    world.rows[HERE] = [
        row("vm-1"),
        row("vm-2", "AT_RISK"),
        row("vm-3", "ENTITLEMENT_REMOVED"),
        row("vm-4", "CREATE_FAILED"),
        row("vm-5", "DELETED"),
        row("vm-6", "CREATING"),
        row("vm-7", "SUSPENDED"),
        row("vm-20"),
        row("vm-21", "DELETED"),
    ]
    (line,) = world.run()
    assert numbers(line) == [8, 2, 1, 1, 1, 2, 1, 1]


def test_the_monitor_and_the_command_count_alike(world: MonitorWorld) -> None:
    world.rows[HERE] = [row("vm-1", "AT_RISK"), row("vm-3", "CREATE_FAILED"), row("vm-7")]
    (line,) = world.run()
    counts = assess(["vm-1", "vm-2", "vm-3"], world.rows[HERE]).counts
    assert [
        line[name] for name in ("Declared", "Entitled", "AtRisk", "Removed", "Failed", "Missing", "Undeclared")
    ] == [counts[name] for name in ("declared", "licensed", "at_risk", "removed", "failed", "missing", "undeclared")]


def test_ten_thousand_rows_of_many_pages(world: MonitorWorld) -> None:
    vm_ids = [f"vm-{number}" for number in range(1, 10_001)]
    world.declare(*vm_ids)
    world.rows[HERE] = [row(vm_id) for vm_id in vm_ids]
    assert numbers(world.run()[0])[:2] == [10_000, 10_000]
    assert world.called.count("ListVmEntitlements") == 100
    world.unreachable(world.at)
    assert world.run()[0]["AtRisk"] == 10_000
    (entry,) = world.sent
    assert len(entry["Detail"]["vmIds"]) == 10_000


# --- quiet while the stack is deployed -------------------------------------------------------------------------------


def test_what_an_operation_is_about_to_entitle_or_remove_is_nobodys_alarm(world: MonitorWorld) -> None:
    world.declare("vm-3", "vm-4", "vm-5", live=False, name="next")
    call = Call("DeleteEntitlement", HERE, frozenset({"vm-8"}), START, START + 280, START + 345, "someone")
    world.keep(replace(world.state, calls={"c": call}))
    world.rows[HERE] += [row("vm-4", "CREATING"), row("vm-8")]
    assert numbers(world.run()[0]) == [3, 3, 0, 0, 0, 0, 0, 1]
    assert world.sent == []


def test_a_set_that_is_dropped_while_the_list_is_read_is_not_missing(world: MonitorWorld) -> None:
    def removed() -> None:
        world.keep(world.state.drop(list(world.state.sets)))
        world.rows[HERE] = []

    world.trouble["ListVmEntitlements"] = removed
    assert numbers(world.run()[0]) == [0, 0, 0, 0, 0, 0, 0, 1]
    assert world.sent == []


def test_a_set_that_goes_live_while_the_list_is_read_is_not_missing(world: MonitorWorld) -> None:
    world.trouble["ListVmEntitlements"] = lambda: world.declare("vm-1", "vm-2", "vm-3", "vm-4")
    assert numbers(world.run()[0])[:2] == [3, 3]


def test_a_row_that_a_shifted_page_hides_is_found_by_another_look(world: MonitorWorld) -> None:
    rows = world.rows[HERE]
    looks: list[int] = []

    def shift() -> None:
        looks.append(1)
        world.rows[HERE] = rows[1:] if len(looks) == 1 else rows

    world.trouble["ListVmEntitlements"] = shift
    assert numbers(world.run()[0]) == [3, 3, 0, 0, 0, 0, 0, 1]


def test_before_anything_is_declared_and_after_all_is_gone_there_are_zeros(world: MonitorWorld) -> None:
    world.ledger.empty()
    world.rows[HERE] = []
    assert numbers(world.run()[0]) == [0, 0, 0, 0, 0, 0, 0, 1]


def created(taken: bool = True) -> Call:
    return Call("CreateEntitlement", HERE, frozenset({"vm-3"}), START, START + 52, START + 310, "someone", taken=taken)


def test_what_was_entitled_just_now_and_is_not_listed_yet_is_not_missing(world: MonitorWorld) -> None:
    world.keep(replace(world.state, calls={"c": created()}))
    world.rows[HERE] = [row("vm-1"), row("vm-2")]
    assert world.run()[0]["Missing"] == 0
    assert world.sent == []
    # The list has to show it by now.
    assert world.run()[0]["Missing"] == 1
    assert kinds(world) == ["Removed"]


def test_what_is_created_anew_is_told_as_back(world: MonitorWorld) -> None:
    world.run()
    world.rows[HERE] = [row("vm-1"), row("vm-2")]
    world.run()
    world.keep(replace(world.state, calls={"c": replace(created(), until=world.at + 360)}))
    world.run()
    world.rows[HERE] = [row("vm-1"), row("vm-2"), row("vm-3")]
    world.run()
    assert kinds(world) == ["Removed", "Back"]


def test_a_call_that_is_long_over_hides_nothing(world: MonitorWorld) -> None:
    call = Call("DeleteEntitlement", HERE, frozenset({"vm-8"}), START, START + 52, START + 120, "someone", taken=True)
    world.keep(replace(world.state, calls={"c": call}))
    world.rows[HERE].append(row("vm-8"))
    assert world.run()[0]["Undeclared"] == 1


@pytest.mark.parametrize("retained", [True, False])
def test_what_was_retained_is_declared_no_more(world: MonitorWorld, retained: bool) -> None:
    sets = dict(world.state.sets)
    name = f"{HERE}/set"
    world.declare("vm-4", name="next")
    kept = replace(sets[name], kept=True, retained=retained)
    world.keep(world.state.declare(name, kept))
    world.rows[HERE] = [row("vm-1"), row("vm-4")]
    assert numbers(world.run()[0]) == [1, 1, 0, 0, 0, 0, 1, 1]
    assert world.sent == []


@pytest.mark.parametrize("lost", ["emptied", "replaced while the list is read"])
def test_a_ledger_that_was_lost_is_not_taken_for_nothing_declared(world: MonitorWorld, lost: str) -> None:
    world.run()
    before = world.memory.backup()
    if lost == "emptied":
        world.ledger.empty()
    else:
        world.trouble["ListVmEntitlements"] = world.ledger.empty
    with pytest.raises(NotFoundOut, match=r"the ledger.*(is empty, though 3 VMs were declared|it was there before)"):
        world.run()
    # A zero would end the alarms, and forget what was seen.
    assert world.lines == []
    assert world.memory.backup() == before


# --- events ----------------------------------------------------------------------------------------------------------


def test_at_risk_and_back_are_one_event_each_and_none_is_repeated(world: MonitorWorld) -> None:
    world.run()
    assert world.sent == []
    since = world.at + 60
    world.unreachable(since)
    (line,) = world.run()
    assert (line["AtRisk"], line["Entitled"], line["ConnectorReachable"]) == (3, 3, 0)
    world.run()
    world.run()
    assert kinds(world) == ["At Risk"]
    detail = world.sent[0]["Detail"]
    assert world.sent[0]["Source"] == "evs-entitlements"
    assert world.sent[0]["DetailType"] == "EVS Entitlements At Risk"
    assert world.sent[0]["Resources"] == [STACK]
    assert detail["vmIds"] == ["vm-1", "vm-2", "vm-3"]
    # Eight hours from the failure of the check, which is older than what the monitor saw.
    assert detail["removalAt"] == datetime.fromtimestamp(since + 8 * 3600, UTC).isoformat().replace("+00:00", "Z")
    for words in ("check VCENTER_REACHABILITY is FAILED", "name-of-vm-1", "in 7 h 56 min", "password", "DNS"):
        assert words in detail["message"]
    world.healed()
    world.run()
    world.run()
    assert kinds(world) == ["At Risk", "Back"]


def test_eight_hours_count_from_the_first_at_risk_that_was_seen(world: MonitorWorld, caplog: Any) -> None:
    world.run()
    world.rows[HERE] = [row("vm-1", "AT_RISK"), row("vm-2"), row("vm-3")]
    world.run()
    first = world.at
    caplog.clear()
    world.run(after=3600)
    until = datetime.fromtimestamp(first + 8 * 3600, UTC).strftime("%Y-%m-%d %H:%M UTC")
    (told,) = [record.getMessage() for record in caplog.records if "at risk" in record.getMessage()]
    assert until in told
    assert "vm-1 (name-of-vm-1)" in told


@pytest.mark.parametrize("status", ["ENTITLEMENT_REMOVED", "CREATE_FAILED", "DELETED", None])
def test_a_lost_licence_is_told_once_and_so_is_its_return(world: MonitorWorld, status: str | None) -> None:
    world.run()
    lost = [row("vm-2", status, errorDetail={"errorCode": "VM_GONE", "errorMessage": "why"})] if status else []
    world.rows[HERE] = [row("vm-1"), row("vm-3"), *lost]
    world.run()
    world.run()
    assert kinds(world) == ["Removed"]
    assert world.sent[0]["Detail"]["vmIds"] == ["vm-2"]
    if status in ("ENTITLEMENT_REMOVED", "CREATE_FAILED"):
        assert "VM_GONE: why" in world.sent[0]["Detail"]["message"]
    world.rows[HERE] = [row("vm-1"), row("vm-2"), row("vm-3")]
    world.run()
    assert kinds(world) == ["Removed", "Back"]


def test_a_vm_that_a_later_deployment_adds_is_told_as_entitled(world: MonitorWorld) -> None:
    world.run()
    world.declare("vm-1", "vm-2", "vm-3", "vm-4")
    world.rows[HERE].append(row("vm-4"))
    world.run()
    assert [(entry["Detail"]["change"], entry["Detail"]["vmIds"]) for entry in world.sent] == [("Entitled", ["vm-4"])]


def test_a_vm_that_leaves_the_set_is_forgotten_without_a_word(world: MonitorWorld) -> None:
    world.run()
    world.declare("vm-1", "vm-2")
    world.rows[HERE] = [row("vm-1"), row("vm-2")]
    world.run()
    assert world.sent == []


def test_a_first_run_tells_what_is_wrong_already(world: MonitorWorld) -> None:
    world.rows[HERE] = [row("vm-1", "AT_RISK"), row("vm-2", "ENTITLEMENT_REMOVED"), row("vm-3")]
    world.run()
    assert kinds(world) == ["At Risk", "Removed"]


def test_what_evs_has_not_settled_changes_nothing(world: MonitorWorld) -> None:
    world.run()
    world.rows[HERE] = [row("vm-1", "SUSPENDED"), row("vm-2", "CREATING"), row("vm-3")]
    world.run()
    world.rows[HERE] = [row("vm-1"), row("vm-2"), row("vm-3")]
    world.run()
    assert world.sent == []


def test_somebody_elses_entitlement_is_counted_named_and_not_told(world: MonitorWorld, caplog: Any) -> None:
    world.rows[HERE].append(row("vm-77"))
    before = world.ledger.backup()
    (line,) = world.run()
    assert line["Undeclared"] == 1
    assert any("vm-77" in record.getMessage() for record in caplog.records)
    assert world.sent == []
    assert world.ledger.backup() == before
    assert not [call for call in world.called if call in ("PutItem ledger", "UpdateItem ledger")]


def test_events_keep_to_their_schema(world: MonitorWorld) -> None:
    schema = json.loads(SCHEMA.read_text())
    world.run()
    world.unreachable(world.at)
    world.run()
    world.rows[HERE] = [row("vm-1"), row("vm-2", "CREATE_FAILED")]
    world.run()
    assert kinds(world) == ["At Risk", "Removed", "Back"]
    for entry in world.sent:
        jsonschema.validate(entry["Detail"], schema)


@pytest.mark.parametrize("digits", [6, 100])
def test_an_event_fits_whatever_vms_are_called(world: MonitorWorld, digits: int) -> None:
    vm_ids = [f"vm-{10 ** (digits - 1) + number}" for number in range(10_000)]
    world.declare(*vm_ids)
    why = {"errorCode": "X", "errorMessage": "理由" * 100}
    world.rows[HERE] = [row(vm_id, "CREATE_FAILED", errorDetail=why, vmName="仮想" * 40) for vm_id in vm_ids]
    # The world takes no entry of more than 256 KB.
    world.run()
    detail = world.sent[0]["Detail"]
    assert detail["vmCount"] == 10_000
    assert len(detail["vmIds"]) == (10_000 if digits == 6 else 1_250)
    jsonschema.validate(detail, json.loads(SCHEMA.read_text()))


# --- trouble ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["ListVmEntitlements", "GetItem ledger"])
@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "ValidationException"])
def test_what_could_not_be_found_out_makes_no_metric_and_fails_the_run(
    world: MonitorWorld, operation: str, code: str
) -> None:
    world.trouble[operation] = refuses(code)
    with pytest.raises(NotFoundOut):
        world.run()
    assert world.lines == []
    assert world.sent == []


def test_a_place_that_cannot_be_looked_at_hides_no_other(world: MonitorWorld) -> None:
    world.declare("vm-9", place=THERE)
    world.rows[THERE] = [row("vm-9", "AT_RISK")]

    def only_here() -> None:
        if len([call for call in world.called if call == "ListVmEntitlements"]) == 1:
            refuses("ValidationException")()

    world.trouble["ListVmEntitlements"] = only_here
    with pytest.raises(NotFoundOut, match=HERE.connector_id):
        world.run()
    assert [line["ConnectorId"] for line in world.lines] == [THERE.connector_id]
    assert kinds(world) == ["At Risk"]


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "UnknownOperationException"])
def test_a_connector_that_cannot_be_asked_for_hides_nothing_else(world: MonitorWorld, code: str) -> None:
    world.trouble["ListEnvironmentConnectors"] = refuses(code)
    world.rows[HERE] = [row("vm-1", "AT_RISK"), row("vm-2"), row("vm-3")]
    with pytest.raises(NotFoundOut, match="connectors"):
        world.run()
    (line,) = world.lines
    assert line["AtRisk"] == 1
    assert "ConnectorReachable" not in line
    assert "ConnectorReachable" not in json.dumps(line["_aws"])
    assert kinds(world) == ["At Risk"]


def test_a_connector_that_is_not_listed_or_not_active_is_not_reachable(world: MonitorWorld) -> None:
    world.connectors = [{**world.connector(HERE.connector_id), "state": "CREATE_FAILED"}]
    assert world.run()[0]["ConnectorReachable"] == 0
    world.connectors = []
    assert world.run()[0]["ConnectorReachable"] == 0


def test_an_environment_that_is_gone_leaves_all_declared_vms_missing(world: MonitorWorld) -> None:
    world.run()
    world.trouble["ListVmEntitlements"] = refuses("ResourceNotFoundException", 404)
    (line,) = world.run()
    assert (line["Missing"], line["Entitled"]) == (3, 0)
    assert kinds(world) == ["Removed"]


def test_a_list_without_end_is_given_up(world: MonitorWorld) -> None:
    world.page_rows = 0
    with pytest.raises(NotFoundOut, match="no end"):
        world.run()


@pytest.mark.parametrize("code", ["AccessDeniedException", "InternalFailure"])
def test_an_event_that_could_not_be_sent_is_sent_by_a_later_run_once(world: MonitorWorld, code: str) -> None:
    world.run()
    world.unreachable(world.at)
    world.trouble["PutEvents"] = refuses(code, 500 if code == "InternalFailure" else 400)
    for _ in range(3):
        with pytest.raises(NotFoundOut, match="could not be sent"):
            world.run()
    assert world.sent == []
    del world.trouble["PutEvents"]
    world.run()
    world.run()
    assert kinds(world) == ["At Risk"]


def test_an_entry_that_eventbridge_refuses_is_tried_again(world: MonitorWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run()
    world.unreachable(world.at)
    refused: list[int] = []
    put_events = world._put_events

    def once(**parameters: Any) -> Any:
        if not refused:
            refused.append(1)
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow"}]}
        return put_events(**parameters)

    monkeypatch.setattr(world, "_put_events", once)
    world.run()
    assert kinds(world) == ["At Risk"]


def test_events_of_ten_thousand_vms_that_cannot_be_sent_fit_into_what_is_remembered(world: MonitorWorld) -> None:
    vm_ids = [f"vm-{number}" for number in range(100_000, 110_000)]
    world.declare(*vm_ids)
    world.rows[HERE] = [row(vm_id, "AT_RISK") for vm_id in vm_ids]
    world.trouble["PutEvents"] = refuses("AccessDeniedException")
    # The sixteenth is the first that would not fit.
    for number in range(18):
        with pytest.raises(NotFoundOut, match="could not be sent"):
            world.run()
        assert len(world.memory.backup()[str(HERE)]["Body"]["B"]) < 400_000
        (world.unreachable if number % 2 else lambda _: world.healed())(world.at)
    del world.trouble["PutEvents"]
    world.run()
    # The newest, in their order.
    assert kinds(world)[-2:] == ["Back", "At Risk"]
    assert len(world.sent) >= 5


def test_events_that_hang_do_not_take_the_time_of_other_places(world: MonitorWorld) -> None:
    world.run()
    world.declare("vm-9", place=THERE)
    world.rows[THERE] = [row("vm-9")]
    world.unreachable(world.at)

    def hang() -> None:
        world.at += 13.0
        refuses("InternalFailure", 500)()

    world.trouble["PutEvents"] = hang
    for _ in range(20):
        before = world.at
        with pytest.raises(NotFoundOut, match="could not be sent"):
            world.run(after=0.0)
        assert len(world.lines) == 2
        # Trouble is ridden out for 40 s, once.
        assert world.at - before < 70
        (world.healed if world.rows[HERE][0]["status"] == "AT_RISK" else lambda: world.unreachable(world.at))()


def test_nothing_is_sent_that_could_not_be_written_down(world: MonitorWorld) -> None:
    world.run()
    world.unreachable(world.at)
    world.trouble["PutItem memory"] = refuses("AccessDeniedException")
    for _ in range(3):
        with pytest.raises(NotFoundOut):
            world.run()
        assert world.lines[0]["AtRisk"] == 3
    assert world.sent == []
    del world.trouble["PutItem memory"]
    world.run()
    assert kinds(world) == ["At Risk"]


def test_a_run_that_ends_between_sending_and_crossing_out_repeats_with_the_same_id(world: MonitorWorld) -> None:
    world.run()
    world.unreachable(world.at)
    writes: list[int] = []

    def second() -> None:
        writes.append(1)
        if len(writes) == 2:
            refuses("ValidationException")()

    world.trouble["PutItem memory"] = second
    with pytest.raises(NotFoundOut):
        world.run()
    world.run()
    world.run()
    assert kinds(world) == ["At Risk", "At Risk"]
    assert len({entry["Detail"]["id"] for entry in world.sent}) == 1


def test_two_runs_at_once_tell_once(world: MonitorWorld) -> None:
    world.run()
    world.unreachable(world.at)
    nested: list[int] = []

    def another() -> None:
        if not nested:
            nested.append(1)
            world.run(after=0.0)

    world.trouble["PutItem memory"] = another
    world.run()
    assert kinds(world) == ["At Risk"]


def test_an_answer_to_a_write_that_is_lost_is_no_conflict(world: MonitorWorld) -> None:
    world.run()
    world.unreachable(world.at)
    table = world.memory
    lost: list[int] = []
    call = table.call

    def answer_lost(operation: str, parameters: dict[str, Any]) -> Any:
        answer = call(operation, parameters)
        if operation == "PutItem" and not lost:
            lost.append(1)
            refuses("InternalServerError", 500)()
        return answer

    table.call = answer_lost  # type: ignore[method-assign]
    world.run()
    assert kinds(world) == ["At Risk"]


@pytest.mark.parametrize("damage", [{"Body": {"B": b"garbage"}}, {"Body": {"S": "text"}}, {}])
def test_a_damaged_memory_costs_one_round_of_events_and_is_written_anew(
    world: MonitorWorld, damage: dict[str, Any]
) -> None:
    world.unreachable(START)
    world.run()
    items = world.memory.backup()
    item = {name: value for name, value in items[str(HERE)].items() if name != "Body"}
    world.memory.restore({str(HERE): {**item, **damage}})
    world.run()
    world.run()
    assert kinds(world) == ["At Risk", "At Risk"]


def test_a_memory_of_a_newer_form_is_left_alone(world: MonitorWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(memories, "READABLE_BY", 2)
        world.run()
    before = world.memory.backup()
    with pytest.raises(NotFoundOut, match="newer version"):
        world.run()
    assert world.lines
    assert world.memory.backup() == before


def test_what_the_ledger_still_owns_is_looked_at_where_the_template_names_it_no_more(world: MonitorWorld) -> None:
    world.keep(world.state.hold(THERE, Holding(owned=frozenset({"vm-50"}))))
    world.rows[THERE] = [row("vm-50")]
    lines = world.run()
    assert [line["Undeclared"] for line in lines if line["ConnectorId"] == THERE.connector_id] == [1]
