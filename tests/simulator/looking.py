"""Looking: what is committed, read behind the store's back.

Owns the questions and the shapes of their answers. Judges nothing.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from relay.record.codes import OUTCOMES
from tests.simulator.disk import Disk
from tests.simulator.story import Subject
from tests.simulator.upstream import Taken

__all__ = [
    "OPEN",
    "Delivery",
    "Event",
    "Inquiry",
    "behind",
    "changes",
    "counts",
    "deliveries",
    "events",
    "held",
    "how_often",
    "inquiries",
    "is_told_by_the_relay",
    "kept",
    "orders",
    "unrouted",
    "warned",
]

#: States of a delivery that something can still happen to.
OPEN: Final = (0, 2)

#: What the relay tells of: the word, and the space of its ids.
_RELAY: Final = "relay.destination"
_RELAY_SPACE: Final = 5

_SUBJECT: Final = "s.name, r.namespace, r.id"
_RUNS: Final = "runs AS r JOIN sources AS s ON s.number = r.source"
_COUNT: Final = """
SELECT COALESCE(SUM(c.count), 0) FROM receipts AS c JOIN sources AS s ON s.number = c.source
WHERE s.name = ? AND c.digest = ?
"""
_COUNTS: Final = """
SELECT s.name, c.digest, SUM(c.count) FROM receipts AS c JOIN sources AS s ON s.number = c.source
WHERE c.digest IS NOT NULL GROUP BY s.name, c.digest
"""
_DELIVERIES: Final = f"""
SELECT {_SUBJECT}, e.revision, n.name, d.number, d.state, d.reason, d.lease IS NOT NULL,
       d.generation, d.replay
FROM {_RUNS} JOIN deliveries AS d ON d.run = r.number
JOIN events AS e ON e.number = d.event JOIN destinations AS n ON n.number = d.destination
ORDER BY d.number
"""  # noqa: S608 - words of its own
_EVENTS: Final = f"""
SELECT {_SUBJECT}, e.revision, e.outcome, e.id, e.confirmed, e.created_at - r.first_seen, r.origin,
       e.client_ref, c.channel, c.digest, c.body
FROM {_RUNS} JOIN events AS e ON e.run = r.number JOIN receipts AS c ON c.number = e.receipt
ORDER BY e.run, e.revision
"""  # noqa: S608
_INQUIRIES: Final = f"""
SELECT {_SUBJECT}, w.state, w.due_at, w.lease IS NOT NULL
FROM {_RUNS} JOIN inquiries AS w ON w.run = r.number
"""  # noqa: S608
_KEPT: Final = """
SELECT s.name, c.digest FROM receipts AS c JOIN sources AS s ON s.number = c.source
WHERE c.channel NOT IN ('api', 'relay')
"""
_UNROUTED: Final = """
SELECT s.name, SUM(n.unrouted) FROM source_counters AS n JOIN sources AS s ON s.number = n.source
GROUP BY s.name
"""
_ORDERS: Final = "SELECT number, state, created FROM replays ORDER BY number"
_BEHIND: Final = "SELECT name FROM destinations WHERE behind_from IS NOT NULL"
_HELD: Final = "SELECT name FROM destinations WHERE hold IS NOT NULL"
_WARNED: Final = "SELECT alarms FROM destinations WHERE name = ?"
_CHANGES: Final = (
    "SELECT subject, verb FROM audit WHERE verb LIKE 'destinations %' ORDER BY number"
)


class Delivery(NamedTuple):
    """A delivery's row."""

    subject: Subject
    revision: int
    place: str
    number: int
    state: int
    reason: str | None
    leased: int
    generation: int
    #: The order that made it.
    replay: int | None


class Event(NamedTuple):
    """An event's row."""

    subject: Subject
    revision: int
    outcome: str
    identifier: bytes
    confirmed: int
    #: Wall microseconds between the first that was heard of the run and this event.
    age: int
    origin: str
    #: Where another callback has told it than the one it was made from.
    known_ref: str | None
    #: Whether an answer of the API made it.
    told: bool
    #: Of the callback that it was made from.
    digest: bytes
    #: What it was made from.
    words: Mapping[str, object]

    @property
    def client_ref(self) -> object:
        """The reference that it carries."""
        return self.known_ref or self.words.get("client_ref")


class Inquiry(NamedTuple):
    """An inquiry's row."""

    subject: Subject
    state: int
    due_at: int
    leased: int


def how_often(disk: Disk, source: str, digest: bytes) -> int:
    """How often these bytes were received, as far as anyone knows."""
    [(count,)] = disk.rows(_COUNT, source, digest)
    return int(count)


def counts(disk: Disk) -> Mapping[Taken, int]:
    """The same of everything that was received: by source and digest."""
    return {(name, bytes(key)): count for name, key, count in disk.rows(_COUNTS)}


def deliveries(disk: Disk) -> Sequence[Delivery]:
    return [
        Delivery(_subject(source, space, key), *rest)
        for source, space, key, *rest in disk.rows(_DELIVERIES)
    ]


def events(disk: Disk) -> Sequence[Event]:
    return [_event(*row) for row in disk.rows(_EVENTS)]


def _event(source: str, space: int, key: bytes, *row: Any) -> Event:
    revision, outcome, identifier, *plain, channel, digest, body = row
    confirmed, age, origin, known_ref = plain
    return Event(
        subject=_subject(source, space, key),
        revision=revision,
        outcome=OUTCOMES[outcome].value,
        identifier=bytes(identifier),
        confirmed=confirmed,
        age=age,
        origin=origin,
        known_ref=known_ref,
        told=channel == "api",
        digest=bytes(digest),
        words=json.loads(body),
    )


def inquiries(disk: Disk) -> Sequence[Inquiry]:
    """Those that the truth is asked about."""
    return [
        Inquiry(_subject(source, space, key), *rest)
        for source, space, key, *rest in disk.rows(_INQUIRIES)
    ]


def kept(disk: Disk) -> set[Taken]:
    """Source and digest of every callback."""
    return {(source, bytes(digest)) for source, digest in disk.rows(_KEPT)}


def unrouted(disk: Disk) -> Mapping[str, int]:
    """Events that no route took, as they were counted by source."""
    return dict(disk.rows(_UNROUTED))


def behind(disk: Disk) -> Sequence[str]:
    """Destinations for which there are no deliveries yet of the last events."""
    return [name for (name,) in disk.rows(_BEHIND)]


def orders(disk: Disk) -> Sequence[tuple[int, int, int]]:
    """Orders to send again: number, state, and how many deliveries each says that it has made."""
    return [(number, state, made) for number, state, made in disk.rows(_ORDERS)]


def held(disk: Disk) -> set[str]:
    """Destinations that nothing is sent to."""
    return {name for (name,) in disk.rows(_HELD)}


def warned(disk: Disk, name: str) -> int:
    """How often somebody was warned that this destination fails, since it last worked."""
    [(count,)] = disk.rows(_WARNED, name)
    return int(count)


def changes(disk: Disk) -> Sequence[tuple[str, str]]:
    """What was done to destinations, by whomever: name, and the verb."""
    return [
        (name, verb.removeprefix("destinations ")) for name, verb in disk.rows(_CHANGES)
    ]


def is_told_by_the_relay(subject: Subject) -> bool:
    """Whether it is no run or batch, but a destination that something has happened to."""
    return subject.kind == _RELAY


def _subject(source: str, space: int, key: bytes) -> Subject:
    """What was spoken of, by its own words: of the first four spaces odd ones hold UUIDs."""
    if space == _RELAY_SPACE:
        return Subject(source, _RELAY, bytes(key).decode())
    name = str(uuid.UUID(bytes=bytes(key))) if space % 2 else bytes(key).decode()
    return Subject(source, "run" if space < 3 else "batch", name)
