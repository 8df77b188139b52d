"""What an invocation has learnt since it last wrote to the ledger. Pure but for its own list.

Owns the order of these facts: each is a change of the ledger, and is applied to whatever state there is by then.
"""

from collections.abc import Iterable, Mapping
from functools import partial

from ..values import NO_VMS, Connector, VmIds
from . import calls
from .state import State
from .table import Change, LedgerTable


class Learnt:
    """Facts that are not in the ledger yet.

    Attributes:
        has_void: one of them is that a call had no effect: others may wait for its outcome.
    """

    def __init__(self) -> None:
        self._facts: list[Change] = []
        self.has_void = False

    def __len__(self) -> int:
        return len(self._facts)

    def add(self, fact: Change, *, is_void: bool = False) -> None:
        """Note a fact."""
        self._facts.append(fact)
        self.has_void = self.has_void or is_void

    def on(self, state: State) -> State:
        """Return a state with all facts."""
        for fact in self._facts:
            state = fact(state)
        return state

    def clear(self) -> None:
        """Note that they are written."""
        self._facts.clear()
        self.has_void = False


class Learning:
    """What an invocation learns of its calls and from the list, in the ledger's words.

    Attributes:
        state: the ledger as last read or written, with what was learnt since.
    """

    def __init__(self, table: LedgerTable) -> None:
        self._table = table
        self._learnt = Learnt()
        self._view: State | None = None

    @property
    def state(self) -> State:
        """The ledger as last read or written, with what this invocation has learnt since."""
        if self._view is None:
            self._view = self._learnt.on(self._table.state)
        return self._view

    def took(self, call_id: str, vm_ids: VmIds, until: float, sent_at: float = 0.0, made: VmIds = NO_VMS) -> None:
        """Note that EVS took a call, for these of its VMs, and until when the list may not show it (`calls.take`)."""
        is_void = call_id in self.state.calls and not self.state.calls[call_id].vm_ids <= vm_ids
        fact = partial(calls.take, call_id=call_id, vm_ids=vm_ids, until=until, sent_at=sent_at, made=made)
        self._learn(fact, is_void=is_void)

    def lost(self, call_id: str, lands_by: float, until: float, sent_at: float = 0.0) -> None:
        """Note that nobody knows what became of a call, until when it may take effect, and show (`calls.lose`)."""
        self._learn(partial(calls.lose, call_id=call_id, lands_by=lands_by, until=until, sent_at=sent_at))

    def void(self, call_ids: Iterable[str]) -> None:
        """Note that calls never left, or were refused."""
        for call_id in list(call_ids):
            self._learn(partial(calls.void, call_id=call_id), is_void=True)

    # --- what the list showed --------------------------------------------------------------------------------------

    def confirm(self, connector: Connector, started: Mapping[str, float]) -> None:
        """Note entitlements of ours that the list shows (`calls.confirm`)."""
        if started:
            self._learn(partial(calls.confirm, connector=connector, started=started, judged=self.state))

    def forget(self, connector: Connector, vm_ids: VmIds, looked_at: float, claims: int) -> None:
        """Note that VMs hold nothing, by a look that began at `looked_at` (`calls.forget`)."""
        if vm_ids:
            self._learn(lambda state: calls.forget(state, connector, vm_ids, looked_at, claims))

    def disown(self, connector: Connector, vm_ids: VmIds) -> None:
        """Note that VMs hold nothing of ours, as the ledger stands (`calls.disown`)."""
        if vm_ids:
            self._learn(partial(calls.disown, connector=connector, vm_ids=vm_ids, judged=self.state))

    def _learn(self, fact: Change, *, is_void: bool = False) -> None:
        self._learnt.add(fact, is_void=is_void)
        self._view = fact(self.state)
