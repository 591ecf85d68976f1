"""The courier: every delivery is tried until it is settled, in order per run, and nothing is in its way."""

from typing import Any

import pytest

from relay.core.delivery import Delivered, Outcome, Refused, State
from relay.core.identity import Outcome as RunOutcome
from relay.core.ports import Parcel, Wish
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

# --- what comes in --------------------------------------------------------------------------------


async def test_a_fresh_event_goes_out_without_a_claim(bench: Bench) -> None:
    bench.employ()
    bench.start()
    await bench.looked()
    for number, run in enumerate(names(8), start=1):
        await record(bench, run)
        await settled(bench, number)
        assert await bench.asks_nothing()
    assert await bench.at(State.DELIVERED) == names(8)
    assert bench.outbox.claims == 0


async def test_what_waits_in_the_store_is_claimed(bench: Bench) -> None:
    await record(bench, *names(5))
    bench.employ()
    bench.start()
    await settled(bench, 5)
    assert sorted(bench.sender.runs) == names(5)


@pytest.mark.parametrize("ready_max", [1, 2, 7])
async def test_a_backlog_larger_than_memory_is_worked_off_to_its_end(
    ready_max: int, bench: Bench
) -> None:
    await record(bench, *names(50))
    courier = bench.employ(ready_max=ready_max)
    bench.start()
    await settled(bench, 50)
    assert sorted(bench.sender.runs) == names(50)
    assert courier.room == ready_max


@pytest.mark.parametrize("ready_bytes", [1, 500, 2000])
async def test_a_backlog_of_more_bytes_than_memory_is_worked_off_to_its_end(
    ready_bytes: int, bench: Bench
) -> None:
    await record(bench, *names(30))
    courier = bench.employ(ready_bytes=ready_bytes)
    bench.start()
    await settled(bench, 30)
    assert sorted(bench.sender.runs) == names(30)
    assert courier.room > 0


async def test_what_is_held_in_memory_is_bounded_in_bytes_too(bench: Bench) -> None:
    bench.sender = ScriptedSender(bench.watch, concurrency=1)
    bench.sender.hold()
    courier = bench.employ(ready_bytes=1000)
    bench.start()
    await bench.looked()
    for run in names(20):
        await record(bench, run)
    held = sum(parcel.size for parcel in bench.handover.handed)
    assert courier.room == 0
    assert 1000 <= held < 1000 + max(parcel.size for parcel in bench.handover.handed)


async def test_no_more_is_held_in_memory_than_allowed(bench: Bench) -> None:
    bench.sender = ScriptedSender(bench.watch, concurrency=1)
    bench.sender.hold()
    courier = bench.employ(ready_max=4)
    bench.start()
    await bench.looked()
    for run in names(10):
        await record(bench, run)
    assert courier.room == 0
    leased = [found.run for found in await bench.to_orders() if found.leased]
    assert leased == names(5)  # one is being tried
    bench.sender.let_go()
    await settled(bench, 10)
    assert bench.sender.runs == names(10)


async def test_with_no_room_left_the_store_is_not_asked(bench: Bench) -> None:
    bench.sender = ScriptedSender(bench.watch, concurrency=1)
    bench.sender.hold()
    await record(bench, *names(4))
    courier = bench.employ(ready_max=1)
    bench.start()
    await bench.watch.until(
        lambda: bench.sender.under_way == 1 and bench.outbox.claims >= 2
    )
    assert courier.room == 0
    assert await bench.asks_nothing()


async def test_who_was_waited_for_and_has_gone_is_not_looked_for_with_every_write(
    bench: Bench,
) -> None:
    """As where another relay takes the later event of a run that stood behind an earlier one here."""

    async def elsewhere() -> None:
        wish = Wish(first=1, size=1, now=bench.clock.now_us(), ordered=False)
        assert len(await bench.store.claim(NAME, wish)) == 1

    await record(bench, "run_1")
    await elsewhere()
    await bench.revise("run_1", RunOutcome.FAILED, to=[NAME])
    bench.clock.advance(seconds=1)
    bench.employ()
    bench.start()
    await bench.looked()
    await elsewhere()
    # The first write still wakes it.
    await record(bench, "run_2")
    await settled(bench, 1)
    await bench.looked()
    await record(bench, "run_3")
    await settled(bench, 2)
    assert await bench.asks_nothing()


# --- how it goes out ------------------------------------------------------------------------------


async def test_no_more_calls_run_at_once_than_the_sender_takes(bench: Bench) -> None:
    bench.sender = ScriptedSender(bench.watch, concurrency=3)
    bench.sender.hold()
    await record(bench, *names(10))
    bench.employ()
    bench.start()
    await bench.watch.until(lambda: bench.sender.under_way == 3)
    bench.sender.let_go()
    await settled(bench, 10)
    assert bench.sender.most_at_once == 3


async def test_a_call_carries_what_waits_up_to_its_size_in_order(bench: Bench) -> None:
    bench.sender = ScriptedSender(bench.watch, concurrency=1, batch=4)
    await record(bench, *names(10))
    bench.employ()
    bench.start()
    await settled(bench, 10)
    assert [len(call) for call in bench.sender.calls] == [4, 4, 2]
    assert bench.sender.runs == names(10)


async def test_a_run_s_events_go_out_in_order_and_hold_up_no_other_run(
    bench: Bench,
) -> None:
    await record(bench, "run_1")
    await bench.revise("run_1", RunOutcome.FAILED, to=[NAME])
    await record(bench, "run_2")
    bench.clock.advance(seconds=1)
    bench.sender.hold()
    bench.employ()
    bench.start()
    await bench.looked()
    first = [
        (p.letter.facts.key.id, p.letter.facts.revision) for p in bench.sender.sent
    ]
    assert sorted(first) == [("run_1", 1), ("run_2", 1)]
    bench.sender.let_go()
    # Nobody polls: the settlement of the first is what wakes the courier.
    await settled(bench, 3)
    last = bench.sender.sent[-1].letter.facts
    assert (last.key.id, last.revision) == ("run_1", 2)


async def test_a_stuck_event_keeps_the_later_one_of_its_run_back(bench: Bench) -> None:
    await record(bench, "run_1")
    await bench.revise("run_1", RunOutcome.FAILED, to=[NAME])
    bench.sender.answer = refusing("run_1", with_=NO)
    bench.employ()
    bench.start()
    await settled(bench, 1)
    bench.courier.hint()
    await bench.looked()
    assert [p.letter.facts.revision for p in bench.sender.sent] == [1]


# --- what fails -----------------------------------------------------------------------------------


async def test_a_failed_try_waits_in_the_store_until_it_is_due(bench: Bench) -> None:
    bench.sender.answer = refusing("run_1", with_=NO)
    bench.employ()
    bench.start()
    await bench.looked()
    await record(bench, "run_1")
    await settled(bench, 1)
    [row] = await bench.to_orders()
    assert (row.attempts, row.leased, row.reason) == (1, False, "status_400")
    assert row.due_at == bench.clock.now_us() + 5_000_000
    bench.clock.advance(seconds=4.9)
    bench.courier.hint()
    await bench.looked()
    assert len(bench.sender.calls) == 1
    bench.clock.advance(seconds=0.1)
    bench.courier.hint()
    await settled(bench, 2)
    assert len(bench.sender.calls) == 2


async def test_a_retry_survives_the_process_and_carries_the_same_bytes(
    bench: Bench,
) -> None:
    bench.sender.answer = refusing("run_1", with_=NO)
    bench.employ()
    bench.start()
    await record(bench, "run_1")
    await settled(bench, 1)
    await bench.dismiss()
    await bench.reopen()
    bench.clock.advance(seconds=5)
    bench.sender.answer = refusing(with_=NO)
    bench.employ()
    bench.start()
    await settled(bench, 2)
    before, after = bench.sender.sent
    assert after.attempts == 1
    assert before.letter.event.structured == after.letter.event.structured
    assert await bench.at(State.DELIVERED) == ["run_1"]
    await bench.audit()


async def test_what_was_tried_when_the_process_died_is_tried_again(
    bench: Bench,
) -> None:
    bench.sender.hold()
    bench.employ()
    bench.start()
    await record(bench, "run_1")
    await bench.watch.until(lambda: bench.sender.under_way == 1)
    await bench.dismiss()
    await bench.reopen()
    bench.sender.let_go()
    bench.employ()
    bench.start()
    await settled(bench, 1)
    before, after = bench.sender.sent
    assert before.letter.event.id == after.letter.event.id
    assert after.attempts == 0


async def test_what_can_never_be_delivered_is_dead_with_its_reason(
    bench: Bench,
) -> None:
    bench.sender.answer = lambda _: Refused(reason="too_large")
    bench.employ()
    bench.start()
    await record(bench, "run_1")
    await settled(bench, 1)
    [row] = await bench.to_orders()
    assert (row.state, row.reason) == (State.DEAD, "too_large")


async def test_a_sender_that_crashes_stops_nobody(
    bench: Bench, said: list[Any]
) -> None:
    def answer(parcel: Parcel) -> Outcome:
        if parcel.letter.facts.key.id == "run_001":
            raise RuntimeError("a bug")
        return Delivered()

    bench.sender.answer = answer
    bench.employ()
    bench.start()
    await record(bench, *names(4))
    await settled(bench, 4)
    assert await bench.at(State.PENDING) == ["run_001"]
    assert await bench.at(State.DELIVERED) == ["run_000", "run_002", "run_003"]
    assert "sender.crashed" in [line["event"] for line in said]
