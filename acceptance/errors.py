"""The errors of a run; each is one line for the user."""


class AcceptanceError(Exception):
    """Ends a run, or keeps it from beginning."""


class PartOver(AcceptanceError):
    """Ends one part of a run: what would follow makes no sense any more. The others go on."""


class Interrupted(BaseException):
    """Ctrl-C, or the end was asked for otherwise. Not an Exception: nothing on the way may take it for a failure."""
