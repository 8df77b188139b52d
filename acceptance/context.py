"""What the parts of a run work with: one value, made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from acceptance.evs_calls import Answer, EvsCalls
from acceptance.findings import Findings
from acceptance.place import Looks, Place
from acceptance.safekeeping import Safekeeping
from evs_fleet.aws.session import Session


@dataclass
class Context:
    """One run.

    Attributes:
        name: of the run; its stacks' names begin with it.
        directory: for what the run writes.
        say: tells the user what is going on, in one line.
        unmodelled: members of answers that botocore's model does not have.
    """

    name: str
    place: Place
    session: Session
    evs: EvsCalls
    looks: Looks
    keep: Safekeeping
    findings: Findings
    directory: Path
    say: Callable[[str], None]
    unmodelled: set[str] = field(default_factory=set)

    def note(self, answer: Answer) -> Answer:
        """Put an answer into the report, and return it."""
        self.looks.learn(answer)
        self.unmodelled |= self.evs.unmodelled(answer)
        body, others = dict(answer.body), 0
        if "entitlements" in body:
            # Other people's rows are nobody's business.
            body["entitlements"] = [row for row in answer.rows if row.get("vmId") in self.place.vms]
            others = len(answer.rows) - len(body["entitlements"])
        self.findings.calls.append(
            {
                "operation": answer.operation,
                "request": answer.members,
                "httpStatus": answer.status,
                "errorType": answer.header,
                "code": answer.code,
                "body": body,
                "rowsLeftOut": others,
                "seconds": round(answer.seconds, 3),
            }
        )
        return answer
