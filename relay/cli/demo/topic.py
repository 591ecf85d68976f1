"""Topic: a real Apache Kafka for the demo, and what a consumer reads from it."""

import asyncio
from collections.abc import Sequence

import msgspec
from aiokafka import AIOKafkaConsumer

from relay.cli.demo.compare import Heard
from relay.sandbox.kafka import LocalKafka

__all__ = ["Topic"]


class _Data(msgspec.Struct):
    run_id: str
    status: str
    output: msgspec.Raw


class Topic:
    """One topic of one broker, both gone when closed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._broker = LocalKafka()

    @property
    def servers(self) -> str:
        """Where the broker listens."""
        return self._broker.bootstrap_servers

    async def start(self) -> None:
        """Start the broker (the first time its jars are fetched) and make the topic."""
        await asyncio.to_thread(self._broker.start)
        await self._broker.create_topic(self._name, partitions=3)

    async def close(self) -> None:
        """Stop the broker and forget its data."""
        await asyncio.to_thread(self._broker.close)

    async def read(self) -> Sequence[Heard]:
        """Every record of the topic, as a consumer that reads CloudEvents' binary mode sees it."""
        heard: list[Heard] = []
        async with AIOKafkaConsumer(
            self._name,
            bootstrap_servers=self.servers,
            auto_offset_reset="earliest",
        ) as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
            while len(heard) < sum(ends.values()):
                batches = await consumer.getmany(timeout_ms=1000)
                for records in batches.values():
                    heard += [
                        _heard(record.headers, record.value or b"null")
                        for record in records
                    ]
        return heard


def _heard(headers: Sequence[tuple[str, bytes]], value: bytes) -> Heard:
    data = msgspec.json.decode(value, type=_Data)
    return Heard(
        event_id=dict(headers)["ce_id"].decode(),
        run_id=data.run_id,
        outcome=data.status,
        output=bytes(data.output).decode(),
    )
