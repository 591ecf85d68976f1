"""The Kafka sender at doors that ask who it is: let in with the right papers, told off without."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from relay.core.delivery import Delivered, Failed, Fault
from relay.deliver.kafka import KafkaOptions, KafkaSasl, KafkaTls
from tests.deliver.conformance import first, parcel
from tests.deliver.kafka_sending import Senders
from tests.kafka_fixtures import Kafka

pytestmark = pytest.mark.kafka

LIMIT_S = 10.0


@pytest.fixture
def plain(kafka: Kafka, topic: str) -> KafkaOptions:
    """A name and a password, in the clear."""
    return KafkaOptions(
        bootstrap_servers=(kafka.broker.address("PLAIN"),),
        topic=topic,
        limit_s=LIMIT_S,
        sasl=KafkaSasl(
            mechanism="PLAIN", username=kafka.username, password=kafka.password
        ),
    )


@pytest.fixture
def scram(kafka: Kafka, plain: KafkaOptions) -> KafkaOptions:
    """A name and the proof of a password, over TLS."""
    return replace(
        plain,
        bootstrap_servers=(kafka.broker.address("SCRAM"),),
        tls=KafkaTls(ca_file=kafka.ca_file),
        sasl=KafkaSasl(
            mechanism="SCRAM-SHA-512", username=kafka.username, password=kafka.password
        ),
    )


@pytest.fixture
def tls(kafka: Kafka, plain: KafkaOptions) -> KafkaOptions:
    """TLS, and nobody asks for a name."""
    address = kafka.broker.address("TLS")
    ca = KafkaTls(ca_file=kafka.ca_file)
    return replace(plain, bootstrap_servers=(address,), tls=ca, sasl=None)


@pytest.fixture
def mtls(kafka: Kafka, tls: KafkaOptions) -> KafkaOptions:
    """TLS with a certificate of our own."""
    papers = KafkaTls(
        ca_file=kafka.ca_file,
        certificate_file=kafka.certificate_file,
        key_file=kafka.key_file,
    )
    address = kafka.broker.address("MTLS")
    return replace(tls, bootstrap_servers=(address,), tls=papers)


async def deliver(senders: Senders, options: KafkaOptions) -> None:
    assert isinstance(first(await senders(options).send([parcel()])), Delivered)


async def be_refused(senders: Senders, options: KafkaOptions) -> Failed:
    """A plain failure of the destination, well before the limit, with no secret in it."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    outcome = first(await senders(options).send([parcel()]))
    assert isinstance(outcome, Failed)
    assert outcome.fault is Fault.DESTINATION
    assert loop.time() - started < LIMIT_S / 2
    if options.sasl is not None:
        assert options.sasl.password not in repr(outcome)
    return outcome


class TestLetIn:
    async def test_with_a_password(self, senders: Senders, plain: KafkaOptions) -> None:
        await deliver(senders, plain)

    async def test_with_scram_over_tls(
        self, senders: Senders, scram: KafkaOptions
    ) -> None:
        await deliver(senders, scram)

    async def test_over_tls(self, senders: Senders, tls: KafkaOptions) -> None:
        await deliver(senders, tls)

    async def test_with_a_certificate(
        self, senders: Senders, mtls: KafkaOptions
    ) -> None:
        await deliver(senders, mtls)

    async def test_under_another_name_when_names_do_not_count(
        self, senders: Senders, kafka: Kafka, tls: KafkaOptions
    ) -> None:
        papers = KafkaTls(ca_file=kafka.ca_file, check_hostname=False)
        await deliver(senders, replace(elsewhere(tls), tls=papers))


class TestRefused:
    async def test_a_wrong_password(
        self, senders: Senders, kafka: Kafka, plain: KafkaOptions
    ) -> None:
        sasl = KafkaSasl(mechanism="PLAIN", username=kafka.username, password="guess")
        outcome = await be_refused(senders, replace(plain, sasl=sasl))
        assert outcome.reason == "connect"
        assert "Invalid username or password" in outcome.detail

    async def test_a_wrong_scram_password(
        self, senders: Senders, kafka: Kafka, scram: KafkaOptions
    ) -> None:
        sasl = KafkaSasl(
            mechanism="SCRAM-SHA-512", username=kafka.username, password="guess"
        )
        outcome = await be_refused(senders, replace(scram, sasl=sasl))
        assert outcome.reason == "connect"
        assert "invalid credentials" in outcome.detail

    async def test_a_mechanism_that_is_not_offered(
        self, senders: Senders, kafka: Kafka, plain: KafkaOptions
    ) -> None:
        sasl = KafkaSasl(
            mechanism="SCRAM-SHA-256",
            username=kafka.username,
            password=kafka.password,
        )
        outcome = await be_refused(senders, replace(plain, sasl=sasl))
        assert outcome.reason == "connect"
        assert "does not offer this SASL mechanism" in outcome.detail

    async def test_a_broker_whose_ca_is_not_known(
        self, senders: Senders, tls: KafkaOptions
    ) -> None:
        outcome = await be_refused(senders, replace(tls, tls=KafkaTls()))
        assert outcome.reason == "connect"
        assert "unable to get local issuer certificate" in outcome.detail

    async def test_a_broker_under_another_name(
        self, senders: Senders, tls: KafkaOptions
    ) -> None:
        outcome = await be_refused(senders, elsewhere(tls))
        assert outcome.reason == "connect"
        assert "certificate is not valid for 'localhost'" in outcome.detail

    async def test_no_certificate_where_one_is_asked_for(
        self, senders: Senders, kafka: Kafka, mtls: KafkaOptions
    ) -> None:
        without = replace(mtls, tls=KafkaTls(ca_file=kafka.ca_file))
        outcome = await be_refused(senders, without)
        assert outcome.reason == "connect"
        assert "closed by the broker" in outcome.detail

    async def test_clear_text_at_a_tls_door(
        self, senders: Senders, tls: KafkaOptions
    ) -> None:
        outcome = await be_refused(senders, replace(tls, tls=None))
        assert outcome.reason == "connect"
        assert "closed by the broker" in outcome.detail

    async def test_a_file_that_is_not_there(
        self, senders: Senders, tls: KafkaOptions, tmp_path: Path
    ) -> None:
        papers = KafkaTls(ca_file=tmp_path / "none.pem")
        outcome = await be_refused(senders, replace(tls, tls=papers))
        assert outcome.reason == "tls"

    async def test_a_file_that_holds_no_certificate(
        self, senders: Senders, tls: KafkaOptions, tmp_path: Path
    ) -> None:
        (tmp_path / "empty.pem").write_text("not a certificate")
        papers = KafkaTls(ca_file=tmp_path / "empty.pem")
        outcome = await be_refused(senders, replace(tls, tls=papers))
        assert outcome.reason == "tls"


def elsewhere(options: KafkaOptions) -> KafkaOptions:
    """The same door under a name that is not in its certificate."""
    (address,) = options.bootstrap_servers
    return replace(
        options, bootstrap_servers=(address.replace("127.0.0.1", "localhost"),)
    )


def test_a_password_is_never_printed(kafka: Kafka) -> None:
    sasl = KafkaSasl(mechanism="PLAIN", username="relay", password=kafka.password)
    assert kafka.password not in repr(sasl)
