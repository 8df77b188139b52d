"""The handler's own errors, in one place.

::

    BaseException
    +-- Interruption        leaves the request unanswered, on purpose; no `except Exception` may hold it up
    |   +-- Overtaken       CloudFormation has issued a newer request for the same logical id
    |   +-- HandOver        this invocation is near its end: a fresh one goes on
    Exception
    +-- Failure             the request can't succeed; its text is the Reason that the user reads
    |   +-- LedgerFailure   the ledger can't be used
    |       +-- LedgerGone  its table does not exist
    +-- Restart             the ledger says that another invocation of this request has taken a turn
"""


class Interruption(BaseException):
    """Ends an invocation without an answer."""


class Overtaken(Interruption):
    """A newer request for the same logical id exists: begin nothing, answer nothing."""


class HandOver(Interruption):
    """Too little of the function's time is left for the next step.

    `resume_at`: epoch seconds before which the fresh invocation is to do nothing, or None.
    """

    def __init__(self, reason: str, resume_at: float | None = None) -> None:
        super().__init__(reason)
        self.resume_at = resume_at


class Failure(Exception):
    """The request can't succeed. The message is written for the user and goes into Reason."""


class LedgerFailure(Failure):
    """The ledger can't be read or written."""


class LedgerGone(LedgerFailure):
    """The ledger's table does not exist."""


class Restart(Exception):
    """Another invocation of the same request has moved it on."""
