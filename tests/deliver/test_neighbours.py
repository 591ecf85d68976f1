"""Who fails, and who has much to deliver, keeps nobody else waiting."""

import asyncio
from random import Random

import pytest
from msgspec import structs

from relay.core.delivery import Delivered, Failed, Fault, Outcome, Queue, State
from relay.core.gate import GatePolicy
from relay.core.identity import Outcome as RunOutcome
from relay.core.ports import Parcel
from relay.deliver import ready as memory
from relay.deliver.ready import Ready
from relay.deliver.slots import Slots
from tests.builders import any_callback, any_facts, any_parcel, reading_of
from tests.deliver.couriers import (
    NAME,
    NO,
    Bench,
    ScriptedSender,
    names,
    record,
    refusing,
    settled,
)
from tests.simulator.loop import VirtualLoop

TIMEOUT = Failed(reason="timeout", fault=Fault.DESTINATION)
GONE = Failed(reason="gone", fault=Fault.GONE, status=410)
#: However seldom anything comes, two faults are enough.
QUIET = GatePolicy(faults_to_open=2, probe_first_s=3600.0, probe_last_s=3600.0)


def failed(bench: Bench, run: str) -> int:
    return sum(
        one.parcel.letter.facts.key.id == run and isinstance(one.outcome, Failed)
        for one in bench.outbox.settled
    )


async def _failed_before(bench: Bench, *runs: str) -> None:
    """These have failed once, and are due."""
    bench.sender.answer = lambda _: NO
    bench.employ()
    bench.start()
    await bench.looked()
    await record(bench, *runs)
    await settled(bench, len(runs))
    await bench.finished()
    bench.clock.advance(seconds=60)


async def test_what_has_failed_before_leaves_half_of_the_slots_to_others(
    bench: Bench,
) -> None:
    await _failed_before(bench, *names(8))
    bench.sender = ScriptedSender(bench.watch, concurrency=4)
    bench.sender.hold()
    bench.employ()
    bench.start()
    await bench.watch.until(lambda: bench.sender.under_way == 2)
    await bench.looked()
    await record(bench, "fresh_1", "fresh_2", "fresh_3")
    await bench.watch.until(lambda: bench.sender.under_way == 4)
    assert bench.sender.runs[2:] == ["fresh_1", "fresh_2"]
    bench.sender.let_go()
    await settled(bench, 8 + 8 + 3)


@pytest.mark.parametrize("ready_max", [1, 3, 7])
async def test_what_has_failed_before_does_not_wait_for_a_poll_where_few_fit_in_memory(
    ready_max: int, bench: Bench
) -> None:
    """Room for the next of them comes while the store is asked for fresh ones alone."""
    await _failed_before(bench, *names(9))
    bench.sender = ScriptedSender(bench.watch, concurrency=1)
    bench.employ(ready_max=ready_max)
    bench.start()
    await settled(bench, 9 + 9)
    assert await bench.at(State.DELIVERED) == names(9)


async def test_a_run_that_always_times_out_holds_up_no_fresh_event(
    bench: Bench,
) -> None:
    """It alone makes the destination look down, and is probed; who is new need not wait for that."""
    bench.sender.answer = refusing("stuck", with_=TIMEOUT)
    bench.employ(gate=QUIET)
    bench.start()
    await bench.looked()
    await record(bench, "stuck")
    await bench.watch.until(lambda: failed(bench, "stuck") == 1)
    bench.clock.advance(seconds=60)
    bench.courier.hint()
    await bench.watch.until(lambda: bench.courier.gate.open)
    await record(bench, "fresh")
    await bench.watch.until(lambda: "fresh" in bench.sender.runs)
    await bench.watch.until(lambda: not bench.courier.gate.open)
    await bench.finished()
    assert await bench.at(State.DELIVERED) == ["fresh"]


async def test_a_fresh_event_is_tried_also_while_a_probe_hangs(bench: Bench) -> None:
    bench.sender.answer = refusing("stuck", with_=TIMEOUT)
    bench.employ(
        gate=GatePolicy(faults_to_open=2, probe_first_s=0.01, probe_last_s=0.01)
    )
    bench.start()
    await bench.looked()
    await record(bench, "stuck")
    await bench.watch.until(lambda: failed(bench, "stuck") == 1)
    bench.clock.advance(seconds=60)
    bench.courier.hint()
    await bench.watch.until(lambda: bench.courier.gate.open)
    bench.sender.hold()
    await bench.watch.until(lambda: bench.sender.under_way == 1)
    await record(bench, "fresh")
    await bench.watch.until(lambda: bench.sender.under_way == 2)
    assert bench.sender.runs[-1] == "fresh"
    bench.sender.let_go()
    await bench.watch.until(lambda: not bench.courier.gate.open)


async def test_a_destination_that_says_it_is_gone_is_told_of_and_loses_nothing(
    bench: Bench,
) -> None:
    """Its delivery waits and has taken no step."""
    bench.sender.answer = lambda _: GONE
    bench.employ(gate=QUIET)
    bench.start()
    await bench.looked()
    await record(bench, "run_1")
    await settled(bench, 1)
    [row] = await bench.to_orders()
    assert (row.state, row.attempts, row.reason) == (State.PENDING, 0, "gone")
    assert (bench.told, bench.courier.gate.open) == ([GONE], True)
    assert bench.metrics.gauges["runflow_relay_destination_up", NAME] == 0


async def test_where_order_is_not_wanted_a_stuck_event_keeps_no_later_one_back(
    bench: Bench,
) -> None:
    def answer(parcel: Parcel) -> Outcome:
        return NO if parcel.letter.facts.revision == 1 else Delivered()

    await record(bench, "run_1")
    await bench.revise("run_1", RunOutcome.FAILED, to=[NAME])
    bench.clock.advance(seconds=1)
    bench.sender.answer = answer
    bench.employ(ordered=False)
    bench.start()
    await settled(bench, 2)
    rows = await bench.to_orders()
    assert [row.state for row in rows] == [State.PENDING, State.DELIVERED]


async def test_a_source_that_has_filled_the_memory_leaves_room_for_others(
    bench: Bench,
) -> None:
    """Their event is the next but for what is being tried."""
    bench.sender = ScriptedSender(bench.watch, concurrency=1)
    bench.sender.hold()
    courier = bench.employ(ready_max=16)
    bench.start()
    await bench.looked()
    for run in names(40):
        await record(bench, run)
    assert courier.room == 0
    await bench.watch.until(lambda: bench.sender.under_way == 1)
    await record(bench, "other", source="other")
    async with asyncio.timeout(10):
        while not (await bench.to_orders())[-1].leased:
            await bench.store.register(())
    # Commits are answered one by one: by the next of them the claim was.
    await bench.store.register(())
    bench.sender.let_go()
    await settled(bench, 41)
    assert bench.sender.runs.index("other") <= 2


# --- who is next, and when ------------------------------------------------------------------------


def parcel(
    number: int, *, source: str = "acme", queue: Queue = Queue.FIRST, size: int = 0
) -> Parcel:
    reading = reading_of(any_callback(run_id=f"run_{number}"), source=source)
    found = any_parcel(any_facts(reading), number=number)
    return structs.replace(found, queue=queue, size=size)


def a_ready(prepared: list[list[int]], *, most: int = 64) -> Ready:
    return Ready(
        most=most,
        bytes_most=1000,
        prepare=lambda parcels: prepared.append([one.number for one in parcels]),
    )


def test_each_source_has_its_turn() -> None:
    ready = a_ready([])
    for number in range(6):
        ready.add(parcel(number))
    ready.add(parcel(10, source="b"))
    ready.add(parcel(20, source="c"))
    ready.add(parcel(21, source="c"))
    found = [ready.take(Queue.FIRST, 1)[0].number for _ in range(9)]
    assert found == [0, 10, 20, 1, 21, 2, 3, 4, 5]


def test_who_has_nothing_here_has_room_as_long_as_there_are_bytes() -> None:
    """What is being tried holds its bytes as well."""
    ready = a_ready([])
    ready.add(parcel(1, size=999))
    assert ready.room_for_newcomers == 63
    ready.add(parcel(2, size=1))
    ready.take(Queue.FIRST, 2)
    assert ready.room_for_newcomers == 0


def test_small_ones_are_prepared_together_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "AHEAD", 3)
    monkeypatch.setattr(memory, "AHEAD_BYTES", 100)
    prepared: list[list[int]] = []
    ready = a_ready(prepared)
    for number, size in enumerate((1, 1, 1, 1, 90, 90)):
        ready.add(parcel(number, size=size))
    for _ in range(6):
        ready.take(Queue.FIRST, 1)
    assert prepared == [[0, 1, 2], [3, 4], [5]]


def test_what_comes_in_between_is_prepared_when_it_is_its_turn() -> None:
    prepared: list[list[int]] = []
    ready = a_ready(prepared)
    for number in range(4):
        ready.add(parcel(number))
    ready.take(Queue.FIRST, 1)
    ready.add(parcel(10, source="b"))
    found = [ready.take(Queue.FIRST, 1)[0].number for _ in range(4)]
    assert found == [1, 10, 2, 3]
    assert prepared == [[0, 1, 2, 3], [10, 2, 3]]


def test_bytes_that_are_tried_count_until_they_are_let_go() -> None:
    ready = a_ready([])
    ready.add(parcel(1, size=600))
    [taken] = ready.take(Queue.FIRST, 1)
    assert (ready.bytes_left, ready.is_heavy, ready.wants(Queue.FIRST)) == (400, True, 0)  # fmt: skip
    ready.let_go(taken)
    assert (ready.bytes_left, ready.wants(Queue.FIRST)) == (1000, 56)


def test_what_has_failed_before_may_fill_a_quarter_of_the_memory() -> None:
    ready = a_ready([])
    assert [ready.wants(queue) for queue in Queue] == [56, 16]
    for number in range(12):
        ready.add(parcel(number, queue=Queue.AGAIN))
    assert [ready.wants(queue) for queue in Queue] == [44, 0]
    assert [ready.is_half_empty(queue) for queue in Queue] == [True, False]


def test_a_rate_is_kept_and_no_turn_is_lost() -> None:
    """As many calls as the rate allows, whoever waits for them."""
    loop = VirtualLoop(Random(1), shuffled=False)
    began: list[float] = []

    async def work(slots: Slots, ready: Ready) -> None:
        while len(ready):
            queue = slots.next()
            if queue is None:
                await slots.wait()
                continue
            ready.take(queue, 1)
            slots.wake()
            began.append(loop.time())
            slots.ended(queue, began=loop.time(), now=loop.time(), strained=False)
        slots.wake_all()

    async def everyone() -> None:
        ready = a_ready([])
        for number in range(50):
            ready.add(parcel(number))
        slots = Slots(ready, most=8, rate=10.0)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(8):
                tasks.create_task(work(slots, ready))

    loop.run_until_complete(everyone())
    loop.close()
    assert len(began) == 50
    for first, later in zip(began, began[10:], strict=False):
        assert later - first >= 0.89
    assert began[-1] == pytest.approx(4.8, abs=0.1)


@pytest.mark.parametrize(
    "first,again,taken",
    [
        (9, 9, "FAFAFA"),
        (9, 1, "FAFFFF"),
        (9, 0, "FFFFFF"),
        (0, 9, "AAA"),
        (1, 9, "FAAA"),
    ],
)
def test_who_has_failed_before_has_every_other_turn_and_half_of_the_slots(
    first: int, again: int, taken: str
) -> None:
    ready = a_ready([])
    for number in range(first):
        ready.add(parcel(number))
    for number in range(again):
        ready.add(parcel(100 + number, queue=Queue.AGAIN))
    slots = Slots(ready, most=6, rate=None)
    found = []
    while (queue := slots.next()) is not None:
        ready.take(queue, 1)
        found.append(queue.name[0])
    assert "".join(found) == taken
