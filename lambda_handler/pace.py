"""Every interval and limit of the function, in seconds unless a name says otherwise. Pure.

One frozen value, handed to whoever needs it. Tests hand in another one.
"""

from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True)
class Pace:
    """How long things may take, and how often they are tried."""

    # --- the function's time -------------------------------------------------------------------------------------
    #: An invocation that is given less than this can't do anything and say so in time: it answers FAILED at once.
    least_invocation: float = 20.0
    #: Kept for handing over to a fresh invocation, besides one Invoke and one call to the ledger that hang.
    hand_over: float = 0.7
    #: Kept for the PUT of an answer where no fresh invocation can go on.
    last_answer: float = 1.5
    #: A call of an invocation whose work is over: connecting, and this share of what an answer was awaited for before,
    #: at most so long. One that hangs must leave time for the answer to CloudFormation.
    last_connect: float = 1.0
    last_read: float = 0.4
    last_read_most: float = 4.0
    #: After an Invoke that failed the next one is made so much later ...
    invoke_retry: float = 0.5
    #: ... and after one without an answer the ledger is asked so much later whether it has started anything.
    invoke_doubt: float = 1.5
    #: Lambda tries an asynchronous invocation that failed again after so many seconds: the first time, the second time.
    retried_after: tuple[float, float] = (60.0, 120.0)
    #: ... or after this share of it already.
    retried_early: float = 0.8
    #: A chain of invocations ends here at the latest (a count). The deadline ends it long before.
    most_invocations: int = 600

    # --- the request's time --------------------------------------------------------------------------------------
    #: The answer is under way before CloudFormation gives up: this share of ServiceTimeout, within these bounds.
    margin: float = 0.2
    margin_least: float = 3.0
    margin_most: float = 30.0
    #: What the undo of a Create or Update may take: this share of ServiceTimeout, within these bounds.
    undo: float = 0.2
    undo_least: float = 5.0
    undo_most: float = 300.0
    #: For how long a ResponseURL lasts (X-Amz-Expires of those that CloudFormation makes).
    url_lasts: float = 7200.0

    # --- single calls --------------------------------------------------------------------------------------------
    #: Connecting to AWS, and awaiting one answer: a share of the invocation's and of the request's time, within bounds.
    connect: float = 3.0
    read_of_invocation: float = 1 / 5
    read_of_request: float = 1 / 12
    read_least: float = 3.0
    read_most: float = 15.0
    #: AccessDenied is ridden out for so long after the request was issued: a new role's policy takes its time.
    denied_for: float = 75.0
    #: A call that keeps failing is tried again for so long, and at this pace at the slowest.
    trouble_for: float = 300.0
    #: ... and the ledger, however late it is: without it an answer contradicts what was answered before.
    ledger_for: float = 2.0
    #: ... and at the end of an invocation that has time left: what its calls have come to should not be lost.
    ledger_for_last: float = 5.0
    slowest_retry: float = 15.0
    #: A question to CloudFormation is tried again for so long.
    stack_for: float = 90.0
    #: ... and so often (a count) at the least.
    stack_tries: int = 4
    #: ... and by so many invocations (a count), where none has the time to hear the answer, or to read all events.
    asked_anew: int = 3
    #: A service that says that environment or connector does not exist is believed when it says so still after this.
    not_found_for: float = 8.0
    #: ... and after so many answers (a count) that say so, with no other among them.
    not_found_answers: int = 3
    #: EVS may refuse to list what is being deleted. A removal tries again for so long.
    list_refused_for: float = 300.0

    # --- calls that change EVS -----------------------------------------------------------------------------------
    #: A changing call leaves so soon after the ledger was told, or the ledger is told again. Where all is slow, later.
    send_within: float = 0.25
    send_within_most: float = 5.0
    #: A call of which no answer came (a broken connection, a killed function) may take effect for so long.
    lost_lands_within: float = 52.0
    #: ... and one that EVS itself answered with an internal error: soon or never.
    fault_lands_within: float = 11.0
    #: CloudFormation keeps a stack's events for 90 days (API reference, DescribeStackEvents). Of what is older than
    #: this, its silence proves nothing.
    stack_history: float = 89 * 86_400.0
    #: The list shows what was done so late, at most.
    list_lag: float = 65.0
    #: The call of another invocation is awaited for so long; a live one has told the ledger of its outcome by then.
    others_for: float = 15.0
    #: A deletion that EVS took is remembered for so long: a set that declares the VM again waits for the outcome.
    deletion_for: float = 300.0
    #: The ledger is told of so many calls at once (a count); each leaves in time or is announced again.
    announced_at_once: int = 10

    # --- creating ------------------------------------------------------------------------------------------------
    #: A refusal that an unanswered call may explain is tried again after so long.
    doubt: float = 5.0
    #: While a refused batch is narrowed down, a look serves for so long.
    narrowing: float = 30.0
    #: So many refusals are looked into (a count). The request fails for the first, and the user has seen enough.
    most_singled_out: int = 50
    #: Looks begin at the first page again after so long, growing to the second.
    look_anew: float = 15.0
    look_anew_most: float = 60.0
    #: A look begins anew so often (a count) because EVS no longer takes its page token.
    looks_anew: int = 3
    #: A list of more pages than this (a count) has no end.
    most_pages: int = 3000

    #: What is ours and was listed before is believed to be gone when looks do not show it for so long ...
    absent_for: float = 8.0
    #: ... and so many (a count) in a row.
    absent_looks: int = 3

    # --- removing ------------------------------------------------------------------------------------------------
    #: A deletion that was refused is asked for again after so long.
    refused_retry: float = 3.0
    #: A refusal to delete that names the VM is final after so long ...
    refused_for: float = 60.0
    #: ... and one that names none, as while an environment is being deleted, after this.
    refused_unnamed_for: float = 240.0
    #: What other requests left at another connector is given so long.
    elsewhere: float = 120.0
    #: For this share of the time rows that are CREATING are awaited; then a deletion is tried all the same.
    settle: float = 0.7

    def believes_not_found(self, lasted: float, answers: int) -> bool:
        """Tell whether a service has said often enough, and for long enough, that something does not exist.

        Where it throttles, a second answer may come long after the first, and prove no more than that one.

        Args:
            lasted: since how many seconds it says so.
            answers: how many say so, with no other among them.
        """
        return lasted >= self.not_found_for and answers >= self.not_found_answers

    def answer_by(self, issued_at: float, service_timeout: float) -> float:
        """Return when the answer has to be under way, in epoch seconds."""
        return issued_at + service_timeout - bounded(service_timeout * self.margin, self.margin_least, self.margin_most)

    def tries_before(self, late: float) -> int:
        """Return how often Lambda may have tried an event before that arrives so many seconds after it was sent."""
        return sum(late >= self.retried_early * due for due in accumulate(self.retried_after))

    def undo_time(self, service_timeout: float) -> float:
        """Return the seconds that are kept for undoing a Create or Update."""
        return bounded(service_timeout * self.undo, self.undo_least, self.undo_most)


def bounded(value: float, least: float, most: float) -> float:
    """Return the value, or the bound that it is beyond."""
    return min(max(value, least), most)
