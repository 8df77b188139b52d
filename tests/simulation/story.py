"""The story of a history: what happened when, in the order of virtual time, written for a person.

Owns the form. While a history runs only the facts are kept; they become words when somebody asks.
"""

from typing import Any

from .clock import Clock
from .errors import Refusal


class Story:
    """What happened."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.now
        self.facts: list[tuple[float, tuple[Any, ...]]] = []

    def __call__(self, *fact: Any) -> None:
        """Note a fact."""
        self.facts.append((self._clock.now, fact))

    def tell(self) -> str:
        """Return the story."""
        return "\n".join(f"{when - self._began:10.2f} s  {self._line(*fact)}" for when, fact in self.facts)

    def _line(self, kind: str, *fact: Any) -> str:
        if kind == "call":
            number, operation, parameters, fate, refusal = fact
            said = f" -> {refusal.code}: {refusal.message}" if isinstance(refusal, Refusal) else ""
            how = "" if fate == "ok" else f" [{fate}]"
            return f"    #{number} {operation} {_shown(parameters)}{how}{said}"
        if kind == "invocation":
            return f"  #{fact[0]} {fact[1]}"
        if kind == "answer":
            request, status, physical_id, reason = fact
            return f"  ANSWER to {request}: {status} {physical_id} {reason}".rstrip()
        if kind == "log":
            return f"      log #{fact[0]}: {fact[1]}"
        return " ".join(map(str, (kind, *fact)))


def _shown(parameters: dict[str, Any]) -> str:
    if "vmIds" in parameters:
        return f"{parameters['connectorId']}: {', '.join(parameters['vmIds'])}"
    if "UpdateExpression" in parameters:
        return str(parameters["UpdateExpression"])
    if "StackName" in parameters:
        return str(parameters.get("LogicalResourceId", parameters["StackName"].rpartition("/")[2]))
    return ""
