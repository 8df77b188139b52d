"""What AWS leaves open, as parameters that a history draws. The default is a calm day.

Owns the parameters and their ranges. `DRAWS` says how a history draws each; a swarm turns only some of them on, so that
rare combinations meet. The shrinker turns them off again one by one.

Never drawn, since nobody could decide them (docs call them undecidable): a call that takes effect more than 50 s after
it left and was not answered, one that takes effect more than 10 s after EVS answered it with an internal error,
somebody who entitles a VM in the same seconds in which our own call for it was lost (`evs.Evs.entitle_by_hand`), and
requests that reach the ledger out of order though their addresses bear no date (`OUT_OF_ORDER`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any


@dataclass
class Weather:
    """Parameters of a history. Times are in seconds, rates are shares of all calls or deliveries."""

    #: The list shows a creation, a deletion, a change of status so late at most; each change draws its own lag.
    lag_created: float = 0.0
    lag_deleted: float = 0.0
    lag_changed: float = 0.0
    #: Rows of a page; what a page token stands for (`key`: after a row, `offset`: after so many, `snapshot`: the list
    #: as it was); how long a token lasts; whether new rows come first.
    page_size: int = 100
    paging: str = "key"
    token_lasts: float = 1e9
    newest_first: bool = False
    #: Create of something held: refused (`named`, `unnamed`), `taken` without a row, answered with the `old row`.
    held_answer: str = "named"
    #: How a refusal tells of the VM: `fields`, `message`, `unnamed`, `not found` (with the VM as resourceId).
    refusal: str = "message"
    #: A refusal repeats the whole request before it says which VM it means.
    repeats_request: bool = False
    #: A deletion is taken for the first of its VMs only, and answered with those.
    takes_some: bool = False
    #: What becomes of a failed row when the VM is entitled anew: `replaced`, `kept` beside, `renewed` (same startedAt).
    former_rows: str = "replaced"
    deleted_rows_listed: bool = False
    creation_takes: float = 2.0
    deletion_takes: float = 0.0
    refuse_delete_while_creating: bool = False
    #: Delete of something that is not there: `taken`, `named`, `unnamed`, `not found`.
    absent_answer: str = "taken"
    failed_delete_refused: bool = False
    answers_hold_rows: bool = True
    #: A call takes so long, there and back.
    latency: float = 0.05
    #: Rates of trouble with calls that read, and with those that change something.
    throttled: float = 0.0
    asks_to_wait: float = 0.0
    errors: float = 0.0
    broken: float = 0.0
    lost: float = 0.0
    silent: float = 0.0
    late_answers: float = 0.0
    lands_late: float = 0.0
    not_found_once: float = 0.0
    ledger_throttled: float = 0.0
    ledger_errors: float = 0.0
    ledger_lost: float = 0.0
    stack_errors: float = 0.0
    #: Lambda: the function's timeout; deliveries that come late, twice; invocations that are killed or frozen; answers.
    function_timeout: float = 900.0
    delay: float = 0.1
    late_delivery: float = 0.0
    twice: float = 0.0
    killed: float = 0.0
    frozen: float = 0.0
    retried: bool = True
    hand_over: str = "taken"
    answer_errors: float = 0.0
    answer_lost: float = 0.0
    #: CloudFormation.
    dated_urls: bool = True
    service_timeout: int = 3600
    same_second: bool = False
    event_page: int = 100


def _rate(most: float) -> Callable[[Random], Any]:
    return lambda random: random.choice([most / 4, most / 2, most])


def _one_of(*values: Any) -> Callable[[Random], Any]:
    return lambda random: random.choice(values)


DRAWS: dict[str, Callable[[Random], Any]] = {
    "lag_created": _one_of(1.0, 5.0, 18.0, 60.0),
    "lag_deleted": _one_of(1.0, 5.0, 18.0, 60.0),
    "lag_changed": _one_of(1.0, 10.0),
    "page_size": _one_of(1, 2, 3, 5),
    "paging": _one_of("offset", "snapshot"),
    "token_lasts": _one_of(5.0, 20.0, 60.0),
    "newest_first": _one_of(True),
    "held_answer": _one_of("unnamed", "taken", "old row"),
    "refusal": _one_of("fields", "unnamed", "not found"),
    "former_rows": _one_of("kept", "renewed"),
    "deleted_rows_listed": _one_of(True),
    "creation_takes": _one_of(0.0, 10.0, 40.0, 200.0),
    "deletion_takes": _one_of(1.0, 10.0, 30.0),
    "refuse_delete_while_creating": _one_of(True),
    "absent_answer": _one_of("named", "unnamed", "not found"),
    "failed_delete_refused": _one_of(True),
    "answers_hold_rows": _one_of(False),
    "latency": _one_of(0.005, 0.5, 1.5),
    "throttled": _rate(0.3),
    "asks_to_wait": _one_of(1.0, 10.0),
    "errors": _rate(0.2),
    "broken": _rate(0.2),
    "lost": _rate(0.3),
    "silent": _rate(0.15),
    "late_answers": _rate(0.2),
    "lands_late": _one_of(0.3, 1.0),
    "not_found_once": _one_of(0.02, 0.05),
    "ledger_throttled": _rate(0.15),
    "ledger_errors": _rate(0.1),
    "ledger_lost": _rate(0.1),
    "stack_errors": _rate(0.2),
    "function_timeout": _one_of(30.0, 60.0, 180.0),
    "delay": _one_of(0.5, 2.0),
    "late_delivery": _one_of(0.1, 0.3),
    "twice": _one_of(0.1, 0.5),
    "killed": _one_of(0.1, 0.4),
    "frozen": _one_of(0.1, 0.4),
    "retried": _one_of(False),
    "hand_over": _one_of("refused", "throttled", "denied at first"),
    "answer_errors": _rate(0.4),
    "answer_lost": _rate(0.3),
    "dated_urls": _one_of(False),
    "service_timeout": _one_of(300, 900),
    "same_second": _one_of(True),
    "event_page": _one_of(2, 5),
}

#: What lets a request reach the ledger after a newer one. Where addresses bear no date, nobody could tell.
OUT_OF_ORDER = {"latency", "late_delivery", "killed", "frozen", "ledger_throttled", "ledger_errors", "ledger_lost"}


#: Drawn from a generator of its own, so that what else a seed draws stays.
DRAWN_APART: dict[str, Callable[[Random], Any]] = {
    "repeats_request": _one_of(True),
    "takes_some": _one_of(True),
}


def drawn_apart(random: Random) -> dict[str, Any]:
    """Draw which of the others differ from a calm day."""
    return {name: draw(random) for name, draw in DRAWN_APART.items() if random.random() < 0.15}


def drawn(random: Random) -> dict[str, Any]:
    """Draw a swarm: which parameters differ from a calm day, and what they are."""
    share = random.choice([0.1, 0.2, 0.35])
    weather = {name: draw(random) for name, draw in DRAWS.items() if random.random() < share}
    if not weather.get("dated_urls", True):
        weather = {name: value for name, value in weather.items() if name not in OUT_OF_ORDER}
    return weather
