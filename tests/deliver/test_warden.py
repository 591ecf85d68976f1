"""Who is held gets nothing, from the moment that it is known; and who is beyond help is held."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from relay.core.delivery import HOUR, Delivered, Failed, Fault, Queue, State
from relay.core.errors import StoreBusyError, StoreFullError
from relay.core.health import HealthPolicy
from relay.deliver.warden import Warden
from tests.deliver.couriers import (
    BUSY,
    NAME,
    NO,
    Bench,
    names,
    record,
    refusing,
    settled,
)
from tests.record.holding_law import condition, hold, resume
from tests.record.receipts import callback
from tests.record.telling_law import heard, listening

GONE = Failed(reason="status_410", fault=Fault.GONE, status=410)


class _Guarded(Bench):
    """A courier that a warden watches."""

    def guard(self, *, brake: int | None = None, backlog: int = 1000) -> Warden:
        self.warden = Warden(
            self.store,
            self.dispatch,
            clock=self.clock,
            metrics=self.metrics,
            every_s=9,
            backlog=backlog,
        )
        self.warden.appoint({NAME: HealthPolicy(brake=brake)})
        self.employ()._told = self.warden.ear(NAME)
        return self.warden


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[_Guarded]:
    made = _Guarded(tmp_path)
    await made.open()
    yield made
    await made.vanish()


async def test_nothing_goes_to_who_is_held_and_all_of_it_when_that_ends(
    bench: _Guarded,
) -> None:
    warden = bench.guard()
    await hold(bench, NAME)
    await warden.look()
    bench.start()
    await record(bench, *names(3))
    assert bench.handover.handed == []
    assert await bench.at(State.PENDING) == names(3)
    assert bench.sender.calls == []
    assert bench.dispatch.degraded == [NAME]
    await resume(bench, NAME)
    await warden.look()
    await settled(bench, 3)
    assert bench.sender.runs == names(3)


async def test_what_waits_in_memory_is_given_back(bench: _Guarded) -> None:
    """Tries under way end, and what they came to is written."""
    warden = bench.guard()
    bench.sender.hold()
    bench.start()
    await record(bench, *names(8))
    await bench.watch.until(lambda: bench.sender.under_way == 4)
    await hold(bench, NAME)
    await warden.look()
    await bench.watch.until(lambda: len(bench.outbox.settled) == 4)
    bench.sender.let_go()
    await settled(bench, 8)
    assert await bench.at(State.DELIVERED) == names(4)
    assert [d.leased for d in await bench.to_orders()] == [False] * 8
    assert len(bench.sender.sent) == 4


async def test_an_alarm_is_told_to_who_listens_once_for_each_step(
    bench: _Guarded,
) -> None:
    """Whoever fails for long is told of before it is disabled; of two relays, one tells."""
    bench.router = listening("lake")
    warden = bench.guard()
    warden.appoint({NAME: HealthPolicy(disable_after=10 * HOUR)})
    other = bench.guard()
    other.appoint({NAME: HealthPolicy(disable_after=10 * HOUR)})
    for _ in range(8):
        for one in (warden, other):
            one.ear(NAME)(Queue.AGAIN, [BUSY])
            await one.look()
        bench.clock.advance(seconds=3600)
    told = await heard(bench, "lake")
    assert [event["data"]["state"] for event in told] == ["failing"] * 2
    assert told[0]["data"]["disabled_at"] == told[1]["data"]["disabled_at"]


async def test_who_is_held_is_not_probed(bench: _Guarded) -> None:
    warden = bench.guard()
    bench.sender.answer = lambda _: BUSY
    bench.start()
    await record(bench, *names(5))
    await bench.watch.until(lambda: len(bench.sender.calls) > 8)
    await hold(bench, NAME)
    await warden.look()
    await bench.watch.until(lambda: not bench.sender.under_way)
    before = len(bench.sender.calls)
    assert await bench.asks_nothing()
    assert len(bench.sender.calls) == before


async def test_who_says_that_it_is_gone_is_disabled_at_once(bench: _Guarded) -> None:
    """And nothing of what it had coming dies of that."""
    warden = bench.guard()
    bench.sender.answer = lambda _: GONE
    bench.start()
    await record(bench, *names(1))
    await settled(bench, 1)
    assert list(warden.held) == [NAME]
    assert (await condition(bench, NAME)).hold is None
    await warden.look()
    found = (await condition(bench, NAME)).hold
    assert found is not None
    assert (found.kind, found.reason, found.by) == ("disabled", "gone", "relay")
    assert await bench.at(State.DEAD) == []
    [(actor, verb)] = await bench.rows("SELECT actor, verb FROM audit")
    assert (actor, verb) == ("relay", "destinations disable")


async def test_the_brake_holds_what_would_die_next(bench: _Guarded) -> None:
    warden = bench.guard(brake=3)
    bench.sender.concurrency = 1
    bench.sender.answer = lambda _: NO
    bench.start()
    await record(bench, *names(9))
    await bench.watch.until(lambda: NAME in warden.held)
    await warden.look()
    assert len(bench.sender.calls) == 3
    found = (await condition(bench, NAME)).hold
    assert found is not None
    assert (found.kind, found.reason) == ("paused", "brake")
    # Whoever resumes it gives it as many again.
    await resume(bench, NAME)
    await warden.look()
    await bench.watch.until(lambda: NAME in warden.held)
    assert len(bench.sender.calls) == 6


async def test_a_hold_that_the_store_does_not_take_is_kept_to_all_the_same(
    bench: _Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    warden = bench.guard(brake=1)

    async def busy(_: Any) -> None:
        raise StoreBusyError("not now")

    bench.sender.answer = lambda _: NO
    bench.start()
    with monkeypatch.context() as patched:
        patched.setattr(bench.store, "change", busy)
        await record(bench, *names(1))
        await settled(bench, 1)
        await warden.look()
        assert list(warden.held) == [NAME]
        assert bench.courier.room == 0
    await warden.look()
    assert (await condition(bench, NAME)).hold is not None


async def test_that_it_fails_is_remembered_by_the_next_process(bench: _Guarded) -> None:
    warden = bench.guard()
    bench.sender.answer = lambda _: NO
    bench.start()
    await record(bench, *names(1))
    await settled(bench, 1)
    since = bench.clock.now_us()
    bench.clock.advance(seconds=90)
    await warden.look()
    assert (await condition(bench, NAME)).failing_since == since
    gauge = ("runflow_relay_destination_failing_since_seconds", NAME)
    assert bench.metrics.gauges[gauge] == since / 1e6
    bench.sender.answer = Bench(Path()).sender.answer
    await record(bench, *names(2)[1:])
    await settled(bench, 2)
    await warden.look()
    found = await condition(bench, NAME)
    assert (found.failing_since, found.worked_at) == (None, bench.clock.now_us())


async def test_what_fails_right_after_a_success_is_not_forgotten(
    bench: _Guarded,
) -> None:
    """Where both were heard between two looks, for the days as for the brake."""
    warden = bench.guard(brake=3)
    told = warden.ear(NAME)
    told(Queue.FIRST, [Delivered(status=204)])
    told(Queue.FIRST, [NO, NO])
    since = bench.clock.now_us()
    bench.clock.advance(seconds=90)
    await warden.look()
    assert (await condition(bench, NAME)).failing_since == since
    told(Queue.FIRST, [NO])
    assert list(warden.held) == [NAME]


async def test_a_resume_finds_out_at_once(bench: _Guarded) -> None:
    """Whatever the destination had wanted to be left alone for."""
    warden = bench.guard()
    peace = structs.replace(BUSY, retry_after_us=24 * 3600_000_000)
    bench.sender.answer = refusing(*names(3), with_=peace)
    bench.start()
    await record(bench, *names(3))
    await bench.watch.until(lambda: bench.courier.gate.open)
    await hold(bench, NAME)
    await warden.look()
    bench.sender.answer = Bench(Path()).sender.answer
    await record(bench, "run_900")
    await resume(bench, NAME)
    await warden.look()
    await bench.watch.until(lambda: "run_900" in bench.sender.runs)
    await bench.watch.until(lambda: not bench.courier.gate.open)


async def test_what_is_said_again_of_who_is_held_is_no_news(bench: _Guarded) -> None:
    """But a 410 from who is only paused is."""
    warden = bench.guard(brake=1)
    told = warden.ear(NAME)
    told(Queue.FIRST, [NO])
    await warden.look()
    await resume(bench, NAME)
    await hold(bench, NAME)
    await warden.look()
    told(Queue.FIRST, [NO])
    await resume(bench, NAME)
    await warden.look()
    assert (await condition(bench, NAME)).hold is None
    await hold(bench, NAME)
    await warden.look()
    told(Queue.FIRST, [GONE])
    await warden.look()
    found = (await condition(bench, NAME)).hold
    assert found is not None
    assert found.kind == "disabled"


async def test_who_is_behind_is_filled_as_room_returns(bench: _Guarded) -> None:
    """Nobody asks for it, and nothing is refused meanwhile."""
    warden = bench.guard(backlog=4)
    bench.sender.hold()
    await record(bench, *names(4))
    await warden.round()
    await record(bench, *names(12)[4:])
    assert len(await bench.to_orders()) == 4
    assert (await condition(bench, NAME)).behind == 8
    gauge = ("runflow_relay_destination_behind", NAME)
    await warden.look()
    assert bench.metrics.gauges[gauge] == 8
    bench.sender.let_go()
    bench.start()
    looking = asyncio.get_running_loop().create_task(warden.run())
    await settled(bench, 4)
    while (await condition(bench, NAME)).behind_from is not None:
        warden._wake.set()
        await bench.store.register(())
    await settled(bench, 12)
    warden.stop()
    await looking
    assert sorted(bench.sender.runs) == names(12)
    assert bench.sender.runs[:4] == names(4)


async def test_who_cannot_be_served_now_does_not_keep_others_waiting(
    bench: _Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither with falling behind nor with being filled."""
    warden = bench.guard(backlog=2)
    warden.appoint({"lake": HealthPolicy(), NAME: HealthPolicy()})
    await bench.store.record([callback(run) for run in names(3)])
    fall, fill = bench.store.fall_behind, bench.store.fill

    async def fall_behind(name: str) -> bool:
        if name == "lake":
            raise StoreBusyError("not now")
        return await fall(name)

    async def filling(name: str, *, limit: int) -> bool:
        if name == "lake":
            raise StoreFullError("no room")
        return await fill(name, limit=limit)

    monkeypatch.setattr(bench.store, "fall_behind", fall_behind)
    monkeypatch.setattr(bench.store, "fill", filling)
    await warden.round()
    assert (await condition(bench, "lake")).behind_from is None
    assert (await condition(bench, NAME)).behind_from is not None
    await fall("lake")
    await record(bench, *names(5)[3:])
    await bench.store.record([callback("run_9")])
    # There is room again.
    warden = bench.guard(backlog=1000)
    warden.appoint({"lake": HealthPolicy(), NAME: HealthPolicy()})
    await warden.round()
    assert (await condition(bench, "lake")).behind_from is not None
    assert (await condition(bench, NAME)).behind_from is None


async def test_whoever_looks_does_not_wait_for_filling(
    bench: _Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start, a reload and a person's word only have to know who is held."""
    warden = bench.guard(backlog=4)
    await bench.store.fall_behind(NAME)
    await record(bench, *names(1))
    await warden.look()
    assert (await condition(bench, NAME)).behind == 1
    begun, going, fill = asyncio.Event(), asyncio.Event(), bench.store.fill

    async def filling(name: str, *, limit: int) -> bool:
        begun.set()
        await going.wait()
        return await fill(name, limit=limit)

    monkeypatch.setattr(bench.store, "fill", filling)
    under_way = asyncio.get_running_loop().create_task(warden.round())
    await begun.wait()
    await hold(bench, NAME)
    async with asyncio.timeout(10):
        await warden.look()
    assert list(warden.held) == [NAME]
    going.set()
    await under_way
    assert (await condition(bench, NAME)).behind_from is None


async def test_of_who_left_the_configuration_nothing_is_measured_any_more(
    bench: _Guarded,
) -> None:
    """What was measured last would stand for ever. Who stays keeps what he has."""
    warden = bench.guard()
    bench.start()
    await record(bench, *names(1))
    await settled(bench, 1)
    warden.appoint({NAME: HealthPolicy(), "lake": HealthPolicy()})
    await warden.look()
    warden.appoint({"lake": HealthPolicy()})
    await bench.finished()
    await bench.courier.leave()
    await warden.look()
    found = {gauge[1] for gauge in bench.metrics.gauges if "_destination_" in gauge[0]}
    assert found == {"lake"}


async def test_who_is_held_and_about_to_leave_gets_nothing_on_the_way_out(
    bench: _Guarded,
) -> None:
    """A reload looks after others before it lets a courier go."""
    warden = bench.guard()
    await hold(bench, NAME)
    await warden.look()
    warden.appoint({})
    await warden.look()
    assert bench.courier.held


async def test_who_left_the_configuration_is_said_once(
    bench: _Guarded,
) -> None:
    warden = bench.guard()
    await record(bench, *names(2))
    warden.appoint({})
    with capture_logs() as lines:
        await warden.look()
        await warden.look()
    found = [(line["event"], line["destination"], line["open"]) for line in lines]
    assert found == [("destination.orphaned", NAME, 2)]


async def test_it_looks_until_it_is_stopped(bench: _Guarded) -> None:
    warden = bench.guard()
    warden.stop()
    await warden.run()
    assert list(warden.conditions) == ["lake", "orders"]
    state = ("runflow_relay_destination_state", NAME, "active")
    assert bench.metrics.gauges[state] == 1
