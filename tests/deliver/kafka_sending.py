"""What the tests of the Kafka sender share: senders to the real broker, parcels, records read back."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.structs import ConsumerRecord

from relay.core.event import Attribute, Event
from relay.core.ports import Letter, Parcel
from relay.deliver.kafka import KafkaOptions, KafkaSender
from tests.deliver.conformance import parcel
from tests.kafka_fixtures import Kafka, read_topic

__all__ = [
    "KafkaRig",
    "Senders",
    "event_of",
    "options_for",
    "revision_of",
    "run_and_revision",
]


RECORD_LIMIT = "max.message.bytes"

Senders = Callable[[KafkaOptions], KafkaSender]


def options_for(kafka: Kafka, topic: str, *, limit_s: float = 10.0) -> KafkaOptions:
    """Over the plain door."""
    return KafkaOptions(
        bootstrap_servers=(kafka.broker.bootstrap_servers,),
        topic=topic,
        limit_s=limit_s,
    )


def revision_of(run: int, revision: int) -> Parcel:
    """A later event of a run: another id, the same key."""
    sample = parcel(run)
    facts = msgspec.structs.replace(sample.letter.facts, revision=revision)
    return msgspec.structs.replace(sample, letter=Letter(facts))


def run_and_revision(record: ConsumerRecord) -> tuple[bytes | None, int]:
    """Which of `revision_of` a record is."""
    return record.key, int(dict(record.headers)["ce_revision"])


def event_of(record: ConsumerRecord) -> Event:
    """The event that a record carries, types included."""
    texts = {name: value.decode() for name, value in record.headers}
    assert texts.pop("content-type") == "application/json"
    attributes: dict[str, Attribute] = {
        name.removeprefix("ce_"): text for name, text in texts.items()
    }
    attributes["confirmed"] = {"true": True, "false": False}[texts["ce_confirmed"]]
    attributes["revision"] = int(texts["ce_revision"])
    return Event(attributes=attributes, data=record.value or b"")


def noise(size: int) -> str:
    """A JSON text of ``size`` bytes that shrinks by no more than half."""
    return f'"{hashlib.shake_256(b"noise").hexdigest(size)[: size - 2]}"'


async def alter(kafka: Kafka, topic: str, record_bytes: int) -> None:
    """Let the topic take batches up to this size from now on.

    The controller knows it first, the broker a moment later, its log another moment later. So a second
    topic is altered in the same request, and tried until it refuses what is larger.
    """
    witness = f"{topic}-witness"
    await kafka.broker.create_topic(witness)
    limit = {RECORD_LIMIT: str(record_bytes)}
    asked = [
        ConfigResource(ConfigResourceType.TOPIC, name, limit)
        for name in (topic, witness)
    ]
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.broker.bootstrap_servers)
    await admin.start()
    try:
        for answer in await admin.alter_configs(asked):
            assert {found[0] for found in answer.resources} == {0}
    finally:
        await admin.close()
    async with asyncio.timeout(10):
        while not await _refuses(kafka, witness, record_bytes):
            pass


async def _refuses(kafka: Kafka, topic: str, record_bytes: int) -> bool:
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.broker.bootstrap_servers,
        max_request_size=16 * record_bytes + 4096,
    )
    await producer.start()
    try:
        await (await producer.send(topic, b"x" * (2 * record_bytes)))
    except MessageSizeTooLargeError:
        return True
    finally:
        await producer.stop()
    return False


class KafkaRig:
    """The law's view of a sender and the broker. A broker that does not work is one that hangs."""

    def __init__(self, sender: KafkaSender, kafka: Kafka, topic: str) -> None:
        self.sender = sender
        self._kafka = kafka
        self._topic = topic

    def arrived(self) -> Sequence[bytes]:
        # The law asks from inside a loop; reading needs one of its own.
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(asyncio.run, read_topic(self._kafka, self._topic))
            return [event_of(record).structured for record in reading.result()]

    def break_down(self) -> None:
        self._kafka.broker.pause()

    def mend(self) -> None:
        self._kafka.broker.resume()

    def hold(self) -> None:
        self._kafka.broker.pause()

    def let_go(self) -> None:
        self._kafka.broker.resume()
