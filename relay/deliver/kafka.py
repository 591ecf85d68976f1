"""Kafka sender, at least once: one event, one record; a call is a chunk that keeps its order.

Owns what a record is made of, the verdict of each parcel, and when a producer is made and given up.
Must not know of retries, leases or the store. What was not surely acknowledged failed through the
destination: it goes again with the same id, before later events of the same run.

Source: CloudEvents Kafka protocol binding 1.0.2, "Binary Content Mode": attributes as headers
``ce_<name>`` in UTF-8, ``content-type`` for ``datacontenttype``, the event's data as the value, and
``partitionkey`` as the key; how each type is written as text: CloudEvents 1.0.2, "Type System".
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from relay.core.delivery import Delivered, Failed, Fault, Outcome, Refused, Released
from relay.core.errors import UnbuildableError
from relay.core.event import Attribute, Event
from relay.core.ports import Parcel
from relay.deliver.kafka_line import Line, LineError, Record, open_line
from relay.deliver.kafka_options import KafkaOptions, KafkaSasl, KafkaTls

__all__ = ["KafkaOptions", "KafkaSasl", "KafkaSender", "KafkaTls", "record_of"]


class _Names(dict[str, str]):
    """An attribute's name as a header's, made once."""

    def __missing__(self, name: str) -> str:
        self[name] = f"ce_{name}"
        return self[name]


_NAMES: Final = _Names()
_CONTENT_TYPE: Final = ("content-type", b"application/json")
#: A header of the transport: what the event says of itself is what it always said.
_REPLAY: Final = "relay-replay"


class _Item(NamedTuple):
    """A parcel's place in its call, and its record."""

    place: int
    record: Record


class KafkaSender:
    """Sends to one topic through one producer at a time, made when first needed."""

    #: Order within a run rests on one chunk being settled before the next one leaves.
    concurrency: int = 1

    def __init__(self, *, options: KafkaOptions) -> None:
        self.batch = options.batch
        self._options = options
        self._turn = asyncio.Lock()
        self._line: Line | None = None
        self._closed = False

    def prepare(self, parcels: Iterable[Parcel], /) -> None:
        """See :class:`relay.core.ports.Sender`: every call carries many."""

    async def send(self, parcels: Sequence[Parcel], /) -> Sequence[Outcome]:
        """Try each parcel once; one outcome each, in order.

        Takes ``limit_s`` and a second at the most; a call that meets another waits for it first.
        """
        async with self._turn:
            if self._closed:
                return [Released()] * len(parcels)
            outcomes: dict[int, Outcome] = {}
            items: list[_Item] = []
            shape = self._options.shape
            for place, parcel in enumerate(parcels):
                try:
                    event = shape.of(parcel.letter.event)
                    record = record_of(event, replay=parcel.replay)
                except UnbuildableError as error:
                    outcomes[place] = Failed(reason=error.reason, fault=Fault.EVENT)
                    continue
                refusal = shape.refusal(record.size)
                if refusal is None:
                    items.append(_Item(place, record))
                else:
                    outcomes[place] = refusal
            if items:
                outcomes |= await self._deliver(items)
            return [outcomes[place] for place in range(len(parcels))]

    async def close(self) -> None:
        """Give up the producer; a try under way ends as released. Takes a second at the most."""
        self._closed = True
        await self._give_up()

    async def _deliver(self, items: Sequence[_Item]) -> dict[int, Outcome]:
        started = asyncio.get_running_loop().time()
        deadline = started + self._options.limit_s
        try:
            line = self._line = self._line or await self._open(deadline)
        except LineError as error:
            failed = self._failed(error, started)
            return {item.place: failed for item in items}
        limit = line.record_bytes_max
        outcomes: dict[int, Outcome] = {
            place: _too_large(f"{record.size} bytes, of {limit} at the most")
            for place, record in items
            if record.size > limit
        }
        fitting = [item for item in items if item.place not in outcomes]
        records = [item.record for item in fitting]
        try:
            acknowledged = await line.post(records, deadline=deadline)
        except BaseException:
            self._line = None
            raise
        delivered = Delivered(duration_us=_since(started))
        left = await self._judge(line, alone=len(fitting) == 1, started=started)
        for item, is_there in zip(fitting, acknowledged, strict=True):
            outcomes[item.place] = delivered if is_there else left
        return outcomes

    async def _open(self, deadline: float) -> Line:
        """Make a producer.

        Raises:
            LineError: it cannot be made, or not until ``deadline``.
        """
        try:
            async with asyncio.timeout_at(deadline):
                line = await open_line(self._options)
        except TimeoutError as error:
            raise LineError.of(error) from error
        if self._closed:
            await line.end()
            raise LineError("closed", "closed while a producer was made")
        return line

    async def _judge(self, line: Line, *, alone: bool, started: float) -> Outcome:
        """The outcome of each record that was not acknowledged; a faulty line is given up."""
        fault = line.fault or LineError("closed", "closed before an acknowledgement")
        if line.fault is not None:
            await self._give_up()
        if alone and fault.reason == "too_large":
            # Its limit could not be read, or was lowered since; a record alone is the culprit.
            return _too_large(fault.detail)
        return self._failed(fault, started)

    def _failed(self, error: LineError, started: float) -> Outcome:
        if self._closed:
            return Released()
        return Failed(
            reason=error.reason,
            fault=Fault.DESTINATION,
            detail=error.detail,
            duration_us=_since(started),
        )

    async def _give_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.end()


def record_of(event: Event, *, replay: int | None = None) -> Record:
    """The event as a Kafka record in binary mode; ``replay`` is the order to send again that made it."""
    headers = [
        (_NAMES[name], (value if isinstance(value, str) else _text(value)).encode())
        for name, value in event.attributes.items()
    ]
    again = [] if replay is None else [(_REPLAY, str(replay).encode())]
    key = event.attributes.get("partitionkey")
    return Record(
        key=None if key is None else _text(key).encode(),
        value=event.data,
        headers=[*headers, _CONTENT_TYPE, *again],
    )


def _text(value: Attribute) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _too_large(detail: str) -> Refused:
    return Refused(reason="too_large", detail=detail)


def _since(started: float) -> int:
    return max(1, int((asyncio.get_running_loop().time() - started) * 1_000_000))
