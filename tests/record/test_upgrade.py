"""An old store becomes one of today's: nothing in it is lost, and nobody who cannot read it pretends to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from relay.core.delivery import Queue
from relay.core.errors import MisconfiguredError
from relay.core.identity import Kind, Outcome, RunKey, event_id
from relay.core.run import Verdict
from relay.record.postgres.connection import migrate
from relay.record.sqlite.connection import APPLICATION_ID, connect
from relay.record.statements import migrations
from tests.postgres.fixtures import Database
from tests.record.harness import StoreHarness
from tests.record.postgres_harness import PostgresHarness
from tests.record.receipts import callback, odd, partial, routed
from tests.record.sqlite_harness import SqliteHarness

OLD = Path(__file__).with_name("old")
#: Read before any loop runs: nothing may block one.
STEPS = migrations("postgres")
ROWS = (OLD / "postgres_0001.sql").read_text()
#: What the old program had given the event whose deliveries are still open.
PENDING = event_id(RunKey("acme", Kind.RUN, "run_pending"), Outcome.SUCCEEDED, 1)


def _old_file(path: Path) -> None:
    """A store of schema 1, made and filled as the program of that time did."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = connect(path)
    connection.executescript(migrations("sqlite")[0].sql)
    connection.executescript((OLD / "sqlite_0001.sql").read_text())
    connection.executescript(
        f"PRAGMA user_version = 1; PRAGMA application_id = {APPLICATION_ID}"
    )
    connection.close()


async def _old_database(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(STEPS[0].sql)
    await connection.execute(ROWS)
    await connection.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> StoreHarness:
    """Where a store of schema 1 stands, with rows in every table."""
    harness: StoreHarness
    if request.param == "sqlite":
        harness = file = SqliteHarness(tmp_path)
        _old_file(file.path)
    else:
        database: Database = request.getfixturevalue("database")
        asyncio.run(_old_database(database.url))
        harness = PostgresHarness(database.url)
    harness.clock.advance(seconds=60)
    return harness


@pytest.fixture
async def old(place: StoreHarness) -> AsyncIterator[StoreHarness]:
    """It is not opened yet."""
    place.store = place.make()
    yield place
    await place.vanish()


async def test_an_old_store_keeps_everything(old: StoreHarness) -> None:
    """Rows, account, and what has gone by since is in no archive."""
    tables = ("receipts", "runs", "events", "deliveries", "attempts", "waiting")
    before = {table: await old.count(table) for table in tables}
    assert all(before.values())
    await old.open()
    # Who waited for the truth is asked for now.
    before["inquiries"] = before.pop("waiting")
    assert before == {table: await old.count(table) for table in before}
    ledger = await old.audit()
    assert ledger.sources["acme"].receipts == 11
    assert ledger.destinations["orders"].dead == 1
    assert await old.count("source_archive") == 0


async def test_what_was_open_in_an_old_store_is_delivered(old: StoreHarness) -> None:
    """With the id that it had, and the tries that were made."""
    await old.open()
    [parcel] = await old.deliver_all("lake")
    assert parcel.letter.event.id == PENDING
    assert b"it's" in parcel.letter.event.data
    [again] = await old.deliver_all("orders")
    assert (again.letter.event.id, again.attempts) == (PENDING, 1)
    # Each stands in the queue that it belongs in now, of its own source.
    assert (parcel.queue, again.queue) == (Queue.FIRST, Queue.AGAIN)
    assert await old.rows(
        "SELECT DISTINCT r.source = d.source FROM deliveries AS d JOIN runs AS r ON r.number = d.run"
        " WHERE d.event = (SELECT MAX(event) FROM deliveries)"
    ) == [(True,)]
    await old.audit()


async def test_what_an_old_store_knew_is_known(old: StoreHarness) -> None:
    """A repeat is a duplicate, what waits waits on, and what is new has a number of its own."""
    await old.open()
    for receipt in (
        callback("run_delivered", client_ref="order-1"),
        callback("run_dead"),
        callback("run_pending", note="another"),
        partial("run_waiting"),
    ):
        assert (await old.one(receipt)).verdict is Verdict.DUPLICATE
    assert (await old.one(odd(b"[]"))).verdict is Verdict.QUARANTINED
    assert (await old.one(callback("run_new"))).verdict is Verdict.FIRST
    assert (await old.one(callback("run_waiting"))).letter is not None
    assert len(await old.deliver_all("lake")) == 3
    await old.audit()


async def test_an_old_store_is_forgotten_as_any_other(old: StoreHarness) -> None:
    await old.open()
    before = await old.audit()
    old.days_pass(100)
    await old.forget()
    assert await old.audit() == before
    [parcel] = await old.deliver_all("lake")
    assert parcel.letter.event.id == PENDING
    old.days_pass(4000)
    new = callback("run_new", completed_at="2040-01-01T00:00:00Z", router=routed())
    await old.one(new)
    await old.forget()
    assert await old.count("runs") == 4
    await old.audit()


async def test_who_only_reads_does_not_read_an_old_store(old: StoreHarness) -> None:
    """It has no archive yet, and reading must not change it: the words say what to do."""
    with pytest.raises(MisconfiguredError, match=r"schema 1, .* start the relay once"):
        await old.ledger()
    with pytest.raises(MisconfiguredError, match="start the relay once"):
        await old.recount()
    await old.open()
    assert await old.ledger() == await old.recount()


async def test_who_only_reads_does_not_read_a_newer_store(old: StoreHarness) -> None:
    await old.open()
    await old.close()
    if isinstance(old, SqliteHarness):
        await old.execute("PRAGMA user_version = 99")
    else:
        await old.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    with pytest.raises(MisconfiguredError, match="start the newer program"):
        await old.ledger()
    with pytest.raises(MisconfiguredError, match="start the newer program"):
        await old.open()


@pytest.mark.postgres
async def test_relays_that_open_an_old_database_together_both_serve(
    database: Database,
) -> None:
    """One of them migrates; the other waits for it, and finds it done."""
    await _old_database(database.url)
    pair = [PostgresHarness(database.url) for _ in range(2)]
    for harness in pair:
        harness.clock.advance(seconds=60)
    await asyncio.gather(*(harness.open() for harness in pair))
    try:
        for number, harness in enumerate(pair):
            recorded = await harness.one(callback(f"run_new_{number}"))
            assert recorded.verdict is Verdict.FIRST
        delivered = await asyncio.gather(*(h.deliver_all("lake") for h in pair))
        found = [p.letter.event.id for parcels in delivered for p in parcels]
        assert len(found) == len(set(found)) == 3
        await pair[0].audit()
    finally:
        for harness in pair:
            await harness.vanish()


@pytest.mark.postgres
async def test_a_migrated_database_equals_a_fresh_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns, defaults, constraints, indexes, partitions and storage, step by step or all at once."""
    steps = STEPS
    found: list[list[tuple[object, ...]]] = []
    for counts in ([len(steps)], range(1, len(steps) + 1)):
        name = f"{database.name}_{len(found)}"
        await database.server.create_database(name)
        url = database.server.url(name)
        for count in counts:
            monkeypatch.setattr(
                "relay.record.postgres.connection.migrations",
                lambda _store, count=count: steps[:count],
            )
            harness = PostgresHarness(url)
            if count == len(steps):
                await harness.open()
                found.append(await _shape(harness))
                await harness.vanish()
            else:
                await _migrate(url)
    assert found[0] == found[1]
    assert len(found[0]) > 100


async def _migrate(url: str) -> None:
    connection = await asyncpg.connect(url)
    await migrate(connection)
    await connection.close()


_COLUMNS = (
    "SELECT table_name::text, column_name::text, ordinal_position::int, data_type::text,"
    " is_nullable::text, column_default::text, identity_generation::text"
    " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 3"
)
_CONSTRAINTS = (
    "SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
)
_INDEXES = (
    "SELECT tablename::text, indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    " ORDER BY 1, 2"
)
_TABLES = (
    "SELECT relname::text, relkind::text, reloptions::text, pg_get_expr(relpartbound, oid),"
    " pg_get_partkeydef(oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
)


async def _shape(harness: PostgresHarness) -> list[tuple[object, ...]]:
    """Everything that a database is made of, in words."""
    looks = (_COLUMNS, _CONSTRAINTS, _INDEXES, _TABLES)
    return [row for look in looks for row in await harness.rows(look)]
