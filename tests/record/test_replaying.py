"""The worker at orders to send again goes on when a clock that was ahead has been put right."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from relay.record.replaying import Replayer
from tests.record.harness import StoreHarness
from tests.record.receipts import EVERYWHERE
from tests.record.replaying import die, order
from tests.record.sqlite_harness import SqliteHarness

DAY_S = 86_400


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[StoreHarness]:
    place = SqliteHarness(tmp_path)
    await place.open()
    await die(place, "run_1", "run_2", "run_3")
    await order(place, rate=1)
    yield place
    await place.vanish()


async def made(harness: StoreHarness, count: int) -> None:
    """As many deliveries have been made."""
    async with asyncio.timeout(10):
        while True:
            [(created,)] = await harness.rows("SELECT created FROM replays")
            if created == count:
                return
            assert created < count
            # Whoever works at it has his turn with the store.
            await harness.store.next_resend(EVERYWHERE)


async def working(
    harness: StoreHarness, meanwhile: Callable[[Replayer], Awaitable[None]]
) -> None:
    replayer = Replayer(harness.store, router=lambda: EVERYWHERE, clock=harness.clock)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(replayer.run())
        try:
            await meanwhile(replayer)
        finally:
            replayer.stop()


async def test_a_worker_that_goes_on_takes_its_next_step(
    harness: StoreHarness,
) -> None:
    """And then each when its rate says."""

    async def put_right(replayer: Replayer) -> None:
        harness.clock.advance(seconds=DAY_S)
        await made(harness, 1)
        harness.clock.advance(seconds=-DAY_S)
        replayer.hint()
        await made(harness, 2)
        assert await harness.store.next_resend(EVERYWHERE) == (
            harness.clock.now_us() + 1_000_000,
            True,
        )

    await working(harness, put_right)


async def test_a_worker_that_starts_takes_its_first_step(
    harness: StoreHarness,
) -> None:
    harness.clock.advance(seconds=DAY_S)
    await harness.store.resend(EVERYWHERE)
    harness.clock.advance(seconds=-DAY_S)
    await working(harness, lambda _: made(harness, 2))
