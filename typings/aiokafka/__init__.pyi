# What the relay and its tests use of aiokafka 0.14, private names included (relay/deliver/kafka_cut.py).
import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from types import TracebackType
from typing import Literal, Self, TypeAlias

from aiokafka.structs import ConsumerRecord, RecordMetadata, TopicPartition

Header: TypeAlias = tuple[str, bytes]

class _Connection:
    _writer: asyncio.StreamWriter | None
    _read_task: asyncio.Task[None] | None
    def connected(self) -> bool: ...
    def close(
        self, reason: object = ..., exc: BaseException | None = ...
    ) -> asyncio.Future[None]: ...

class AIOKafkaClient:
    bootstrap: Callable[[], Awaitable[None]]
    _sync_task: asyncio.Task[None] | None
    _conns: dict[object, _Connection]

class _Sender:
    _send_produce_req: Callable[[int, object], Awaitable[None]]
    @property
    def sender_task(self) -> asyncio.Task[None] | None: ...

class AIOKafkaProducer:
    client: AIOKafkaClient
    _sender: _Sender
    _closed: bool
    def __init__(
        self,
        *,
        bootstrap_servers: str | list[str] = ...,
        client_id: str | None = ...,
        request_timeout_ms: int = ...,
        acks: Literal[0, 1, -1, "all"] = ...,
        compression_type: Literal["gzip", "snappy", "lz4", "zstd"] | None = ...,
        max_batch_size: int = ...,
        max_request_size: int = ...,
        partitioner: Callable[[bytes | None, list[int], list[int]], int] = ...,
        linger_ms: int = ...,
        security_protocol: str = ...,
        ssl_context: ssl.SSLContext | None = ...,
        enable_idempotence: bool = ...,
        sasl_mechanism: str = ...,
        sasl_plain_username: str | None = ...,
        sasl_plain_password: str | None = ...,
    ) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def send(
        self,
        topic: str,
        value: bytes | None = ...,
        key: bytes | None = ...,
        partition: int | None = ...,
        timestamp_ms: int | None = ...,
        headers: Sequence[Header] | None = ...,
    ) -> asyncio.Future[RecordMetadata]: ...

class AIOKafkaConsumer:
    def __init__(
        self,
        *topics: str,
        bootstrap_servers: str | list[str] = ...,
        group_id: str | None = ...,
        auto_offset_reset: Literal["earliest", "latest", "none"] = ...,
        enable_auto_commit: bool = ...,
        isolation_level: Literal["read_uncommitted", "read_committed"] = ...,
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None: ...
    def __aiter__(self) -> Self: ...
    async def __anext__(self) -> ConsumerRecord: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def assignment(self) -> set[TopicPartition]: ...
    async def getmany(
        self,
        *partitions: TopicPartition,
        timeout_ms: int = ...,
        max_records: int | None = ...,
    ) -> dict[TopicPartition, list[ConsumerRecord]]: ...
    async def position(self, partition: TopicPartition) -> int: ...
    async def end_offsets(
        self, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, int]: ...
