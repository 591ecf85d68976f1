"""A real Kafka for the tests: one broker for the whole run, with a door for each kind of client.

Owns the broker, its certificates, a topic for each test, and reading a topic whole. Tests that kill
or hang the broker take the fixture ``kafka`` too; it is put right again after each test.
"""

import asyncio
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord
from cryptography.hazmat.primitives import serialization

from relay.deliver.kafka import KafkaOptions, KafkaSender
from relay.sandbox.kafka import Listener, LocalKafka

__all__ = [
    "Kafka",
    "kafka",
    "kafka_of_session",
    "narrow",
    "read_topic",
    "senders",
    "topic",
]

LISTENERS = (
    Listener(),
    Listener(name="PLAIN", sasl="PLAIN"),
    Listener(name="SCRAM", sasl="SCRAM-SHA-512", tls=True),
    Listener(name="TLS", tls=True),
    Listener(name="MTLS", tls=True, client_certificate=True),
)
USERNAME, PASSWORD = "relay", "open0sesame"
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kafka:
    """The broker and what its clients need."""

    broker: LocalKafka
    ca_file: Path
    certificate_file: Path
    key_file: Path
    username: str
    password: str


def _pkcs8(certificate: trustme.LeafCert) -> bytes:
    """The key in the one form that Kafka reads."""
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _chain(certificate: trustme.LeafCert) -> bytes:
    return b"".join(blob.bytes() for blob in certificate.cert_chain_pems)


@pytest.fixture(scope="session")
def kafka_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    # The tests themselves may reach nothing but loopback; the jars come from elsewhere.
    subprocess.run([sys.executable, "-m", "relay.sandbox.kafka_jars"], check=True)
    home = tmp_path_factory.mktemp("kafka")
    ca = trustme.CA()
    server, client = ca.issue_cert("127.0.0.1"), ca.issue_cert("relay@example.com")
    ca.cert_pem.write_to_path(home / "ca.pem")
    (home / "server.pem").write_bytes(_pkcs8(server) + _chain(server))
    (home / "client.pem").write_bytes(_chain(client))
    (home / "client.key").write_bytes(client.private_key_pem.bytes())
    broker = LocalKafka(
        directory=home / "broker",
        listeners=LISTENERS,
        users={USERNAME: PASSWORD},
        key_store=home / "server.pem",
        trust_store=home / "ca.pem",
    )
    with broker:
        yield Kafka(
            broker=broker,
            ca_file=home / "ca.pem",
            certificate_file=home / "client.pem",
            key_file=home / "client.key",
            username=USERNAME,
            password=PASSWORD,
        )


@pytest.fixture
def kafka(kafka_of_session: Kafka) -> Iterator[Kafka]:
    """The broker, running, whatever the test does to it."""
    yield kafka_of_session
    kafka_of_session.broker.resume()
    kafka_of_session.broker.start()


@pytest.fixture
async def topic(kafka: Kafka) -> str:
    """A topic of its own for each test, with three partitions."""
    name = f"runs-{next(_NUMBERS)}"
    await kafka.broker.create_topic(name, partitions=3)
    return name


@pytest.fixture
async def narrow(kafka: Kafka) -> str:
    """A topic with one partition."""
    name = f"narrow-{next(_NUMBERS)}"
    await kafka.broker.create_topic(name)
    return name


@pytest.fixture
async def senders() -> AsyncIterator[Callable[[KafkaOptions], KafkaSender]]:
    """Makes senders, and closes them after the test."""
    made: list[KafkaSender] = []

    def make(options: KafkaOptions) -> KafkaSender:
        made.append(KafkaSender(options=options))
        return made[-1]

    yield make
    for sender in made:
        await sender.close()


async def read_topic(kafka: Kafka, topic: str) -> list[ConsumerRecord]:
    """Every record, in order within each partition, and by time of arrival across them."""
    reader = AIOKafkaConsumer(
        topic,
        bootstrap_servers=kafka.broker.address("INTERNAL"),
        auto_offset_reset="earliest",
    )
    records: list[ConsumerRecord] = []
    async with asyncio.timeout(15), reader:
        partitions = reader.assignment()
        ends = await reader.end_offsets(partitions)
        while any([await reader.position(tp) < end for tp, end in ends.items()]):
            for found in (await reader.getmany(timeout_ms=1000)).values():
                records += found
    return sorted(records, key=lambda record: record.timestamp)
