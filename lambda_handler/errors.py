"""The function's own errors, in one place.

::

    BaseException
    +-- Interruption        ends an invocation without an answer, on purpose; no `except Exception` holds it up
    |   +-- Overtaken       CloudFormation has issued a newer request for the same logical id
    |   +-- HandOver        this invocation is near its end: a fresh one goes on
    +-- Restart             the ledger says that another invocation has moved this request on: begin again
    Exception
    +-- Failure             the request can't succeed; its text is the Reason that the user reads
        +-- LedgerFailure   the ledger can't be used
            +-- LedgerGone  the ledger's table does not exist
"""


class Interruption(BaseException):
    """Ends an invocation without an answer."""


class Overtaken(Interruption):
    """A newer request for the same logical id exists: begin nothing, answer nothing."""


class HandOver(Interruption):
    """Too little of the function's time is left for the next step.

    Attributes:
        resume_at: epoch seconds before which the fresh invocation does nothing, or None.
    """

    def __init__(self, reason: str, resume_at: float | None = None) -> None:
        super().__init__(reason)
        self.resume_at = resume_at


class Restart(BaseException):
    """Another invocation of the same request has moved it on; the request begins again from the ledger."""


class Failure(Exception):
    """The request can't succeed. The message is written for the user and goes into Reason."""


class LedgerFailure(Failure):
    """The ledger can't be read or written."""


class LedgerGone(LedgerFailure):
    """The ledger's table does not exist."""


def unexpected(error: Exception) -> str:
    """Return the Reason for an error that nobody thought of."""
    return f"unexpected error: {type(error).__name__}: {error}"
