"""Which sets count: declared by a request, dropped by a Delete, kept where a resource was retained, or found abandoned.

Owns the standing of declared sets in the ledger; never calls EVS. CloudFormation is asked only for sets that no request
may ever name again.
"""

from dataclasses import replace

from .cloudformation import failed_request, is_set_id, set_id
from .errors import Failure
from .ledger import NONE, Adoption, DeclaredSet, State
from .log import logger
from .properties import Connector, Properties
from .turn import Turn


class Standing:
    """The sets of a request's logical id.

    Parameters
    ----------
    properties
        What is declared, or the Failure that says what is wrong with it.
    """

    def __init__(self, turn: Turn, properties: Properties | Failure) -> None:
        self._turn = turn
        self._request = turn.request
        self._properties = properties

    @property
    def declared(self) -> Properties:
        """What the request declares; raises the Failure where its properties are wrong."""
        if isinstance(self._properties, Failure):
            raise self._properties
        return self._properties

    @property
    def connector(self) -> Connector:
        """Where the set is declared."""
        return self.declared.connector

    @property
    def set_id(self) -> str:
        """The PhysicalResourceId of the set."""
        return set_id(self._request.logical_id, self.connector, self.declared.vm_ids)

    def begin(self, state: State) -> State:
        """Take the fence, and declare or drop the set, in one write."""
        request = self._request
        admitted = state.admit(request.logical_id, request.request_id, request.issued, self._turn.answer_by)
        if admitted is state:
            if state.requests[request.logical_id].answer is not None:
                return state
            return state.record(request.logical_id, by=self._turn.by)
        if self._turn.clock.now() > self._turn.answer_by:
            raise Failure("the request was delivered after CloudFormation had given up waiting for it")
        named = admitted.sets.get(request.physical_id)
        admitted = admitted.record(request.logical_id, by=self._turn.by, named=named.sequence if named else None)
        overtaken = admitted.sets_of(request.logical_id, live=False)
        sequence = admitted.sequence
        if request.type == "Delete":
            return admitted.drop([*overtaken, request.physical_id])
        if isinstance(self._properties, Failure):
            return admitted.drop(overtaken)
        admitted = admitted.drop(overtaken.keys() - {self.set_id})
        if request.type == "Create":
            for physical_id, kept in admitted.sets_of(request.logical_id, live=True).items():
                admitted = admitted.declare(physical_id, replace(kept, kept=True))
        known = admitted.sets.get(self.set_id)
        if known is not None and known.live:
            # Declared by an Update back, or again after it was retained; of the latter `kept` tells until the answer.
            return admitted.declare(self.set_id, replace(known, sequence=sequence))
        declared = DeclaredSet(
            request.logical_id, self.connector, self.declared.vm_ids, request.request_id, sequence, self._turn.began
        )
        return admitted.declare(self.set_id, declared)

    @property
    def is_followed(self) -> bool:
        """Whether the set is live already, and not merely retained."""
        known = self._turn.state.sets[self.set_id]
        return known.live and not known.kept

    def made_live(self, state: State, adoption: Adoption) -> State:
        """Make the set live, and take over what it declares of retained sets.

        Should the stack operation be rolled back, that is retained as before: like what was adopted, it is given back.
        """
        known, vm_ids = state.sets[self.set_id], self.declared.vm_ids
        retained = {self.set_id: known} if known.kept else {}
        for physical_id, other in state.sets_of(self._request.logical_id, live=True).items():
            if physical_id != self.set_id and other.kept and other.connector == self.connector:
                retained[physical_id] = other
                rest = replace(other, vm_ids=other.vm_ids - vm_ids)
                state = state.declare(physical_id, rest) if rest.vm_ids else state.drop([physical_id])
        holding = state.holding(self.connector)
        taken = vm_ids.intersection(holding.owned, NONE.union(*(other.vm_ids for other in retained.values())))
        state = state.hold(self.connector, holding.mark(taken, adoption))
        return state.declare(self.set_id, replace(known, vm_ids=vm_ids, live=True, kept=False))

    def find_out_kept(self) -> None:
        """Tell sets that were retained from those of answers that nobody waited for any more.

        Both were live when a Create came. Of the latter CloudFormation knows nothing, so they are dropped by the
        rules for sets whose answer was lost; the former stay.
        """
        turn = self._turn
        ignored = {
            physical_id
            for physical_id, declared in turn.state.sets_of(turn.request.logical_id, live=True).items()
            if declared.kept and turn.stack.has_ignored(physical_id, declared.declared_at, turn.clock.now())
        }

        def not_kept(state: State) -> State:
            for physical_id in ignored & state.sets.keys():
                state = state.declare(physical_id, replace(state.sets[physical_id], kept=False))
            return state

        if ignored:
            logger.warning("CloudFormation never took on what was answered as %s", ", ".join(sorted(ignored)))
            turn.write(not_kept)

    def drop_obsolete(self) -> None:
        """Drop sets that an Update shows to be history, whose Delete never came or whose answer was never heard."""
        turn, request = self._turn, self._request
        if request.type != "Update":
            return
        current = {request.physical_id, self.set_id}
        live = turn.state.sets_of(request.logical_id, live=True)
        others = {key for key, declared in live.items() if key not in current and not declared.kept}
        if not others:
            return
        try:
            others.discard(turn.stack.physical_id_of(request.logical_id) or "")
        except Failure as failure:
            logger.warning("%s", failure)
            return
        obsolete = {key for key in others if self._is_history(live[key], live.get(request.physical_id))}
        if others - obsolete:
            logger.info("kept, since the stack may yet return to it: %s", ", ".join(sorted(others - obsolete)))
        turn.write(lambda state: state.drop(obsolete))

    def _is_history(self, other: DeclaredSet, current: DeclaredSet | None) -> bool:
        """Tell whether CloudFormation can never return to a set that is not the one it has now.

        It never goes forward to a newer one. To an older one it may: where an update failed with rollback off, the
        stack can still be rolled back to what was before, until one operation has come to a good end since.
        """
        named = self._turn.record.named
        if named is not None and other.sequence > named:
            return True
        moments = [other.declared_at, current.declared_at if current else other.declared_at]
        return self._turn.stack.settled_since(max(moments), self._turn.clock.now())

    def drop_abandoned(self) -> None:
        """Drop live sets that no Delete will ever name.

        A Delete of an id that no set has comes after a Create that failed, or that CloudFormation gave up waiting
        for: such a Create's answer may never have been heard. And where the whole stack goes, a set that
        CloudFormation does not name will not get a Delete of its own any more.
        """
        turn, request = self._turn, self._request
        live = turn.state.sets_of(request.logical_id, live=True)
        live = {key: value for key, value in live.items() if not value.kept}
        failed = failed_request(request.physical_id)
        if turn.record.named is not None:
            abandoned = set(live)
            if not abandoned or not turn.stack.is_being_deleted():
                return
        elif is_set_id(request.physical_id):
            return  # dropped by an earlier Delete
        elif failed is not None:
            sequence, request_id = failed
            abandoned = {
                key for key, value in live.items() if value.sequence < sequence or value.request_id == request_id
            }
        else:
            abandoned = set(live)
        if abandoned:
            abandoned.discard(turn.stack.physical_id_of(request.logical_id) or "")
            turn.write(lambda state: state.drop(abandoned))
