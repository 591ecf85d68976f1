"""Whoever works at orders to send again: one faulty order stops no other, and who has no room is not pressed."""

import pytest

from relay.core.delivery import Failed, Fault
from relay.core.replay import UNTRIED_MAX, Selection
from relay.core.route import nowhere
from relay.record import replaying
from relay.record.replaying import POLL_S, ROOM_S, Replayer
from tests.fakes import NOW_US, FakeClock
from tests.record.receipts import EVERYWHERE
from tests.record.replaying import counts_of, die, order
from tests.record.sqlite_harness import SqliteHarness

NOT_NOW = Failed(reason="status_400", fault=Fault.EVENT, detail="no")


@pytest.fixture
def replayer(opened: SqliteHarness) -> Replayer:
    return Replayer(opened.store, router=lambda: EVERYWHERE, clock=opened.clock)


async def test_a_faulty_order_holds_back_no_other(
    opened: SqliteHarness, replayer: Replayer
) -> None:
    """It is tried again and again, and the others are worked at in between."""
    await die(opened, "run_1")
    faulty = await order(opened, Selection(outcome="of another version"))
    opened.clock.advance(seconds=1)
    healthy = await order(opened)
    for _ in range(2):
        assert await replayer._work() == 0.0
    rows = await opened.rows("SELECT number, created FROM replays ORDER BY number")
    assert rows == [(faulty, 0), (healthy, 1)]
    assert 0 < await replayer._work() <= POLL_S


async def test_who_has_no_room_is_looked_at_more_and_more_seldom(
    opened: SqliteHarness, replayer: Replayer
) -> None:
    """A destination may be held for days. Once there is room, it is looked at soon again."""
    await die(opened, *(f"run_{n}" for n in range(UNTRIED_MAX + 1)))
    await order(opened)
    while (await opened.store.next_resend(EVERYWHERE))[0] is not None:
        await replayer._work()
        opened.clock.advance(seconds=1)
    waits = [await replayer._work() for _ in range(8)]
    assert waits[:2] == [ROOM_S, 2 * ROOM_S]
    assert waits[-2:] == [POLL_S, POLL_S]
    [parcel, *_] = await opened.claim()
    await opened.settle(parcel, outcome=NOT_NOW)
    await replayer._work()
    assert (await counts_of(opened))[0] == UNTRIED_MAX + 1
    assert replayer._room_s == ROOM_S


async def test_an_order_that_a_clock_has_put_off_goes_on_when_its_destination_is_back(
    opened: SqliteHarness,
) -> None:
    """It was out of the configuration when the clock was put right, and no order ran."""
    there = [EVERYWHERE]
    replayer = Replayer(opened.store, router=lambda: there[0], clock=opened.clock)
    await die(opened, "run_1")
    opened.clock.advance(seconds=86_400)
    await order(opened)
    there[0] = nowhere()
    assert await replayer._work() == POLL_S
    opened.clock.advance(seconds=-86_400)
    assert await replayer._work() == POLL_S
    there[0] = EVERYWHERE
    await replayer._work()
    assert (await counts_of(opened))[0] == 1


async def test_a_step_of_another_relay_whose_clock_is_ahead_is_left_to_it(
    opened: SqliteHarness,
) -> None:
    """Two that took each other's steps for mistakes would know no rate."""
    clocks = FakeClock(), FakeClock(NOW_US + 60_000_000)
    relays = [
        (Replayer(opened.store, router=lambda: EVERYWHERE, clock=clock), clock)
        for clock in clocks
    ]

    async def work() -> int:
        for relay, clock in relays:
            opened.clock.time_us = clock.time_us
            await relay._work()
        return (await counts_of(opened))[0]

    await die(opened, *(f"run_{number}" for number in range(9)))
    await order(opened, rate=1)
    made = await work()
    assert [await work() for _ in range(5)] == [made] * 5


async def test_an_order_of_a_moment_in_which_the_clock_was_ahead_is_due(
    opened: SqliteHarness, replayer: Replayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has looked meanwhile, and so nobody has seen the clock jump."""
    monkeypatch.setattr(replaying, "ASTRAY_S", 0.0)
    await die(opened, "run_1", "run_2")
    await order(opened)
    await replayer._work()
    opened.clock.advance(seconds=86_400)
    await order(opened, Selection(what="delivered"))
    opened.clock.advance(seconds=-86_400)
    assert await replayer._work() < POLL_S
    rows = await opened.rows("SELECT COUNT(*) FROM replays WHERE state = 0")
    assert rows == [(0,)]
