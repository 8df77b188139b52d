"""What an invocation has learnt since it last wrote to the ledger. Pure but for its own list.

Owns the order of these facts: each is a change of the ledger, and is applied to whatever state there is by then.
"""

from .state import State
from .table import Change


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
