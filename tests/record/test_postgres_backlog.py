"""Who is behind on a database of several relays: no commit that is under way falls between two stools."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relay.core.errors import StoreBusyError
from relay.record.postgres.backlog import _KEY
from tests.postgres.fixtures import Database
from tests.record.backlog_law import fill
from tests.record.holding_law import condition, hold, resume
from tests.record.postgres_harness import PostgresHarness
from tests.record.receipts import callback
from tests.record.test_postgres_crossings import somebody, waiting_for_locks

pytestmark = pytest.mark.postgres

Pair = tuple[PostgresHarness, PostgresHarness]


@pytest.fixture
async def pair(database: Database) -> AsyncIterator[Pair]:
    """Two relays on one database."""
    both = (PostgresHarness(database.url), PostgresHarness(database.url))
    for harness in both:
        await harness.open()
    yield both
    await both[0].audit()
    for harness in both:
        await harness.vanish()


async def _runs(harness: PostgresHarness) -> list[str]:
    found = await harness.deliveries()
    return [d.run for d in found if d.destination == "lake"]


async def test_a_commit_under_way_ends_before_the_cut(
    pair: Pair, database: Database
) -> None:
    """What it holds has its deliveries; only what begins after the cut has none."""
    one, two = pair
    with one.held() as standing:
        under_way = asyncio.gather(one.one(callback("run_1")))
        await standing.reached()
        falling = asyncio.gather(two.store.fall_behind("lake"))
        async with somebody(database) as looker:
            await waiting_for_locks(looker, 1, "%advisory%")
    await under_way
    [fell] = await falling
    assert fell
    await one.one(callback("run_2"))
    assert await _runs(one) == ["run_1"]
    assert (await condition(two)).behind == 1
    await fill(two)


async def test_a_commit_under_way_is_waited_for_before_the_gap_closes(
    pair: Pair, database: Database
) -> None:
    """Its event has the smaller number and cannot be seen: nobody steps over it."""
    one, two = pair
    # Both know the source.
    await one.one(callback("run_0"))
    await two.store.fall_behind("lake")
    with one.held() as standing:
        under_way = asyncio.gather(one.one(callback("run_1")))
        await standing.reached()
        await two.one(callback("run_2"))
        filling = asyncio.gather(fill(two, limit=10))
        async with somebody(database) as looker:
            await waiting_for_locks(looker, 1, "%advisory%")
    await under_way
    await filling
    assert await _runs(one) == ["run_0", "run_1", "run_2"]
    assert (await condition(one)).behind_from is None


async def test_relays_that_fill_together_make_each_delivery_once(pair: Pair) -> None:
    one, two = pair
    await one.store.fall_behind("lake")
    await one.store.record([callback(f"run_{n}") for n in range(40)])
    await asyncio.gather(fill(one, limit=3), fill(two, limit=3))
    assert await _runs(one) == [f"run_{n}" for n in range(40)]


async def test_a_relay_that_was_overtaken_does_not_fill_up_to_a_horizon_of_old(
    pair: Pair, database: Database
) -> None:
    """The cut never moves back: what lies before it has its deliveries, and counts as having them."""
    one, two = pair
    await one.store.fall_behind("lake")
    await one.store.record([callback(f"run_{n}") for n in range(4)])
    assert await one.store.fill("lake", limit=3)
    await one.store.record([callback(f"run_{n}") for n in range(4, 14)])
    before = (await condition(one)).behind_from
    with two.held() as standing:
        ahead = asyncio.gather(two.store.fill("lake", limit=3))
        await standing.reached()
        overtaken = asyncio.gather(one.store.fill("lake", limit=3))
        async with somebody(database) as looker:
            await waiting_for_locks(looker, 1, "%FOR NO KEY UPDATE%")
    [there_was_more], [there_is_more] = await ahead, await overtaken
    assert there_was_more
    assert there_is_more
    found = await condition(one)
    assert before is not None
    assert found.behind_from == before + 3
    assert found.behind == 8
    await one.audit()
    await fill(one, limit=3)
    assert await _runs(one) == [f"run_{n}" for n in range(14)]


async def test_another_relay_hears_of_it_with_its_next_commit(pair: Pair) -> None:
    """Who is behind gets no row there, and who is held nothing fresh."""
    one, two = pair
    two.handover.left = {"lake": 5}
    await hold(one)
    await two.one(callback("run_1"))
    assert two.handover.handed == []
    await resume(one)
    await one.store.fall_behind("lake")
    await two.one(callback("run_2"))
    assert two.handover.handed == []
    await fill(one)
    await two.one(callback("run_3"))
    assert len(two.handover.handed) == 1


async def test_nobody_waits_for_ever_to_be_alone(
    pair: Pair, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who cannot be is told to come again, and what he had begun is undone."""
    one, _ = pair
    monkeypatch.setattr("relay.record.postgres.backlog._WAIT_MS", 50)
    async with somebody(database) as other, other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock_shared($1)", _KEY)
        with pytest.raises(StoreBusyError):
            await one.store.fall_behind("lake")
    assert await one.store.fall_behind("lake")
    await fill(one)
