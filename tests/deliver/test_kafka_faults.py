"""The Kafka sender when its broker dies, hangs or is not there: nothing lost, nothing left behind."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.conn import AIOKafkaConnection
from aiokafka.structs import ConsumerRecord

from relay.core.delivery import Delivered, Failed, Fault, Outcome, Released
from relay.core.ports import Parcel
from relay.deliver.kafka import KafkaSender
from relay.deliver.kafka_cut import Leash, farewell
from tests.deliver.conformance import first, parcel, parcels
from tests.deliver.kafka_sending import (
    Senders,
    alter,
    noise,
    options_for,
    revision_of,
    run_and_revision,
)
from tests.kafka_fixtures import Kafka, read_topic

pytestmark = pytest.mark.kafka

#: Long enough for a healthy broker on a busy machine, short enough to wait for.
LIMIT_S = 2.5
#: What cutting may take on top, with room for a busy machine.
GRACE_S = 1.5


@pytest.fixture
def sender(kafka: Kafka, topic: str, senders: Senders) -> KafkaSender:
    return senders(options_for(kafka, topic, limit_s=LIMIT_S))


def failed(outcomes: Sequence[Outcome]) -> Failed:
    outcome = first(outcomes)
    assert isinstance(outcome, Failed)
    assert outcome.fault is Fault.DESTINATION
    return outcome


def now() -> float:
    """Seconds, as the limits of the sender have them."""
    return asyncio.get_running_loop().time()


def others() -> set[asyncio.Task[object]]:
    """Tasks beside the test's own."""
    return asyncio.all_tasks() - {asyncio.current_task()}


async def left_over() -> set[asyncio.Task[object]]:
    """Those that do not end when they are cancelled."""
    if tasks := others():
        await asyncio.wait(tasks, timeout=0.1)
    return others()


class Stream:
    """Keeps sending what is left, oldest first, as the worker does."""

    def __init__(self, sender: KafkaSender, parcels: Sequence[Parcel]) -> None:
        self.setbacks = 0
        self.under_way = asyncio.Event()
        self.broker_is_back = asyncio.Event()
        self._sender = sender
        self._left = list(parcels)
        self._third = len(parcels) // 3

    async def run(self) -> None:
        while self._left:
            chunk = self._left[: self._sender.batch]
            outcomes = await self._sender.send(chunk)
            pairs = list(zip(chunk, outcomes, strict=True))
            again = [it for it, outcome in pairs if not isinstance(outcome, Delivered)]
            self._left[: len(chunk)] = again
            if len(self._left) < 2 * self._third:
                self.under_way.set()
            if again:
                self.setbacks += 1
                await self.broker_is_back.wait()


def first_occurrences(
    records: Sequence[ConsumerRecord],
) -> dict[bytes | None, list[int]]:
    """The revisions of each run, in the order in which they first came."""
    seen: dict[bytes | None, list[int]] = defaultdict(list)
    for record in sorted(records, key=lambda it: (it.partition, it.offset)):
        key, revision = run_and_revision(record)
        if revision not in seen[key]:
            seen[key].append(revision)
    return seen


class TestDead:
    # Starting a broker takes seconds, on a busy machine many.
    @pytest.mark.timeout(90)
    async def test_a_broker_killed_under_way_costs_nothing(
        self, sender: KafkaSender, kafka: Kafka, topic: str
    ) -> None:
        """Each event is there, each run in order; what came twice carries the same id."""
        runs, revisions = 50, 200
        sent = [
            revision_of(run, revision)
            for revision in range(1, revisions + 1)
            for run in range(runs)
        ]
        stream = Stream(sender, sent)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stream.run())
            await stream.under_way.wait()
            await asyncio.to_thread(kafka.broker.kill)
            await asyncio.to_thread(kafka.broker.start)
            stream.broker_is_back.set()
        records = await read_topic(kafka, topic)
        assert stream.setbacks > 0
        arrived = {dict(record.headers)["ce_id"].decode() for record in records}
        assert {str(it.letter.event.id) for it in sent} == arrived
        seen = first_occurrences(records)
        assert len(seen) == runs
        assert {tuple(range(1, revisions + 1))} == {tuple(it) for it in seen.values()}

    async def test_with_nothing_there_it_fails_at_once(
        self, sender: KafkaSender, kafka: Kafka
    ) -> None:
        kafka.broker.kill()
        started = now()
        outcome = failed(await sender.send([parcel()]))
        assert outcome.reason == "connect"
        place = kafka.broker.bootstrap_servers
        assert outcome.detail == f"cannot connect to {place} (Connection refused)"
        assert now() - started < LIMIT_S
        assert others() == set()

    async def test_closing_does_not_wait_for_a_broker_that_is_gone(
        self, sender: KafkaSender, kafka: Kafka
    ) -> None:
        await sender.send([parcel()])
        kafka.broker.kill()
        started = now()
        await sender.close()
        assert now() - started < GRACE_S
        assert others() == set()


class TestHung:
    async def test_it_is_given_up_within_the_limit(
        self, sender: KafkaSender, kafka: Kafka
    ) -> None:
        """And nothing is left of the producer that could still send."""
        await sender.send([parcel(1)])
        kafka.broker.pause()
        started = now()
        outcome = failed(await sender.send([parcel(2)]))
        assert outcome.reason == "timeout"
        assert LIMIT_S <= now() - started < LIMIT_S + GRACE_S
        assert others() == set()

    async def test_the_next_try_after_it_woke_up_works(
        self, sender: KafkaSender, kafka: Kafka, topic: str
    ) -> None:
        """What hung in a connection may still come; it carries the same id."""
        await sender.send([parcel(1)])
        kafka.broker.pause()
        failed(await sender.send([parcel(2)]))
        kafka.broker.resume()
        await kafka.broker.serving()
        assert isinstance(first(await sender.send([parcel(2)])), Delivered)
        keys = {record.key for record in await read_topic(kafka, topic)}
        assert keys == {b"run_00001", b"run_00002"}

    async def test_a_producer_that_cannot_start_is_given_up_too(
        self, sender: KafkaSender, kafka: Kafka
    ) -> None:
        kafka.broker.pause()
        started = now()
        failed(await sender.send([parcel()]))
        assert now() - started < LIMIT_S + GRACE_S
        assert await left_over() == set()

    @pytest.mark.parametrize("nth", [1, 3], ids=["survey", "producer"])
    async def test_one_that_hangs_in_the_middle_of_a_start_is_left_for_good(
        self,
        nth: int,
        kafka: Kafka,
        topic: str,
        senders: Senders,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Also by the connection that has only been asked where the cluster is."""
        sender = senders(options_for(kafka, topic, limit_s=1.0))
        send, asked = AIOKafkaConnection.send, itertools.count(1)

        def hanging(
            connection: AIOKafkaConnection, request: object, **how: bool
        ) -> object:
            if type(request).__name__ == "MetadataRequest" and next(asked) == nth:
                kafka.broker.pause()
            return send(connection, request, **how)

        monkeypatch.setattr(AIOKafkaConnection, "send", hanging)
        failed(await sender.send([parcel()]))
        assert await left_over() == set()

    async def test_half_a_request_is_never_finished(
        self, kafka: Kafka, narrow: str, senders: Senders
    ) -> None:
        """More than the sockets hold: the rest must not go out when the broker wakes up."""
        await alter(kafka, narrow, 16_000_000)
        sender = senders(options_for(kafka, narrow, limit_s=LIMIT_S))
        await sender.send([parcel(1)])
        kafka.broker.pause()
        failed(await sender.send([parcel(2, output=noise(15_000_000))]))
        kafka.broker.resume()
        await kafka.broker.serving()
        await sender.send([parcel(3)])
        keys = [record.key for record in await read_topic(kafka, narrow)]
        assert keys == [b"run_00001", b"run_00003"]

    async def test_closing_does_not_wait_for_it(
        self, kafka: Kafka, topic: str, senders: Senders
    ) -> None:
        """A try under way ends as released: nobody knows, so nobody says."""
        options = options_for(kafka, topic, limit_s=LIMIT_S)
        # Small batches: it waits for room, not only for answers.
        sender = senders(replace(options, batch_bytes=4096))
        await sender.send([parcel(1)])
        kafka.broker.pause()
        started = now()
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(sender.send(parcels(400)))
            assert not (await asyncio.wait([sending], timeout=0.1))[0]
            await sender.close()
        assert now() - started < GRACE_S
        assert {Released()} == set(sending.result())
        assert others() == set()

    async def test_a_cancelled_try_leaves_nothing_behind(
        self, sender: KafkaSender, kafka: Kafka
    ) -> None:
        await sender.send([parcel(1)])
        kafka.broker.pause()
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(sender.send(parcels(400)))
            assert not (await asyncio.wait([sending], timeout=0.1))[0]
            sending.cancel()
        assert await left_over() == set()


async def test_a_request_not_begun_does_not_begin_after_the_cut(kafka: Kafka) -> None:
    """It would connect anew, and send what was given up."""
    servers = kafka.broker.bootstrap_servers
    producer = AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True)
    leash = Leash(producer)
    await producer.start()
    await farewell(leash.cut())
    await producer._sender._send_produce_req(1, {})
    assert not any(it.connected() for it in producer.client._conns.values())
    assert others() == set()
