"""What forgetting does to a file: it shrinks, and numbers are not given twice."""

from relay.core.run import Verdict
from tests.record.receipts import callback
from tests.record.retention_law import everything_delivered, heard, later
from tests.record.sqlite_harness import SqliteHarness

LONG = "x" * 100_000


async def test_the_file_gives_back_what_it_does_not_need(opened: SqliteHarness) -> None:
    """In slices between commits; some of it stays for the next callbacks."""
    for number in range(60):
        await heard(opened, f"run_{number}", note=LONG)
    await everything_delivered(opened)
    await later(opened, days=31)
    full = _pages(opened)
    assert await opened.forget() == {"receipts": 60}
    await opened.store.register(())
    assert _pages(opened) < full / 10
    await opened.close()
    assert opened.path.stat().st_size < full * 4096 / 10
    await opened.open()
    assert (await heard(opened, "run_1", note=LONG)).verdict is Verdict.DUPLICATE
    await opened.audit()


async def test_the_newest_row_of_a_table_stays(opened: SqliteHarness) -> None:
    """A number that was given once is not given again, also after a start."""
    await heard(opened, "run_1")
    await everything_delivered(opened)
    before = await _newest(opened)
    opened.days_pass(4000)
    assert not await opened.forget()
    await opened.reopen()
    await opened.one(callback("run_2", completed_at="2040-01-01T00:00:00Z"))
    assert all(
        new > old for new, old in zip(await _newest(opened), before, strict=True)
    )
    await opened.forget()
    assert await opened.count("events") == await opened.count("runs") == 1
    await opened.audit()


async def test_a_clock_that_stood_wrong_keeps_nothing_for_ever(
    opened: SqliteHarness,
) -> None:
    """What is said to come from the future is passed over, and what is behind it goes."""
    now = opened.clock.now_us()
    opened.clock.advance(seconds=10**9)
    names = [f"run_{number}" for number in range(300)]
    future = opened.clock.now_us()
    await opened.store.record(
        [
            callback(name, at=future, completed_at="2058-01-01T00:00:00Z")
            for name in names
        ]
    )
    opened.clock.time_us = now
    await heard(opened, "run_old")
    await everything_delivered(opened)
    await later(opened, days=31)
    assert await opened.forget() == {"receipts": 1}
    await opened.audit()


async def test_a_full_store_still_forgets(opened: SqliteHarness) -> None:
    """It is how room comes back."""
    await heard(opened, "run_1")
    await everything_delivered(opened)
    await later(opened, days=31)
    opened.leave_full()
    assert await opened.forget() == {"receipts": 1}
    await opened.audit()


def _pages(opened: SqliteHarness) -> int:
    [(pages,)] = opened.connection.execute("PRAGMA page_count").fetchall()
    return int(pages)


async def _newest(opened: SqliteHarness) -> list[int]:
    tables = ("runs", "receipts", "events", "deliveries")
    return [await opened.next_number(table) - 1 for table in tables]
