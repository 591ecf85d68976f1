"""Event: the one CloudEvent that says how a run ended, built byte for byte.

Owns the attributes, the ``data`` object and both wire forms of CloudEvents 1.0.2 (structured JSON,
and binary mode's pieces). Pure: the same facts give the same bytes, for ever. A released builder is
never changed; a new one gets a new number, and the stored event remembers which one made it.

``output`` and ``metadata`` are spliced in exactly as received: ``1.10`` stays ``1.10``, integers may
have any size, key order and escapes are kept.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec import Raw

from relay.core.callback import Reading, Unreadable
from relay.core.errors import UnbuildableError
from relay.core.expiry import earliest_expiry
from relay.core.identity import Kind, Outcome, RunKey, event_id_text
from relay.core.moment import text_of
from relay.core.notice import HAPPENINGS, Notice

__all__ = [
    "ATTRIBUTES",
    "BUILDER",
    "CONTENT_TYPE",
    "NOTICE_BUILDER",
    "NOTICE_TYPES",
    "TYPES",
    "Attribute",
    "Event",
    "Facts",
    "Origin",
    "build",
    "source_of",
]

#: The builder that new events are made with.
BUILDER: Final = 1
#: The builder of what the relay tells of itself.
NOTICE_BUILDER: Final = 2
CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"

#: Every attribute that an event can have, in wire order.
ATTRIBUTES: Final = (
    "specversion", "id", "source", "type", "subject", "time", "dataschema", "clientref",
    "origin", "confirmed", "revision", "partitionkey", "datacontenttype",
)  # fmt: skip

Attribute = str | bool | int
Origin = str

#: Every type that an event of a run or batch can have, and those of the relay itself.
TYPES: Final = tuple(
    f"io.runflow.{kind.value}.{outcome.value}"
    for kind in (Kind.RUN, Kind.BATCH)
    for outcome in Outcome
    if outcome not in HAPPENINGS
)
NOTICE_TYPES: Final = tuple(
    f"io.runflow.{Kind.DESTINATION.value}.{one.value}" for one in HAPPENINGS
)

_encode: Final[Callable[[object], bytes]] = msgspec.json.encode
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that an event is made of. Every one of them is stored, so it can be built again."""

    key: RunKey
    outcome: Outcome
    revision: int
    origin: Origin
    confirmed: bool
    #: Wall time of the first receipt's commit group, microseconds; ``time`` where the upstream gave none.
    received_at: int
    #: The run's ``client_ref`` as known at publication; this callback need not be the one that told it.
    client_ref: str | None
    #: What the callback that it is built from says; unreadable when that is not what it was.
    reading: Reading | Notice | Unreadable
    builder: int = BUILDER

    @property
    def about(self) -> str | None:
        """The destination that it is about; None where it is about a run."""
        reading = self.reading
        return reading.destination if isinstance(reading, Notice) else None


class Event:
    """A normalised event: attributes in order, and ``data`` as bytes."""

    __slots__ = ("_structured", "attributes", "data")

    def __init__(self, *, attributes: Mapping[str, Attribute], data: bytes) -> None:
        #: CloudEvents attributes in wire order, without ``datacontenttype``.
        self.attributes = attributes
        #: The JSON of ``data``.
        self.data = data
        self._structured: bytes | None = None

    @property
    def id(self) -> uuid.UUID:
        """The event's id."""
        return uuid.UUID(str(self.attributes["id"]))

    @property
    def structured(self) -> bytes:
        """The whole event as one JSON object (CloudEvents JSON format 1.0.2, structured mode)."""
        if self._structured is None:
            head = _encode({**self.attributes, "datacontenttype": "application/json"})
            self._structured = b'%b,"data":%b}' % (head[:-1], self.data)
        return self._structured


def source_of(name: str) -> str:
    """The ``source`` of all events of a source of the configuration."""
    return f"/runflow/{name}"


def build(facts: Facts) -> Event:
    """Build the event of these facts with the builder they name.

    Raises:
        UnbuildableError: no such builder, as the store was written by a newer program; or the
            callback is no longer what it was.
    """
    reading = facts.reading
    builder, ours = _BUILDERS.get(facts.builder), _NOTICE_BUILDERS.get(facts.builder)
    if builder is None and ours is None:
        raise UnbuildableError("unknown_builder")
    if isinstance(reading, Unreadable):
        raise UnbuildableError("damaged_receipt")
    if ours is not None and isinstance(reading, Notice):
        return ours(facts, reading)
    if builder is not None and not isinstance(reading, Notice):
        return builder(facts, reading)
    raise UnbuildableError("unknown_builder")


def _build_1(facts: Facts, reading: Reading) -> Event:
    key = facts.key
    kind = key.kind.value
    completed_at = reading.completed_at
    attributes: dict[str, Attribute] = {
        "specversion": "1.0",
        "id": event_id_text(key, facts.outcome, facts.revision),
        "source": source_of(key.source),
        "type": f"io.runflow.{kind}.{facts.outcome.value}",
        "subject": key.id,
        "time": completed_at or text_of(facts.received_at),
        "dataschema": f"urn:runflow-relay:schema:{kind}:1",
    }
    if facts.client_ref and not _UNPRINTABLE.search(facts.client_ref):
        attributes["clientref"] = facts.client_ref
    attributes["origin"] = facts.origin
    attributes["confirmed"] = facts.confirmed
    attributes["revision"] = facts.revision
    attributes["partitionkey"] = key.id
    return Event(attributes=attributes, data=_data_1(facts, reading))


class _Data1(msgspec.Struct):
    """``data`` of schema version 1: every key always present, in this order."""

    kind: str
    run_id: str | None
    batch_id: str | None
    org_id: str | None
    client_ref: str | None
    status: str
    status_raw: str | None
    created_at: str | None
    started_at: str | None
    completed_at: str | None
    duration_ms: int | None
    cost: str | None
    output: Raw | None
    output_expires_at: str | None
    failure: dict[str, str | None] | None
    nodes: dict[str, int | None] | None
    target: dict[str, str | None] | None
    metadata: Raw | None
    omitted: tuple[str, ...] = ()


def _data_1(facts: Facts, reading: Reading) -> bytes:
    key = facts.key
    is_run = key.kind is Kind.RUN
    output, metadata = reading.output, reading.metadata
    return _encode(
        _Data1(
            kind=key.kind.value,
            run_id=key.id if is_run else reading.run_id,
            batch_id=reading.batch_id if is_run else key.id,
            org_id=reading.org_id,
            client_ref=facts.client_ref,
            status=facts.outcome.value,
            status_raw=reading.status_raw,
            created_at=reading.created_at,
            started_at=reading.started_at,
            completed_at=reading.completed_at,
            duration_ms=reading.duration_ms,
            cost=reading.cost,
            output=None if output is None else Raw(output),
            output_expires_at=None if output is None else earliest_expiry(output),
            failure=reading.failure,
            nodes=reading.nodes,
            target=reading.target,
            metadata=None if metadata is None else Raw(metadata),
        )
    )


def _build_2(facts: Facts, notice: Notice) -> Event:
    key = facts.key
    installation = key.id.removesuffix(f"/{notice.destination}")
    return Event(
        attributes={
            "specversion": "1.0",
            "id": event_id_text(key, facts.outcome, facts.revision),
            "source": f"/relay/{installation}",
            "type": f"io.runflow.{key.kind.value}.{facts.outcome.value}",
            "subject": notice.destination,
            "time": notice.at,
            "dataschema": f"urn:runflow-relay:schema:{key.kind.value}:1",
            "revision": facts.revision,
            "partitionkey": notice.destination,
        },
        data=notice.body,
    )


_BUILDERS: Final[Mapping[int, Callable[[Facts, Reading], Event]]] = {1: _build_1}
_NOTICE_BUILDERS: Final[Mapping[int, Callable[[Facts, Notice], Event]]] = {2: _build_2}
