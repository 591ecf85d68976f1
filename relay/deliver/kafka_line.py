"""Line: one Kafka producer, from its start to the moment when it is given up.

Owns the producer, what it learns before its first record (whether the topic is there, how large a
record may be), the order of sending, and the cut: an end that waits for nobody and leaves nothing
behind that could still send. Must not know of parcels, of outcomes, or of when a line is made again.

An aiokafka producer that failed once is not worth keeping: its sequence numbers may be used up, a
record timed out may still go out, and ``stop()`` waits for brokers that are gone. So a line is cut
at the first failure, and cutting is the only way to end one: between two calls nothing waits in it.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    InvalidTopicError,
    KafkaConnectionError,
    LeaderNotAvailableError,
    MessageSizeTooLargeError,
    NodeNotReadyError,
    NoError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import RecordMetadata

from relay.core.errors import RelayError
from relay.deliver.kafka_cut import Leash, farewell, hold, sever
from relay.deliver.kafka_options import Access, KafkaOptions, access_of
from relay.deliver.kafka_partition import partition_of
from relay.deliver.kafka_reasons import cannot_connect, listening

__all__ = ["Line", "LineError", "Record", "open_line"]

#: Kafka's default for ``max.message.bytes``, for a topic whose settings may not be read.
_RECORD_BYTES_DEFAULT: Final = 1_048_588
_RECORD_LIMIT: Final = "max.message.bytes"
#: What metadata says of a topic while its leaders move: the producer waits for them.
_SOON_OVER: Final = (LeaderNotAvailableError, NotLeaderForPartitionError)
_DETAIL_MAX: Final = 200

# The first class that fits gives the reason.
_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (TimeoutError, "timeout"),
    (MessageSizeTooLargeError, "too_large"),
    (UnknownTopicOrPartitionError, "unknown_topic"),
    (InvalidTopicError, "unknown_topic"),
    (TopicAuthorizationFailedError, "not_authorized"),
    (ClusterAuthorizationFailedError, "not_authorized"),
    (KafkaConnectionError, "connect"),
    (NodeNotReadyError, "connect"),
)

_TOPIC_WORDS: Final[dict[type[Exception], str]] = {
    UnknownTopicOrPartitionError: "does not exist",
    InvalidTopicError: "has a name that Kafka does not take",
    TopicAuthorizationFailedError: "may not be used by this user",
}


class Record(NamedTuple):
    """One Kafka record."""

    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]

    @property
    def size(self) -> int:
        """The most that it can take as a batch of its own, in bytes, before compression."""
        return DefaultRecordBatchBuilder.estimate_size_in_bytes(
            self.key, self.value, self.headers
        )


class _Topic(NamedTuple):
    """What is learned of a topic."""

    partitions: int
    #: The largest batch that it takes.
    record_bytes_max: int


class LineError(RelayError):
    """The line is not worth keeping. ``reason`` is a plain word, ``detail`` carries no secret."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    @classmethod
    def of(cls, error: BaseException | None) -> "LineError":
        """Translate what aiokafka raised."""
        fits = (reason for kind, reason in _REASONS if isinstance(error, kind))
        if isinstance(error, TimeoutError):
            detail = "the brokers did not answer within the time limit"
        else:
            detail = str(error) or type(error).__name__
        return cls(next(fits, "broker"), detail[:_DETAIL_MAX])


class Line:
    """One producer and what it learned. `open_line` makes it."""

    def __init__(
        self,
        *,
        producer: AIOKafkaProducer,
        topic: str,
        partitions: int,
        record_bytes_max: int,
    ) -> None:
        #: As they were when it was made.
        self.partitions = partitions
        #: The largest `Record.size` that the topic takes.
        self.record_bytes_max = record_bytes_max
        #: Why the line was cut by itself, if it was.
        self.fault: LineError | None = None
        self._producer = producer
        self._topic = topic
        self._is_cut = False
        self._bound: asyncio.Timeout | None = None
        self._unanswered: set[asyncio.Future[RecordMetadata]] = set()
        self._all_answered = asyncio.Event()
        self._leash = Leash(producer)
        self._ending: set[asyncio.Task[None]] = set()

    async def post(self, records: Sequence[Record], *, deadline: float) -> list[bool]:
        """Send in order and wait; say of each record whether its brokers have acknowledged it.

        Never more than one call at a time. ``deadline`` is the loop's time. Where one is False,
        the line has cut itself and ``fault`` says why: that record, and each later one of its
        partition, may or may not have been written.
        """
        sent: list[asyncio.Future[RecordMetadata]] = []
        try:
            async with asyncio.timeout_at(deadline) as bound:
                await self._send(records, sent, bound)
        except Exception as error:  # noqa: BLE001 - whatever a client raises, the records stay unsure
            self._fail(error)
        except BaseException:
            self.cut()
            raise
        done = [_is_acknowledged(future) for future in sent]
        return done + [False] * (len(records) - len(sent))

    async def _send(
        self,
        records: Sequence[Record],
        sent: list[asyncio.Future[RecordMetadata]],
        bound: asyncio.Timeout,
    ) -> None:
        self._bound = bound
        try:
            for record in records:
                # The next record goes in when this one is in: order rests on it.
                future = await self._producer.send(
                    self._topic, record.value, record.key, headers=record.headers
                )
                sent.append(future)
                self._unanswered.add(future)
                future.add_done_callback(self._answered)
            while self._unanswered:
                self._all_answered.clear()
                await self._all_answered.wait()
        finally:
            self._bound = None

    async def end(self) -> None:
        """Cut, and wait until what was cancelled has ended; a second at the most."""
        self.cut()
        await farewell(self._ending)

    def cut(self) -> None:
        """End it here and now: nothing more goes out, nobody is waited for. Idempotent."""
        if self._is_cut:
            return
        self._is_cut = True
        # Whoever waits for an answer need not: expired, or made to be.
        if self._bound is not None and not self._bound.expired():
            self._bound.reschedule(asyncio.get_running_loop().time())
        for future in list(self._unanswered):
            future.cancel()
        self._ending = self._leash.cut()

    def _answered(self, future: asyncio.Future[RecordMetadata]) -> None:
        """Cut at the first failure, before the next batch of that partition can leave.

        A broker that has never heard of the producer takes a batch whose forerunner it refused
        (KIP-360), which would put records before earlier ones of the same key.
        """
        self._unanswered.discard(future)
        if not self._unanswered:
            self._all_answered.set()
        if not _is_acknowledged(future) and not future.cancelled():
            self._fail(future.exception())

    def _fail(self, error: BaseException | None) -> None:
        if not self._is_cut:
            self.fault = LineError.of(error)
            self.cut()


async def open_line(options: KafkaOptions) -> Line:
    """Learn about the topic and start a producer. Not bounded in time by itself.

    Raises:
        LineError: no broker can be reached, or the topic cannot be sent to.
    """
    try:
        access = await access_of(options)
    except OSError as error:
        raise LineError("tls", f"cannot use the TLS files: {error}") from error
    with listening() as heard:
        try:
            return await _start(options, access, await _survey(options.topic, access))
        except LineError:
            raise
        except KafkaConnectionError as error:
            detail = cannot_connect(options.bootstrap_servers, heard)
            raise LineError("connect", detail[:_DETAIL_MAX]) from error
        except Exception as error:
            raise LineError.of(error) from error


async def _start(options: KafkaOptions, access: Access, seen: _Topic) -> Line:
    limit = min(seen.record_bytes_max, options.record_bytes_max)
    producer = AIOKafkaProducer(
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        linger_ms=options.linger_ms,
        # A record above it goes in a batch of its own; a batch above the limit fails whole.
        max_batch_size=min(options.batch_bytes, limit),
        max_request_size=limit,
        partitioner=partition_of,
        **access,
    )
    line = Line(
        producer=producer,
        topic=options.topic,
        partitions=seen.partitions,
        record_bytes_max=limit,
    )
    try:
        await producer.start()
    except BaseException:
        await line.end()
        raise
    return line


async def _survey(topic: str, access: Access) -> _Topic:
    """Ask whether the topic is there and how large a batch it takes, in bytes.

    Metadata tells an unknown topic from a dead broker; a producer tells both by the same error.
    """
    admin = AIOKafkaAdminClient(**access)
    hold(admin._client)  # noqa: SLF001 - as in kafka_cut
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {_RECORD_LIMIT: None})
    partitions = 0
    try:
        await admin.start()
        for seen in await admin.describe_topics([topic]):
            error = for_code(seen["error_code"])
            if error is not NoError and error not in _SOON_OVER:
                words = _TOPIC_WORDS.get(error, f"cannot be used ({error.__name__})")
                raise LineError(
                    LineError.of(error()).reason, f'topic "{topic}" {words}'
                )
            partitions = len(seen["partitions"])
        try:
            (answer,) = await admin.describe_configs([resource])
        except IncompatibleBrokerVersion:
            return _Topic(partitions, _RECORD_BYTES_DEFAULT)
    finally:
        await farewell(sever(admin))
    entries = [entry for found in answer.resources for entry in found[4]]
    limits = [
        int(entry[1]) for entry in entries if entry[0] == _RECORD_LIMIT and entry[1]
    ]
    return _Topic(partitions, min(limits, default=_RECORD_BYTES_DEFAULT))


def _is_acknowledged(future: asyncio.Future[RecordMetadata]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
