"""How days leave the shared store, and that nobody has to wait for it."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from relay.core.retention import PassStep, begin, following
from relay.core.run import Verdict
from relay.record.postgres.leaving import KEPT_END
from tests.postgres.fixtures import Database
from tests.record.harness import StoreHarness
from tests.record.postgres_harness import PostgresHarness
from tests.record.receipts import NOWHERE, callback
from tests.record.retention_law import everything_delivered, heard, later

pytestmark = pytest.mark.postgres

LATER = "2040-01-01T00:00:00Z"


@pytest.fixture
async def harness(database: Database) -> AsyncIterator[PostgresHarness]:
    harness = PostgresHarness(database.url)
    await harness.open()
    try:
        yield harness
        await harness.audit()
    finally:
        await harness.vanish()


async def days(harness: StoreHarness, parent: str) -> int:
    """How many tables a table is made of."""
    [(found,)] = await harness.rows(
        "SELECT COUNT(*) FROM pg_inherits WHERE inhparent = ?::text::regclass", parent
    )
    return int(found)


async def until_it_has_left(harness: StoreHarness) -> PassStep:
    """The step that comes after a day with something in it has left, and before it is counted."""
    step: PassStep | None = begin(harness.keeping, harness.clock.now_us())
    while step is not None:
        step = following(step, await harness.store.forget(step))
        if await harness.count("receipts_leaving"):
            assert step is not None
            return step
    raise AssertionError("no day has left")


async def test_a_day_goes_with_its_table(harness: PostgresHarness) -> None:
    """Of receipts after one horizon, of attempts after another; today's and tomorrow's stay."""
    await heard(harness, "run_1")
    await everything_delivered(harness)
    before = [await days(harness, name) for name in ("receipts", "attempts")]
    await later(harness, days=31)
    await harness.forget()
    # Those kept over, the day after the first one, and yesterday, today and tomorrow.
    assert before == [4, 3]
    assert await days(harness, "receipts") == 5
    assert await days(harness, "attempts") == 6
    await later(harness, days=61)
    await harness.forget()
    assert await days(harness, "receipts") == 4
    assert await days(harness, "attempts") == 6


async def test_what_is_needed_is_carried_over_once(harness: PostgresHarness) -> None:
    """Under a number outside of all days; and goes row by row when its time has come."""
    await heard(harness, "run_1")
    await harness.deliver_all("lake")
    await later(harness, days=31)
    await harness.forget()
    [(number,)] = await harness.rows("SELECT receipt FROM events WHERE number = 1")
    assert 0 < number < KEPT_END
    assert await harness.count("receipts_kept") == 1
    await later(harness, days=31)
    await harness.forget()
    assert await harness.rows("SELECT receipt FROM events ORDER BY number LIMIT 1") == [
        (number,)
    ]
    assert (await heard(harness, "run_1")).verdict is Verdict.DUPLICATE
    [(times,)] = await harness.rows("SELECT count FROM receipts_kept WHERE run = 1")
    assert times == 2
    await everything_delivered(harness)
    await harness.forget()
    assert await harness.count("receipts_kept") == 0


async def test_the_account_is_right_while_a_day_is_leaving(
    harness: PostgresHarness,
) -> None:
    """And whoever finds it left by somebody who died counts it once."""
    await heard(harness, "run_1")
    for _ in range(2):
        await heard(harness, "run_2", router=NOWHERE)
    await harness.deliver_all("lake")
    await later(harness, days=31)
    before = await harness.audit()
    await until_it_has_left(harness)
    assert await harness.audit() == before
    await harness.reopen()
    await harness.forget()
    assert await days(harness, "receipts_leaving") == 0
    assert await harness.audit() == before
    assert len(await harness.deliver_all("orders")) == 2


@pytest.mark.parametrize("soon", [True, False])
async def test_what_comes_to_be_needed_as_a_day_leaves_is_sent_from_it_and_carried_over(
    harness: PostgresHarness, soon: bool
) -> None:
    """It is as whole as ever, before and after."""
    await heard(harness, "run_1")
    await everything_delivered(harness)
    await later(harness, days=31)
    step: PassStep | None = await until_it_has_left(harness)
    # As if it had been asked for once more while the day was being looked over.
    await harness.execute(
        "UPDATE deliveries SET state = 0, due_at = 0 WHERE run = 1 AND destination = 1"
    )
    parcels = await harness.claim("lake") if soon else []
    while step is not None:
        step = following(step, await harness.store.forget(step))
    parcels = parcels or await harness.claim("lake")
    assert [p.letter.facts.key.id for p in parcels] == ["run_1", "later_1"]
    assert b'"run_id":"run_1"' in parcels[0].letter.event.structured
    await harness.execute(
        "UPDATE deliveries SET state = 1 WHERE number = ?", parcels[0].number
    )
    assert await harness.count("receipts_kept") == 1


async def test_whoever_reads_for_long_is_not_in_the_way_of_callbacks(
    harness: PostgresHarness, database: Database
) -> None:
    """Retention gives way, and comes again."""
    await heard(harness, "run_1")
    await everything_delivered(harness)
    await later(harness, days=31)
    reader = await asyncpg.connect(database.url)
    await reader.execute("BEGIN; SELECT COUNT(*) FROM receipts")
    assert not await harness.forget()
    assert (await heard(harness, "run_1")).verdict is Verdict.DUPLICATE
    assert await harness.count("receipts") == 2
    await reader.execute("COMMIT")
    await reader.close()
    assert await harness.forget() == {"receipts": 1}


async def test_a_run_that_somebody_has_in_hand_is_left_to_the_next_pass(
    harness: PostgresHarness, database: Database
) -> None:
    await heard(harness, "run_1")
    await everything_delivered(harness)
    await later(harness, days=100)
    other = await asyncpg.connect(database.url)
    await other.execute("BEGIN; SELECT 1 FROM runs WHERE number = 1 FOR UPDATE")
    assert await harness.forget() == {"receipts": 1}
    await other.execute("COMMIT")
    await other.close()
    assert await harness.forget() == {"events": 1}


async def test_two_relays_that_forget_at_once_forget_everything_once(
    harness: PostgresHarness, database: Database
) -> None:
    """While both take callbacks in, repeats of what goes among them."""
    other = PostgresHarness(database.url)
    await other.open()
    names = [f"run_{number}" for number in range(80)]
    await harness.store.record([callback(name) for name in names])
    await harness.deliver_all("lake")
    for parcel in await harness.claim("orders", 40):
        await harness.settle(parcel)
    await later(harness, days=100)
    other.clock.time_us = harness.clock.time_us
    await asyncio.gather(
        harness.forget(),
        other.forget(),
        *(heard(it, name) for name in names for it in (harness, other)),
    )
    await harness.audit()
    await harness.forget()
    assert await harness.count("events") == 41
    assert await days(harness, "receipts_leaving") == 0
    delivered = [
        *await harness.deliver_all("orders"),
        *await other.deliver_all("orders"),
    ]
    assert len({parcel.letter.event.id for parcel in delivered}) == 41
    await other.vanish()
