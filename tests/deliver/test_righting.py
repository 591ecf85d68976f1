"""A wall clock that ran ahead and was put right strands nothing: by a courier over a real store."""

import pytest

from relay.core.delivery import Delivered, Failed, Fault, Policy, State
from relay.deliver import righting
from tests.deliver.couriers import NAME, NO, Bench, names, record, settled
from tests.fakes import NOW_US
from tests.record.receipts import callback, routed

DAY_S = 86_400
DAY_US = DAY_S * 1_000_000
#: Asked to wait for longer than is obeyed.
BUSY = Failed(
    reason="status_503", fault=Fault.EVENT, status=503, retry_after_us=9 * DAY_US
)
TO_ORDERS = "SELECT due_at FROM deliveries WHERE state = 0"


async def test_what_came_in_while_the_clock_was_ahead_is_sent_when_it_was_put_right(
    bench: Bench,
) -> None:
    """By a courier that works all along, and was not told to."""
    bench.employ()
    bench.courier.hold(held=True)
    bench.start()
    bench.clock.advance(seconds=DAY_S)
    await record(bench, *names(3))
    bench.clock.advance(seconds=-DAY_S)
    bench.courier.hold(held=False)
    await settled(bench, 3)
    assert await bench.at(State.DELIVERED) == names(3)


@pytest.mark.parametrize("failed", [NO, BUSY])
async def test_what_failed_while_the_clock_was_ahead_is_tried_when_it_was_put_right(
    bench: Bench, failed: Failed
) -> None:
    bench.employ(policy=Policy(ladder=(0, 3_600_000_000)))
    bench.sender.answer = lambda _: failed
    bench.start()
    bench.clock.advance(seconds=DAY_S)
    await record(bench, "run_1")
    await settled(bench, 1)
    bench.sender.answer = lambda _: Delivered(status=204)
    bench.clock.advance(seconds=-DAY_S)
    bench.courier.hint()
    await settled(bench, 2)
    assert await bench.at(State.DELIVERED) == ["run_1"]


async def test_what_a_clock_that_was_ahead_left_behind_is_sent_at_the_start(
    bench: Bench,
) -> None:
    """More than one part of it, and nothing that it leaves is in the way of what comes."""
    bench.clock.advance(seconds=DAY_S)
    await record(bench, *names(600))
    bench.clock.advance(seconds=-DAY_S)
    bench.employ(ready_max=1000)
    bench.start()
    await settled(bench, 600)
    assert len(bench.outbox.amended) == 600
    assert {one.step.due_at for one in bench.outbox.amended} == {NOW_US}


@pytest.mark.parametrize("missed", [0, 1])
async def test_what_was_on_its_way_into_the_store_when_the_clock_was_put_right_is_sent(
    missed: int, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looked when that was seen has found nothing, and looks once more; and again, for who waits long."""
    righter = bench.employ()._poller._righter
    bench.courier.hold(held=True)
    await righter.look()
    bench.clock.advance(seconds=DAY_S)
    await righter.look()
    stamped = callback("run_1", router=routed(NAME), at=bench.clock.now_us())
    bench.clock.advance(seconds=-DAY_S)
    assert len(righting.IN_FLIGHT_S) == 2
    monkeypatch.setattr(righting, "IN_FLIGHT_S", (0.0, 0.0))
    for _ in range(1 + missed):
        await righter.look()
    await bench.store.record([stamped])
    await righter.look()
    assert await bench.rows(TO_ORDERS) == [(NOW_US,)]


async def test_what_waits_for_its_step_goes_on_waiting(bench: Bench) -> None:
    """At a start, and when the clock is set back by less than the step is long."""
    bench.employ(policy=Policy(ladder=(0, 3_600_000_000)))
    bench.sender.answer = lambda _: NO
    bench.start()
    await record(bench, "run_1")
    await settled(bench, 1)
    await bench.finished()
    due = await bench.rows(TO_ORDERS)
    bench.employ(policy=Policy(ladder=(0, 3_600_000_000)))
    bench.start()
    await bench.looked()
    bench.clock.advance(seconds=60)
    bench.courier.hint()
    await bench.looked()
    assert (await bench.rows(TO_ORDERS), bench.outbox.amended) == (due, [])
