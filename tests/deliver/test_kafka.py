"""The Kafka sender against a real broker: what it writes, in which order, and what it refuses."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator

import msgspec
import pytest
import uvloop
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event

from relay.core.delivery import Delivered, Failed, Fault, Outcome, Refused
from relay.core.ports import Letter
from relay.core.shape import Shape
from relay.deliver.kafka import KafkaSender, record_of
from tests.deliver.conformance import Rig, SenderLaw, first, parcel, parcels
from tests.deliver.kafka_sending import (
    KafkaRig,
    Senders,
    alter,
    noise,
    options_for,
    revision_of,
    run_and_revision,
)
from tests.kafka_fixtures import Kafka, read_topic

pytestmark = pytest.mark.kafka

#: For the tests that wait until it has passed.
SHORT_S = 2.5
EXACT = (
    '{"price": 1.10, "big": 1234567890123456789012345678901234567890, "é": "\\u00e9"}'
)


@pytest.fixture
def sender(kafka: Kafka, topic: str, senders: Senders) -> KafkaSender:
    return senders(options_for(kafka, topic))


async def learn_limit(sender: KafkaSender) -> None:
    """Let it make its producer without writing a record."""
    outcome = first(await sender.send([parcel(1, output=noise(2_000_000))]))
    assert isinstance(outcome, Refused)


class TestLaw(SenderLaw):
    """The Kafka sender keeps the law of senders."""

    @pytest.fixture
    async def rig(
        self, kafka: Kafka, narrow: str, senders: Senders
    ) -> AsyncIterator[Rig]:
        sender = senders(options_for(kafka, narrow, limit_s=SHORT_S))
        yield KafkaRig(sender, kafka, narrow)
        kafka.broker.resume()


class TestRecord:
    async def test_an_event_is_one_record_in_binary_mode(
        self, sender: KafkaSender, kafka: Kafka, topic: str
    ) -> None:
        sent = parcel()
        await sender.send([sent])
        record = first(await read_topic(kafka, topic))
        event = sent.letter.event
        expected = [
            ("ce_specversion", b"1.0"),
            ("ce_id", str(event.id).encode()),
            ("ce_source", b"/runflow/acme"),
            ("ce_type", b"io.runflow.run.succeeded"),
            ("ce_subject", b"run_00001"),
            ("ce_time", b"2026-03-01T11:59:58.000000Z"),
            ("ce_dataschema", b"urn:runflow-relay:schema:run:1"),
            ("ce_origin", b"callback"),
            ("ce_confirmed", b"true"),
            ("ce_revision", b"1"),
            ("ce_partitionkey", b"run_00001"),
            ("content-type", b"application/json"),
        ]
        assert expected == list(record.headers)
        assert record.key == b"run_00001"

    async def test_the_value_is_the_data_byte_for_byte(
        self, sender: KafkaSender, kafka: Kafka, topic: str
    ) -> None:
        sent = parcel(output=EXACT)
        await sender.send([sent])
        record = first(await read_topic(kafka, topic))
        assert sent.letter.event.data == record.value
        assert EXACT.encode() in (record.value or b"")

    async def test_attributes_are_utf_8(self) -> None:
        sample = parcel()
        facts = sample.letter.facts
        letter = Letter(msgspec.structs.replace(facts, client_ref="größe"))
        headers = dict(record_of(letter.event).headers)
        assert "größe".encode() == headers["ce_clientref"]

    async def test_a_replay_says_so_beside_the_event(self) -> None:
        """In a header of the transport: the event is what it always was."""
        event = parcel().letter.event
        first, again = record_of(event), record_of(event, replay=7)
        assert again.headers == [*first.headers, ("relay-replay", b"7")]
        assert (again.key, again.value) == (first.key, first.value)

    async def test_the_cloudevents_sdk_reads_it(
        self, sender: KafkaSender, kafka: Kafka, topic: str
    ) -> None:
        sent = parcel(output='{"images": ["a", "b"]}').letter
        await sender.send([parcel(output='{"images": ["a", "b"]}')])
        record = first(await read_topic(kafka, topic))
        event = from_kafka_event(
            KafkaMessage(
                headers=dict(record.headers), key=record.key, value=record.value or b""
            )
        )
        assert str(sent.event.id) == event.get_id()
        assert event.get_type() == "io.runflow.run.succeeded"
        assert event.get_source() == "/runflow/acme"
        assert event.get_subject() == "run_00001"
        assert event.get_datacontenttype() == "application/json"
        assert event.get_extension("revision") == "1"
        assert event.get_extension("partitionkey") == "run_00001"
        data = event.get_data()
        assert isinstance(data, dict)
        assert data["output"] == {"images": ["a", "b"]}


class TestOrder:
    async def test_each_run_keeps_its_order_in_one_partition(
        self, sender: KafkaSender, kafka: Kafka, topic: str
    ) -> None:
        sent = [
            revision_of(run, revision) for revision in range(1, 26) for run in range(20)
        ]
        outcomes = await sender.send(sent)
        assert all(isinstance(outcome, Delivered) for outcome in outcomes)
        records = await read_topic(kafka, topic)
        assert len(sent) == len(records)
        assert {record.partition for record in records} == {0, 1, 2}
        for run in range(20):
            key = f"run_{run:05}".encode()
            own = [record for record in records if record.key == key]
            assert len({record.partition for record in own}) == 1
            by_offset = sorted(own, key=lambda record: record.offset)
            revisions = [run_and_revision(record)[1] for record in by_offset]
            assert list(range(1, 26)) == revisions

    async def test_nothing_overtakes_what_the_broker_refused(
        self, kafka: Kafka, narrow: str, senders: Senders
    ) -> None:
        """The second batch would fit; a partition new to the producer would even take it."""
        options = options_for(kafka, narrow)
        sender = senders(dataclasses.replace(options, batch_bytes=4096))
        await learn_limit(sender)
        await alter(kafka, narrow, 2000)
        outcomes = await sender.send([parcel(1, output=noise(6000)), revision_of(1, 2)])
        assert [Failed, Failed] == [type(outcome) for outcome in outcomes]
        assert await read_topic(kafka, narrow) == []


class TestSize:
    async def test_what_is_left_out_is_not_in_the_topic(
        self, kafka: Kafka, topic: str, senders: Senders
    ) -> None:
        options = dataclasses.replace(
            options_for(kafka, topic), shape=Shape(omit=("output",))
        )
        sent = parcel(output='{"secret": 1}')
        assert isinstance(first(await senders(options).send([sent])), Delivered)
        record = first(await read_topic(kafka, topic))
        assert json.loads(record.value or b"")["omitted"] == ["output"]
        assert b"secret" not in (record.value or b"")

    async def test_a_record_too_large_is_refused_alone(
        self, kafka: Kafka, narrow: str, senders: Senders
    ) -> None:
        await alter(kafka, narrow, 5000)
        sender = senders(options_for(kafka, narrow))
        sent = [parcel(1), parcel(2, output=noise(5000)), parcel(3)]
        outcomes = await sender.send(sent)
        assert [Delivered, Refused, Delivered] == [type(it) for it in outcomes]
        assert isinstance(outcomes[1], Refused)
        assert outcomes[1].reason == "too_large"
        keys = [record.key for record in await read_topic(kafka, narrow)]
        assert keys == [b"run_00001", b"run_00003"]

    async def test_the_limit_is_met_to_the_byte(
        self, kafka: Kafka, narrow: str, senders: Senders
    ) -> None:
        """What passes is taken by the broker, whose own judgement is of the whole batch."""
        fits, over = parcel(1, output=noise(5000)), parcel(2, output=noise(5001))
        size = record_of(fits.letter.event).size
        assert size + 1 == record_of(over.letter.event).size
        await alter(kafka, narrow, size)
        sender = senders(options_for(kafka, narrow))
        outcomes = await sender.send([fits, over])
        assert [Delivered, Refused] == [type(it) for it in outcomes]

    async def test_our_own_limit_holds_below_the_topic_s(
        self, kafka: Kafka, topic: str, senders: Senders
    ) -> None:
        options = dataclasses.replace(options_for(kafka, topic), record_bytes_max=3000)
        sender = senders(options)
        outcomes = await sender.send([parcel(1), parcel(2, output=noise(3000))])
        assert [Delivered, Refused] == [type(it) for it in outcomes]

    async def test_a_batch_never_outgrows_the_topic(
        self, kafka: Kafka, narrow: str, senders: Senders
    ) -> None:
        """Records that fit one by one arrive, however many there are."""
        await alter(kafka, narrow, 3000)
        sender = senders(options_for(kafka, narrow))
        sent = [parcel(number, output=noise(900)) for number in range(1, 101)]
        outcomes = await sender.send(sent)
        assert {Delivered} == {type(outcome) for outcome in outcomes}
        assert len(await read_topic(kafka, narrow)) == 100

    async def test_a_limit_lowered_later_is_learned(
        self, sender: KafkaSender, kafka: Kafka, narrow: str, senders: Senders
    ) -> None:
        """The broker refuses a batch, the chunk fails, and the next producer knows better."""
        sender = senders(options_for(kafka, narrow))
        await learn_limit(sender)
        await alter(kafka, narrow, 3000)
        sent = [parcel(1), parcel(2, output=noise(9000)), parcel(3)]
        outcomes = await sender.send(sent)
        assert {Failed} == {type(outcome) for outcome in outcomes}
        outcomes = await sender.send(sent)
        assert [Delivered, Refused, Delivered] == [type(it) for it in outcomes]

    async def test_a_record_refused_alone_is_the_culprit(
        self, kafka: Kafka, narrow: str, senders: Senders
    ) -> None:
        """Where the limit may not be read, the probe of the oldest one finds out."""
        sender = senders(options_for(kafka, narrow))
        await learn_limit(sender)
        await alter(kafka, narrow, 3000)
        outcome = first(await sender.send([parcel(2, output=noise(9000))]))
        assert isinstance(outcome, Refused)
        assert outcome.reason == "too_large"


class TestTopic:
    async def test_an_unknown_topic_is_said_so_at_once(
        self, kafka: Kafka, senders: Senders
    ) -> None:
        sender = senders(options_for(kafka, "nowhere"))
        async with asyncio.timeout(5):
            outcome = first(await sender.send([parcel()]))
        assert isinstance(outcome, Failed)
        assert outcome.reason == "unknown_topic"
        assert outcome.fault is Fault.DESTINATION
        assert outcome.detail == 'topic "nowhere" does not exist'

    async def test_a_topic_made_later_is_found(
        self, kafka: Kafka, senders: Senders
    ) -> None:
        sender = senders(options_for(kafka, "later"))
        await sender.send([parcel()])
        await kafka.broker.create_topic("later")
        assert isinstance(first(await sender.send([parcel()])), Delivered)


def test_it_works_on_uvloop_too(kafka: Kafka) -> None:
    """The loop that the relay runs on; ending a producer touches transports."""

    async def deliver() -> list[Outcome]:
        await kafka.broker.create_topic("uvloop")
        sender = KafkaSender(options=options_for(kafka, "uvloop"))
        outcomes = [*await sender.send(parcels(3))]
        await sender.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return outcomes

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcomes = runner.run(deliver())
    assert [Delivered] * 3 == [type(outcome) for outcome in outcomes]
