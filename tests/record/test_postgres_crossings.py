"""Several relays and their database, at the moments when one is in another's way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest

from relay.core.errors import StoreBusyError
from relay.core.run import Verdict
from relay.record.postgres import connection as relay_connection
from relay.record.postgres.connection import Connection
from relay.record.postgres.store import PostgresStore
from tests.postgres.fixtures import Database
from tests.record.postgres_harness import PostgresHarness
from tests.record.receipts import callback, partial

pytestmark = pytest.mark.postgres


@pytest.fixture
async def place(database: Database) -> AsyncIterator[PostgresHarness]:
    harness = PostgresHarness(database.url)
    await harness.open()
    yield harness
    await harness.vanish()


@asynccontextmanager
async def somebody(database: Database) -> AsyncIterator[Connection]:
    """Another user of the database."""
    connection = await asyncpg.connect(database.url)
    try:
        yield connection
    finally:
        await connection.close()


async def waiting_for_locks(looker: Connection, count: int, like: str) -> None:
    """So many of the relays' statements stand still before a lock."""
    async with asyncio.timeout(10):
        while (
            await looker.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND application_name = 'runflow-relay' AND query LIKE $1",
                like,
            )
            < count
        ):
            await asyncio.wait(
                [asyncio.get_running_loop().create_future()], timeout=0.01
            )


# --- a run that is new to several -----------------------------------------------------------------


async def test_a_run_that_another_relay_makes_between_lock_and_look_is_locked_first(
    place: PostgresHarness, database: Database
) -> None:
    """A third relay is changing it already: both would count that it waits."""
    await place.one(callback("run_0"))
    async with (
        somebody(database) as gate,
        somebody(database) as second,
        somebody(database) as third,
    ):
        closed = gate.transaction()
        await closed.start()
        await gate.execute("LOCK TABLE inquiries IN ACCESS EXCLUSIVE MODE")
        recording = asyncio.gather(place.one(partial("run_1")))
        # Nothing was there to be locked, and the look has not begun.
        await waiting_for_locks(third, 1, "%LEFT JOIN inquiries%")
        await second.execute(
            "INSERT INTO runs SELECT nextval('runs_numbers'), source, namespace, 'run_1', NULL, NULL, 0,"
            " origin, first_seen FROM runs"
        )
        changing = third.transaction()
        await changing.start()
        await third.execute("SELECT FROM runs WHERE id = 'run_1' FOR UPDATE")
        await closed.rollback()
        await waiting_for_locks(second, 1, "%")
        await third.execute(
            "INSERT INTO inquiries (run, source, state, outcome, reasons, receipt, opened_at, due_at)"
            " SELECT number, source, 1, 1, '[\"no_output\"]', 0, first_seen, first_seen FROM runs"
            " WHERE id = 'run_1'"
        )
        await third.execute(
            "INSERT INTO source_counters (incarnation, source, opened, waiting) VALUES (-1, 1, 1, 1)"
        )
        await changing.commit()
    [recorded] = await recording
    assert recorded.verdict is Verdict.DUPLICATE
    await place.audit()


# --- a commit that ends later than we hear of it ---------------------------------------------------


async def test_what_a_commit_leases_after_its_connection_is_gone_is_claimed_again(
    place: PostgresHarness, database: Database
) -> None:
    await place.execute(
        "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_advisory_xact_lock_shared(77); RETURN NULL; END $$"
    )
    # What a commit does that a slow disk holds up.
    await place.execute(
        "CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON runs DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION linger()"
    )
    place.handover.left = {"lake": 1}
    store = place.store
    assert isinstance(store, PostgresStore)
    assert store._thread is not None
    assert store._writer is not None
    async with somebody(database) as holder, somebody(database) as looker:
        await holder.execute("SELECT pg_advisory_lock(77)")
        recording = asyncio.gather(store.record([callback("run_1")]))
        await waiting_for_locks(looker, 1, "COMMIT")
        writing = store._writer._connection
        assert writing is not None
        store._thread.call(writing.terminate)
        with suppress(StoreBusyError):
            await recording
        claiming = asyncio.gather(place.claim("lake"))
        # Either it waits for that commit, or it has come to its end without it.
        await asyncio.wait([claiming], timeout=0.3)
        await holder.execute("SELECT pg_advisory_unlock(77)")
        [first] = await claiming
    assert len(first + await place.claim("lake")) == 1
    await place.audit()


# --- a relay that says nothing any more -------------------------------------------------------------


async def test_a_relay_that_vanishes_in_a_transaction_does_not_hold_up_the_others(
    place: PostgresHarness, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = PostgresHarness(database.url)
    await other.open()
    usual = relay_connection.IDLE_MS
    monkeypatch.setattr(relay_connection, "IDLE_MS", 1000)
    with place.held() as hold:
        silent = asyncio.gather(place.store.record([callback("run_1")]))
        await hold.reached()
        monkeypatch.setattr(relay_connection, "IDLE_MS", usual)
        assert (await other.one(callback("run_1"))).verdict is Verdict.FIRST
    with suppress(StoreBusyError):
        await silent
    assert (await place.one(callback("run_1"))).verdict is Verdict.DUPLICATE
    await place.audit()
    await other.vanish()


# --- those who read and analyse -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["ACCESS SHARE", "SHARE UPDATE EXCLUSIVE"])
async def test_who_reads_or_analyses_the_whole_at_midnight_holds_up_no_callback(
    place: PostgresHarness, database: Database, mode: str
) -> None:
    """A dump does the one, ANALYZE the other, for as long as it takes."""
    async with somebody(database) as reader, reader.transaction():
        await reader.execute(f"LOCK TABLE ONLY receipts, attempts IN {mode} MODE")
        place.days_pass(1)
        async with asyncio.timeout(5):
            await place.one(callback("run_1"))
    place.days_pass(1)
    await place.one(callback("run_2"))
    await place.audit()
