"""What the monitor remembers from run to run: how each VM was seen last, and events that are not sent yet.

Owns an item a place in the monitor's own table. It is not the ledger: nothing here says what is ours, and to lose it
costs one round of events and no entitlement. The stored form is a contract, as the ledger's is: ``form`` says who can
read it.

Events are written down before they are sent, and crossed out afterwards. So none is lost with a run that ends early,
and one is sent again at most as often as this table was written to. ``id`` of an event stays the same.
"""

import json
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

from ..aws.calls import Refused, call
from ..aws.clients import Clients
from ..aws.retries import Retries
from ..errors import Failure
from ..ledger.vm_ids import packed_ids, unpacked_ids
from ..values import Connector
from .changes import Seen, Standing

#: The form that is written here, and what has to be known to read it.
FORM = READABLE_BY = 1
#: Events that are kept until they can be sent, and how often each is tried. The oldest goes first: a day's worth.
MOST_EVENTS = 40
MOST_TRIES = 288
#: Most bytes of an item's body: DynamoDB takes items of 400 KB.
MOST_BYTES = 350_000


@dataclass(frozen=True)
class Event:
    """An event that is to be sent: its detail-type, and its detail, which has the ``id``."""

    detail_type: str
    detail: dict[str, Any]
    tries: int = 0


@dataclass(frozen=True)
class Memory:
    """What is remembered of one place.

    Attributes:
        version: counts writes; 0 where nothing was ever written.
        seen: VM id -> how it was seen last.
        outbox: events that may not have been sent, the oldest first.
    """

    version: int = 0
    seen: dict[str, Seen] = field(default_factory=dict)
    outbox: tuple[Event, ...] = ()

    @property
    def is_new(self) -> bool:
        """Whether there was no run before."""
        return self.version == 0

    def posting(self, events: tuple[Event, ...]) -> "Memory":
        """Add events to what is to be sent, and count one more try for each; what was tried too often goes."""
        waiting = [replace(event, tries=event.tries + 1) for event in (*self.outbox, *events)]
        kept = tuple(event for event in waiting if event.tries <= MOST_TRIES)[-MOST_EVENTS:]
        while len(kept) > 1 and len(packed(replace(self, outbox=kept))) > MOST_BYTES:
            # What could not be written down would keep all that follows from being sent.
            kept = kept[1:]
        return replace(self, outbox=kept)


class Conflict(Exception):
    """Another run has written in between: it tells of what there is to tell."""


class MemoryTable:
    """The monitor's table.

    Args:
        name: the table's name. Its partition key is ``Id`` (a string).
    """

    def __init__(self, clients: Clients, retries: Retries, name: str) -> None:
        self._clients = clients
        self._retries = retries
        self._name = name
        self._made: Any = None

    def load(self, place: Connector, until: float) -> Memory:
        """Read what is remembered; what can't be read is as good as none, and is written anew.

        Raises:
            AwsError, Failure: the table can't be read until `until` (epoch seconds).
        """
        client = self._client
        answer = self._retries.through(
            lambda: call(
                client.get_item, "dynamodb:GetItem", TableName=self._name, Key=_key(place), ConsistentRead=True
            ),
            until,
        )
        return read(answer.get("Item"))

    def save(self, place: Connector, memory: Memory, until: float) -> Memory:
        """Write what is to be remembered.

        Raises:
            Conflict: somebody else wrote since it was read.
            AwsError, Failure: the table can't be written until `until` (epoch seconds).
        """
        client = self._client
        written = replace(memory, version=memory.version + 1)
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(Id)"}
        if memory.version:
            values = {":version": {"N": str(memory.version)}}
            condition = {"ConditionExpression": "Version = :version", "ExpressionAttributeValues": values}
        item = {**_key(place), "Version": {"N": str(written.version)}, "Body": {"B": packed(written)}}
        try:
            self._retries.through(
                lambda: call(client.put_item, "dynamodb:PutItem", TableName=self._name, Item=item, **condition), until
            )
        except Refused as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            # Our own write may have been taken without its answer having come.
            if self.load(place, until) != written:
                raise Conflict(str(place)) from None
        return written

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = self._clients.make("dynamodb")
        return self._made


def _key(place: Connector) -> dict[str, Any]:
    return {"Id": {"S": str(place)}}


def packed(memory: Memory) -> bytes:
    """Write a memory, without its version."""
    groups: dict[Seen, set[str]] = {}
    for vm_id, seen in memory.seen.items():
        groups.setdefault(seen, set()).add(vm_id)
    document = {
        "form": FORM,
        "readableBy": READABLE_BY,
        "seen": [[seen.standing, seen.since, packed_ids(frozenset(vm_ids))] for seen, vm_ids in groups.items()],
        "outbox": [[event.detail_type, event.detail, event.tries] for event in memory.outbox],
    }
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode())


def read(item: dict[str, Any] | None) -> Memory:
    """Read an item of the table.

    Raises:
        Failure: a version that this one can't follow wrote it.
    """
    if item is None:
        return Memory()
    version = int(item["Version"]["N"])
    try:
        document = json.loads(zlib.decompress(item["Body"]["B"]))
        readable_by = int(document["readableBy"])
        if readable_by <= FORM:
            seen = {
                vm_id: Seen(Standing(standing), float(since))
                for standing, since, ids in document["seen"]
                for vm_id in unpacked_ids(ids)
            }
            return Memory(version, seen, tuple(Event(*event) for event in document["outbox"]))
    except (zlib.error, ValueError, TypeError, KeyError, AttributeError):
        # It is only a memory. The next write replaces it; what is wrong is told of once more.
        return Memory(version)
    raise Failure(f"a newer version of evs-entitlements wrote what the monitor remembers (form {document['form']})")
