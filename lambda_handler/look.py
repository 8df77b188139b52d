"""Looks at EVS: the whole list, or just far enough to know that it is too early.

Owns the economy of ListVmEntitlements, and what a user is told where environment or connector does not exist.
"""

from .aws import AwsError, NotFound, Refused
from .errors import Failure
from .evs import Row, Rows, merged
from .ledger import VmIds
from .log import logger
from .properties import Connector
from .turn import Turn

#: A row that was created and is not listed: for so long, in seconds, the list may lag behind.
LIST_LAG = 15.0
#: After so many seconds, more each time up to the second number, a look begins at the first page again: what a page
#: token leads to might be the list as it was when the token was made.
ANEW, ANEW_MOST = 15.0, 60.0


def looked(turn: Turn, connector: Connector) -> Rows:
    """Return what EVS lists, or raise a Failure that a user understands."""
    try:
        return turn.look(connector, turn.until)
    except NotFound as error:
        raise not_found(error, connector) from error
    except AwsError as error:
        raise Failure(f"EVS can't be asked for the entitlements of {connector}: {error}") from error


def not_found(error: NotFound, connector: Connector) -> Failure:
    """Name the environment or connector that does not exist."""
    which = {
        connector.environment_id: f"environment {connector.environment_id}",
        connector.connector_id: f"connector {connector.connector_id} of environment {connector.environment_id}",
    }
    what = which.get(error.resource_id, f"environment {connector.environment_id} or connector {connector.connector_id}")
    return Failure(f"{what} was not found: {error.message or error.code}")


class Watch:
    """Looks that cost one page for as long as something on it is still CREATING.

    A page that shows an outstanding VM as CREATING says what there is to know: not yet. The next look begins there.
    What is bad news (failed, not listed) counts only after a look at all pages, since a VM may have several rows. A
    list of one page is such a look each time.
    """

    def __init__(self, turn: Turn, connector: Connector) -> None:
        self._turn = turn
        self._connector = connector
        # Rows of new entitlements are most likely listed last; where they are not, a look at all pages follows.
        self._token = turn.last_page.get(connector)
        self._told = turn.clock.now()
        self._anew_every = ANEW
        self._anew_at = self._told + ANEW

    def look(self, outstanding: VmIds) -> tuple[Rows, bool]:
        """Return rows of outstanding VMs, and whether all pages were read."""
        if (now := self._turn.clock.now()) >= self._anew_at:
            self._anew_every = min(self._anew_every * 1.5, ANEW_MOST)
            self._anew_at = now + self._anew_every
            self._token = None
        start = self._token
        seen: Rows = {}
        token = start
        while True:
            page, following = self._page(token)
            rows = [row for row in page if row.vm_id in outstanding]
            merged(rows, seen)
            is_whole = token is None and following is None
            if any(row.creating for row in rows) and not is_whole:
                self._token = token
                return {vm_id: row for vm_id, row in seen.items() if row.held}, False
            if following is None:
                break
            token = following
        self._token = None
        if start is None:
            return seen, True
        good = {vm_id: row for vm_id, row in seen.items() if row.held}
        if outstanding - good.keys():
            more, complete = self.look(outstanding - good.keys())
            return {**more, **good}, complete
        return good, False

    def _page(self, token: str | None) -> tuple[list[Row], str | None]:
        try:
            return self._turn.page(self._connector, token, self._turn.until)
        except Refused:
            if token is None:
                raise
            # The token has aged; begin anew.
            self._token = None
            return self._turn.page(self._connector, None, self._turn.until)
        except NotFound as error:
            raise not_found(error, self._connector) from error

    def progress(self, done: int, total: int) -> None:
        """Log how far creation is, every ten seconds."""
        now = self._turn.clock.now()
        if now - self._told >= 10:
            self._told = now
            logger.info("%s of %s created", f"{done:,}", f"{total:,}")
