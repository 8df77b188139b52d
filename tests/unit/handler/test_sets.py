"""Which sets a request declares, keeps or drops: by the ledger, and by what CloudFormation says beyond it."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lambda_handler.aws.calls import Throttled
from lambda_handler.cloudformation.events import Fate
from lambda_handler.cloudformation.physical_id import failed_id, set_id
from lambda_handler.cloudformation.properties import Properties
from lambda_handler.errors import Failure
from lambda_handler.ledger.records import Adoption, DeclaredSet, Holding, RequestRecord
from lambda_handler.ledger.state import State, key_of
from lambda_handler.steps.former_sets import FormerSets
from lambda_handler.values import Connector, VmIds
from tests.support.room import HERE, START, THERE, Room, ids


class Stack:
    """What CloudFormation says of the stack."""

    def __init__(self, **said: Any) -> None:
        self._said = {
            "physical_id_of": None,
            "is_being_deleted": False,
            "is_rolling_back": False,
            "has_ignored": (),
            "deleted": (),
            "has": True,
            "settled_since": False,
            "completed_since": True,
            "own_events": [],
            **said,
        }

    def __getattr__(self, name: str) -> Any:
        said = self._said[name]

        def answer(*given: Any) -> Any:
            if isinstance(said, Exception):
                raise said
            return given[0] in said if isinstance(said, tuple) else said

        return answer

    def find_out_fate(self, physical_id: str, *_: Any) -> Fate:
        said = self._said["has_ignored"]
        if isinstance(said, Exception):
            raise said
        if physical_id not in said:
            return Fate.TAKEN_ON
        return Fate.DELETED if physical_id in self._said["deleted"] else Fate.UNNAMED

    def fate_of(self, *given: Any) -> Fate:
        try:
            return self.find_out_fate(*given)
        except Failure:
            return Fate.TAKEN_ON

    def has_ignored(self, *given: Any) -> bool:
        return self.fate_of(*given) is not Fate.TAKEN_ON


class Sets:
    """One request, and the ledger that it meets."""

    def __init__(
        self, kind: Any, vm_ids: VmIds, physical_id: str = "", *, policy: Any = "DESTROY", old: Any = None, **said: Any
    ) -> None:
        self.room = room = Room(kind)
        room.fence.key = key_of(kind, "A", physical_id)
        room.keep(State())
        self.physical_id = physical_id
        self.properties = {
            "EnvironmentId": HERE.environment_id,
            "ConnectorId": HERE.connector_id,
            "VmIds": sorted(vm_ids),
            "RemovalPolicy": policy,
        }
        request = SimpleNamespace(
            type=kind,
            request_id="r",
            logical_id="A",
            physical_id=physical_id,
            issued=None,
            place="",
            properties=self.properties,
            old_properties=old or {},
            issued_at=lambda _: START,
        )
        room.context.request = cast(Any, request)
        room.context.stack = cast(Any, Stack(**said))
        self.sets = FormerSets(room.context, Properties(HERE, vm_ids, removal_policy=policy))

    def has(
        self,
        physical_id: str,
        vm_ids: VmIds,
        sequence: int,
        *,
        logical_id: str = "A",
        live: bool = True,
        request_id: str = "earlier",
        connector: Connector = HERE,
        **more: Any,
    ) -> None:
        """Let the ledger have a set; what it declares is ours."""
        declared = DeclaredSet(logical_id, connector, vm_ids, request_id, sequence, START - 100.0, live=live, **more)
        state = self.room.table.stored.declare(physical_id, declared)
        holding = state.holding(connector)
        state = state.hold(connector, holding.own(vm_ids))
        self.room.keep(State(**{**vars(state), "sequence": max(state.sequence, sequence)}))

    def begin(self) -> State:
        self.sets.find_out(self.room.table.stored)
        self.room.keep(self.sets.begin(self.room.table.stored))
        self.room.keep(self.room.table.stored.record(self.room.fence.key, invocation="me"))
        return self.room.table.stored

    @property
    def live(self) -> set[str]:
        return {key for key, one in self.room.table.stored.sets.items() if one.live}


ONE, TWO = set_id("A", HERE, ids(1)), set_id("A", HERE, ids(1, 2))
THREE = set_id("A", HERE, ids(3))


def happened(after: float, status: str = "UPDATE_COMPLETE") -> dict[str, Any]:
    """Return an event of the first set, so many seconds after the start."""
    moment = datetime.fromtimestamp(START + after, UTC)
    return {"Timestamp": moment, "PhysicalResourceId": ONE, "ResourceStatus": status}


# --- Create and Update -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("issued", "declared"), [(START, START), (START - 500.0, START - 499.0)])
def test_a_set_counts_from_when_its_request_was_issued(issued: float, declared: float) -> None:
    """It may be delivered again long after its operation has ended. CloudFormation cuts the date to the second."""
    sets = Sets("Create", ids(1))
    sets.room.context.request.issued_at = lambda _: issued  # type: ignore[method-assign, assignment]
    assert sets.begin().sets[ONE].declared_at == declared


def test_a_request_drops_the_pending_sets_of_those_that_it_has_overtaken() -> None:
    for kind in ("Create", "Update"):
        sets = Sets(kind, ids(1, 2), ONE if kind == "Update" else "")
        sets.has("pending", ids(5), 1, live=False)
        assert set(sets.begin().sets) == {TWO}


@pytest.mark.parametrize("named", [None, Failure("down")])
def test_a_delete_drops_the_pending_set_of_the_create_that_it_rolls_back(named: Failure | None) -> None:
    """The Create may still run, so that nobody is asked before."""
    sets = Sets("Delete", ids(1, 2), "Stack-A-1ABCDEF", physical_id_of=named)
    sets.has("pending", ids(5), 1, live=False)
    assert sets.begin().sets == {}


def test_a_create_counts_live_sets_of_its_logical_id_as_kept() -> None:
    sets = Sets("Create", ids(1, 2))
    sets.has(ONE, ids(1), 1)
    assert sets.begin().sets[ONE].kept


def test_a_request_that_comes_after_its_deadline_begins_nothing() -> None:
    sets = Sets("Update", ids(1, 2), ONE)
    sets.room.pass_time(3600.0)
    before = sets.room.table.stored
    with pytest.raises(Failure, match="after CloudFormation had given up"):
        sets.sets.begin(before)


def test_a_lost_set_is_taken_up_again_only_where_its_properties_prove_the_id() -> None:
    for properties, found in ((ids(1), True), (ids(1, 2), False)):
        sets = Sets("Delete", properties, ONE)
        state = sets.begin()
        assert (state.holding(HERE).owned == ids(1)) == found


@pytest.mark.parametrize(
    ("said", "is_again"),
    [
        ({"physical_id_of": None}, False),
        ({"physical_id_of": ONE}, False),
        ({"physical_id_of": ONE, "own_events": [happened(20.0, "DELETE_FAILED"), happened(5.0)]}, False),
        ({"physical_id_of": ONE, "own_events": [happened(20.0)]}, True),
        ({"physical_id_of": TWO, "own_events": [happened(20.0)]}, False),
        ({"physical_id_of": Failure("can't say")}, False),
        ({"physical_id_of": ONE, "own_events": Throttled("action", "Throttling", "")}, False),
    ],
)
def test_a_set_that_was_dropped_is_taken_up_again_only_where_the_stack_has_it_again(
    said: dict[str, Any], is_again: bool
) -> None:
    """By now its VMs may be somebody else's. An earlier Delete has dropped it, ten seconds after the start."""
    sets = Sets("Delete", ids(1), ONE, **said)
    sets.has(ONE, ids(1), 1)
    sets.has(TWO, ids(1, 2), 2)
    dropped = sets.room.table.stored.drop([ONE]).hold(HERE, Holding())
    earlier = RequestRecord("Delete", "earlier", "A", ONE, None, 1, START + 3570.0, arrived=START + 10.0)
    sets.room.keep(replace(dropped, requests={key_of("Delete", "A", ONE): earlier}))
    sets.room.pass_time(30.0)
    sets.room.context.began = START + 30.0
    assert (sets.begin().holding(HERE).owned == ids(1)) == is_again


def test_the_delete_of_a_former_set_is_repeated_when_another_one_has_dropped_the_newer_set() -> None:
    """The whole resource goes, and CloudFormation still names the newer set. It may have come back since."""
    for taken_on, is_refused in ((5.0, False), (20.0, True)):
        sets = Sets("Delete", ids(3), THREE, physical_id_of=ONE, own_events=[happened(taken_on)])
        sets.has(ONE, ids(1), 2)
        sets.has(THREE, ids(3), 1)
        earlier = RequestRecord("Delete", "earlier", "A", ONE, None, 1, START + 3570.0, arrived=START + 10.0)
        dropped = sets.room.table.stored.drop([ONE, THREE])
        sets.room.keep(replace(dropped, requests={key_of("Delete", "A", ONE): earlier}))
        sets.room.context.began = START + 30.0
        if is_refused:
            with pytest.raises(Failure, match="may still be declared by"):
                sets.begin()
        else:
            assert sets.begin().sets == {}


def test_what_is_taken_over_of_a_retained_set_counts_as_adopted_until_the_operation_completes() -> None:
    """Rolled back, it is left entitled, as it was before."""
    sets = Sets("Create", ids(1, 2))
    sets.has("retained", ids(1), 1, logical_id="B", kept=True, retained=True)
    sets.begin()
    adoption = Adoption("r", START)
    state = sets.sets.made_live(sets.room.table.stored, adoption)
    assert state.holding(HERE).adopted == {"vm-1": adoption}
    assert "retained" not in state.sets
    assert state.sets[TWO].live


def test_of_a_resource_that_is_gone_what_it_retained_is_taken_over_and_no_others() -> None:
    for said, kept in ((False, True), (True, False), (Failure("can't say"), False)):
        sets = Sets("Create", ids(1, 2), has=said)
        sets.has("other", ids(1), 1, logical_id="B")
        sets.begin()
        sets.sets.find_out_retained_elsewhere()
        assert sets.room.table.stored.sets["other"].kept == kept


def test_of_a_set_retained_before_nothing_is_taken_before_the_request_succeeds() -> None:
    sets = Sets("Create", ids(1, 2), has=False)
    sets.has("other", ids(1, 7), 1, logical_id="B", kept=True, retained=True)
    sets.begin()
    writes = sets.room.table.writes
    sets.sets.find_out_retained_elsewhere()
    assert sets.room.table.stored.sets["other"].vm_ids == ids(1, 7)
    assert sets.room.table.writes == writes


@pytest.mark.parametrize("completed", [True, False])
def test_a_set_that_is_rolled_back_takes_nothing_from_what_was_retained_meanwhile(completed: bool) -> None:
    """CloudFormation had begun to make the other resource anew, so that it was not known for gone before."""
    sets = Sets("Delete", ids(1), ONE, has=False, completed_since=completed)
    sets.has(ONE, ids(1), 2)
    sets.has("other", ids(1, 7), 1, logical_id="B")
    sets.begin()
    sets.sets.find_out_retained_elsewhere()
    state = sets.room.table.stored
    assert state.sets["other"].kept
    assert state.removable(HERE) == (ids(1) if completed else frozenset())


def test_a_set_whose_answer_nobody_heard_does_not_count_as_retained() -> None:
    for ignored, kept in (((ONE,), False), ((), True)):
        sets = Sets("Create", ids(1, 2), has_ignored=ignored)
        sets.has(ONE, ids(1), 1)
        sets.begin()
        sets.sets.find_out_kept()
        assert sets.room.table.stored.sets[ONE].kept == kept


def test_whether_a_set_was_retained_is_found_out_for_a_made_up_id_or_the_delete_fails() -> None:
    """No other request would come for what the Create that never answered has made."""
    for kind, physical_id in (("Delete", "Stack-A-1ABCDEF"), ("Create", ""), ("Delete", ONE)):
        sets = Sets(kind, ids(1, 2), physical_id, has_ignored=Failure("down"))
        sets.has("kept", ids(1), 1, kept=True)
        sets.begin()
        if physical_id in ("", ONE):
            sets.sets.find_out_kept()
        else:
            with pytest.raises(Failure, match="down"):
                sets.sets.find_out_kept()
        assert sets.room.table.stored.sets["kept"].kept


@pytest.mark.parametrize(
    ("retains", "sequence_of_other", "kept"),
    [
        (True, 1, True),
        (True, 3, False),  # a former set: it was to be removed whatever the property says
        (False, 1, False),
    ],
)
def test_a_set_that_says_retain_stays_where_cloudformation_has_given_its_deletion_up(
    retains: bool, sequence_of_other: int, kept: bool
) -> None:
    sets = Sets("Create", ids(1, 2), has_ignored=(ONE,), deleted=(ONE,))
    sets.has(ONE, ids(1), 2, retains=retains)
    sets.has("other", ids(9), sequence_of_other)
    sets.begin()
    sets.sets.find_out_kept()
    assert sets.room.table.stored.sets[ONE].kept == kept


def test_only_what_says_retain_stays_where_cloudformation_has_given_its_deletion_up() -> None:
    sets = Sets("Create", ids(1, 2), has_ignored=(ONE, "newer"), deleted=(ONE, "newer"))
    sets.has(ONE, ids(1), 1, retains=True)
    sets.has("newer", ids(9), 2)
    sets.begin()
    sets.sets.find_out_kept()
    assert not sets.room.table.stored.sets["newer"].kept
    assert not sets.room.table.stored.sets[ONE].kept  # a former set of the newer one


@pytest.mark.parametrize("kind", ["Update", "Delete"])
def test_vms_of_this_resource_leave_what_was_retained_under_its_own_logical_id(kind: str) -> None:
    """They could not when it was declared anew: another resource declared them as well."""
    sets = Sets(kind, ids(1, 2) if kind == "Update" else ids(1), ONE)
    sets.has("retained", ids(1, 8), 1, kept=True, retained=True)
    sets.has(ONE, ids(1), 2)
    sets.begin()
    sets.sets.find_out_kept()
    sets.sets.find_out_retained_elsewhere()
    assert sets.room.table.stored.sets["retained"].vm_ids == ids(8)


# --- what an Update shows to be history ------------------------------------------------------------------------------


def updated(named: Any, *, settled: bool, is_tied: bool = False) -> set[str]:
    """Return the live sets after an Update of ONE to TWO, where the ledger has an older and a newer one besides."""
    sets = Sets("Update", ids(1, 2), ONE, physical_id_of=named, settled_since=settled)
    sets.has("older", ids(8), 1)
    sets.has(ONE, ids(1), 2)
    sets.has("newer", ids(9), 3)
    sets.begin()
    sets.room.keep(sets.room.table.stored.record(sets.room.fence.key, is_tied=is_tied))
    sets.sets.drop_obsolete()
    return sets.live


def test_an_update_drops_newer_sets_and_older_ones_to_which_the_stack_cannot_return() -> None:
    assert updated(ONE, settled=True) == {ONE}
    assert updated(ONE, settled=False) == {ONE, "older"}


def test_of_two_updates_of_one_second_none_drops_anything() -> None:
    """The other one may be the newer, and take the stack back to one of these sets."""
    assert updated(ONE, settled=True, is_tied=True) == {ONE, "older", "newer"}


def test_an_update_never_drops_the_set_that_cloudformation_names() -> None:
    assert updated("newer", settled=True) == {ONE, "newer"}
    assert updated("older", settled=True) == {ONE, "older"}


def test_an_update_drops_nothing_where_cloudformation_cannot_be_asked() -> None:
    assert updated(Failure("no"), settled=True) == {ONE, "older", "newer"}


# --- Delete: retained ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"physical_id_of": ONE}, True),
        ({"physical_id_of": None}, True),
        # The clean-up of a former set: CloudFormation names the new one.
        ({"physical_id_of": TWO}, False),
        # The creation of the resource is rolled back.
        ({"physical_id_of": ONE, "is_rolling_back": True}, False),
    ],
)
def test_a_delete_of_the_resource_whose_properties_say_retain_keeps_what_is_entitled(
    said: dict[str, Any], kept: bool
) -> None:
    sets = Sets("Delete", ids(1), ONE, policy="RETAIN", **said)
    sets.has(ONE, ids(1), 1, retains=True)
    state = sets.begin()
    assert (ONE in state.sets) == kept
    if kept:
        assert (state.sets[ONE].kept, state.sets[ONE].retained) == (True, True)


def test_the_clean_up_of_a_former_set_removes_though_another_resource_has_found_the_newer_one_retained() -> None:
    """The resource has gone with RETAIN, and keeps what its newest set declares."""
    sets = Sets("Delete", ids(1), ONE, policy="RETAIN", physical_id_of=None)
    sets.has(ONE, ids(1), 1, retains=True)
    sets.has(TWO, ids(1, 2), 2, retains=True, kept=True)
    assert ONE not in sets.begin().sets


def test_the_clean_up_of_a_create_that_took_over_from_a_retained_set_is_no_deletion_of_the_resource() -> None:
    """The set counts as kept since the Create, and nobody has retained it for certain."""
    sets = Sets("Delete", ids(1), ONE, policy="RETAIN", physical_id_of=ONE)
    sets.has(ONE, ids(1), 1, retains=True, kept=True)
    assert ONE not in sets.begin().sets


def test_what_one_delete_has_retained_a_second_one_keeps() -> None:
    sets = Sets("Delete", ids(1), ONE, policy="RETAIN", physical_id_of=None, is_rolling_back=True)
    sets.has(ONE, ids(1), 1, retains=True, kept=True, retained=True)
    assert sets.begin().sets[ONE].retained


# --- Delete: sets that no Delete will name ---------------------------------------------------------------------------


def deleted(physical_id: str, **said: Any) -> set[str]:
    """Return the live sets after a Delete, where the ledger has ONE, an older set and a newer one that says RETAIN."""
    sets = Sets("Delete", ids(1), physical_id, **said)
    sets.has("older", ids(8), 1, request_id="r1")
    sets.has(ONE, ids(1), 2, request_id="r2")
    sets.has("newer", ids(9), 3, request_id="r3", retains=True)
    sets.begin()
    sets.sets.drop_abandoned()
    return sets.live


def test_the_clean_up_of_a_former_set_leaves_the_one_that_cloudformation_names() -> None:
    assert deleted(ONE, physical_id_of="newer") == {"older", "newer"}
    # Even while the whole stack goes: CloudFormation has the new one still, and will delete it by a request of its own.
    assert deleted(ONE, physical_id_of="newer", is_being_deleted=True) == {"older", "newer"}


def test_where_the_resource_goes_older_sets_go_with_it_and_newer_ones_that_were_never_taken_on() -> None:
    assert deleted(ONE, physical_id_of=ONE) == {"newer"}
    assert deleted(ONE, physical_id_of=ONE, has_ignored=("newer",)) == set()


def test_a_rollback_leaves_older_sets_to_which_it_goes_back() -> None:
    assert deleted(ONE, physical_id_of=ONE, is_rolling_back=True) == {"older", "newer"}
    assert deleted(ONE, physical_id_of=ONE, is_rolling_back=True, has_ignored=("newer",)) == {"older"}


def test_while_nobody_deletes_the_stack_and_cloudformation_names_neither_no_other_set_goes() -> None:
    assert deleted(ONE, physical_id_of=None) == {"older", "newer"}
    assert deleted(ONE, physical_id_of=Failure("no")) == {"older", "newer"}


def test_where_the_whole_stack_goes_all_sets_go_but_one_with_retain_that_cloudformation_skips() -> None:
    assert deleted(ONE, physical_id_of=None, is_being_deleted=True) == {"newer"}
    # Never taken on, so that CloudFormation does not even skip it.
    assert deleted(ONE, physical_id_of=None, is_being_deleted=True, has_ignored=("newer",)) == set()


def test_where_the_creation_of_the_stack_is_rolled_back_all_sets_go() -> None:
    assert deleted(ONE, physical_id_of=None, is_being_deleted=True, is_rolling_back=True) == set()


def test_the_delete_of_a_failed_create_drops_what_was_before_it_and_its_own_answer_and_nothing_newer() -> None:
    assert deleted(failed_id(3, "r9"), physical_id_of=None) == {"newer"}
    assert deleted(failed_id(1, "r3"), physical_id_of=None) == {"older", ONE}
    assert deleted(failed_id(9, "r9"), physical_id_of=None) == set()


def test_a_made_up_id_drops_all_live_sets_but_the_one_that_cloudformation_names() -> None:
    everything = ("older", ONE, "newer")
    assert deleted("Stack-A-1ABCDEF", physical_id_of=None, has_ignored=everything) == set()
    assert deleted("Stack-A-1ABCDEF", physical_id_of=ONE, has_ignored=everything) == {ONE}


def test_a_made_up_id_drops_nothing_that_cloudformation_has_taken_on() -> None:
    # It was retained, and the Create that CloudFormation gave up waiting for never began.
    assert deleted("Stack-A-1ABCDEF", physical_id_of=None, has_ignored=("newer",)) == {"older", ONE}


def test_a_made_up_id_drops_nothing_unless_cloudformation_can_be_asked() -> None:
    with pytest.raises(Failure, match="down"):
        deleted("Stack-A-1ABCDEF", physical_id_of=None, has_ignored=Failure("down"))


def test_a_delete_that_comes_again_drops_nothing_that_is_in_use() -> None:
    assert deleted(THREE, physical_id_of=None, is_being_deleted=True) == {"older", ONE, "newer"}


def test_a_delete_leaves_sets_of_other_logical_ids_and_connectors() -> None:
    sets = Sets("Delete", ids(1), ONE, physical_id_of=None, is_being_deleted=True)
    sets.has(ONE, ids(1), 1)
    sets.has("elsewhere", ids(5), 2, logical_id="B", connector=THERE)
    sets.begin()
    sets.sets.drop_abandoned()
    assert sets.live == {"elsewhere"}


SKIPPED = {"is_being_deleted": True, "has": False, "has_ignored": ("elsewhere",)}
RETAINED = {"kept": True, "retained": True}
UNDER_WAY = {"live": False, "request_id": "under way"}


@pytest.mark.parametrize(
    ("said", "more", "left"),
    [
        # The clean-up of another resource was tried three times, and never reached the ledger.
        (SKIPPED, {}, set()),
        ({"is_being_deleted": False, "has": False, "has_ignored": ("elsewhere",)}, {}, {"elsewhere"}),
        # It gets a Delete of its own.
        ({"is_being_deleted": True, "has": True, "has_ignored": ("elsewhere",)}, {}, {"elsewhere"}),
        # It was retained, by its attribute or by its property.
        ({"is_being_deleted": True, "has": False, "has_ignored": ()}, {}, {"elsewhere"}),
        ({**SKIPPED, "deleted": ("elsewhere",)}, {"retains": True}, {"elsewhere"}),
        # It says RETAIN, and a rollback could not delete it.
        (SKIPPED, {"retains": True}, set()),
        (SKIPPED, RETAINED, {"elsewhere"}),
        # It counts as retained, and CloudFormation has never taken it on.
        (SKIPPED, {"kept": True}, set()),
        # Its Create never answered. An invocation that still goes on is stopped.
        (SKIPPED, {"live": False}, set()),
        (SKIPPED, UNDER_WAY, set()),
        ({"is_being_deleted": True, "has": Failure("down"), "has_ignored": ("elsewhere",)}, {}, {"elsewhere"}),
    ],
)
def test_what_a_clean_up_has_left_goes_with_the_whole_stack(
    said: dict[str, Any], more: dict[str, Any], left: set[str]
) -> None:
    sets = Sets("Delete", ids(1), ONE, physical_id_of=None, **said)
    sets.has(ONE, ids(1), 1)
    sets.has("elsewhere", ids(5), 2, logical_id="B", **more)
    creating = RequestRecord("Create", "under way", "B", "", None, 2, START + 60.0, arrived=START)
    sets.room.keep(replace(sets.room.table.stored, requests={"B": creating}))
    sets.begin()
    sets.sets.drop_skipped()
    assert sets.room.table.stored.sets.keys() == left
    is_stopped = sets.room.table.stored.requests["B"].answer is not None
    assert is_stopped is (more is UNDER_WAY)


@pytest.mark.parametrize(
    ("said", "adopted_by", "others", "is_ours"),
    [
        (SKIPPED, "earlier", frozenset(), False),
        # CloudFormation has had it, and has deleted it since: whether that operation completed, its events say.
        ({**SKIPPED, "deleted": ("elsewhere",)}, "earlier", frozenset(), True),
        (SKIPPED, "another", frozenset(), True),
        (SKIPPED, "earlier", ids(5), True),
    ],
    ids=["never taken on", "taken on", "adopted by another request", "declared by another set"],
)
def test_what_a_set_has_adopted_that_cloudformation_never_took_on_is_given_back(
    said: dict[str, Any], adopted_by: str, others: VmIds, is_ours: bool
) -> None:
    sets = Sets("Delete", ids(1), ONE, physical_id_of=None, **said)
    sets.has(ONE, ids(1), 1)
    sets.has("elsewhere", ids(5), 2, logical_id="B")
    if others:
        sets.has("retained", others, 3, logical_id="C", kept=True, retained=True)
    state = sets.room.table.stored
    sets.room.keep(state.hold(HERE, state.holding(HERE).mark(ids(5), Adoption(adopted_by, START))))
    sets.begin()
    sets.sets.drop_skipped()
    assert "elsewhere" not in sets.room.table.stored.sets
    assert (ids(5) <= sets.room.table.stored.owned(HERE)) is is_ours


@pytest.mark.parametrize("is_ignored", [False, True])
def test_so_is_what_a_set_has_adopted_that_goes_with_its_resource(is_ignored: bool) -> None:
    said = {"has_ignored": ("other",)} if is_ignored else {}
    sets = Sets("Delete", ids(1), ONE, physical_id_of=None, is_being_deleted=True, **said)
    sets.has(ONE, ids(1), 2)
    sets.has("other", ids(5), 1)
    state = sets.room.table.stored
    sets.room.keep(state.hold(HERE, state.holding(HERE).mark(ids(5), Adoption("earlier", START))))
    sets.begin()
    sets.sets.drop_abandoned()
    assert sets.live == set()
    assert (ids(5) <= sets.room.table.stored.owned(HERE)) is not is_ignored


@pytest.mark.parametrize(
    ("given", "is_being_deleted", "comes"),
    [
        ({}, True, True),
        ({"live": False}, True, True),
        ({"kept": True}, False, False),
        # CloudFormation skips it when the stack goes, and not before.
        ({"retains": True}, True, False),
        ({"retains": True}, False, True),
        (None, False, False),
    ],
)
def test_for_which_sets_cloudformation_will_yet_send_a_request(
    given: dict[str, Any] | None, is_being_deleted: bool, comes: bool
) -> None:
    sets = Sets("Delete", ids(1), ONE, is_being_deleted=is_being_deleted)
    sets.has(ONE, ids(1), 1)
    if given is not None:
        sets.has("there", ids(5), 2, logical_id="B", connector=THERE, **given)
    sets.begin()
    assert sets.sets.has_request_to_come(THERE) == comes


def test_a_delete_that_failed_before_it_came_to_the_others_comes_to_them_when_it_is_repeated() -> None:
    """It had dropped the set that it names."""
    assert deleted(THREE, physical_id_of=THREE, is_being_deleted=True) == {"newer"}
    assert deleted(THREE, physical_id_of=ONE, is_being_deleted=True) == {"older", ONE, "newer"}


def test_the_record_of_a_request_says_which_set_it_found() -> None:
    sets = Sets("Update", ids(1, 2), ONE)
    sets.has(ONE, ids(1), 4)
    record: RequestRecord = next(one for one in sets.begin().requests.values() if one.request_id == "r")
    assert record.found == 4
