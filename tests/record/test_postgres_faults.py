"""What a database can do to a relay in the middle of its work: nothing is acknowledged, and it recovers.

Whatever happens is StoreBusyError, which is answered 503; never a fault of the sender, of the
configuration, or of the process.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from relay.core.errors import StoreBusyError, StoreFullError
from relay.core.run import Verdict
from relay.record.postgres.connection import Connection
from relay.record.postgres.ledger import read_ledger_of, recount_of
from relay.record.postgres.store import PostgresStore
from tests.postgres.fixtures import Database
from tests.postgres.pgbouncer import PgBouncer
from tests.record.harness import Bounds
from tests.record.postgres_harness import PostgresHarness
from tests.record.receipts import callback

pytestmark = pytest.mark.postgres

OURS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()"


class Administrator:
    """Does to one database what only its administrator may."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, *statements: str) -> None:
        url = self._database.server.administrator_url("postgres")
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement.format(self._database.name))
        finally:
            await connection.close()


@pytest.fixture
def administrator(database: Database) -> Administrator:
    return Administrator(database)


@pytest.fixture
async def place(database: Database) -> AsyncIterator[PostgresHarness]:
    """A store that is open; the account is looked over at the end."""
    harness = PostgresHarness(database.url)
    await harness.open()
    yield harness
    await harness.audit()
    await harness.vanish()


def trouble(place: PostgresHarness) -> str | None:
    """What readiness says of the store."""
    assert isinstance(place.store, PostgresStore)
    return place.store.trouble


async def recovers(place: PostgresHarness, run: str, *verdicts: Verdict) -> None:
    """A run that was not acknowledged is taken in; without a word from us it never was before."""
    async with asyncio.timeout(10):
        while True:
            try:
                recorded = await place.one(callback(run))
            except StoreBusyError:
                continue
            break
    assert recorded.verdict in (verdicts or (Verdict.FIRST,))
    assert trouble(place) is None


async def test_a_session_that_is_ended_in_the_middle_of_a_group_writes_nothing(
    place: PostgresHarness, administrator: Administrator
) -> None:
    with place.held() as hold:
        jobs = asyncio.gather(
            *(place.store.record([callback(f"run_{n}")]) for n in range(3)),
            return_exceptions=True,
        )
        await hold.reached()
        await administrator.run(OURS)
    assert {type(answer) for answer in await jobs} <= {StoreBusyError, list}
    assert place.committed("receipts") in (0, 2)
    await recovers(place, "run_9")


class Commits:
    """The next COMMIT ends otherwise than it should, as its asker sees it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def end_in(self, error: Exception, *, written: bool) -> None:
        execute = asyncpg.Connection.execute

        async def ended(
            connection: Connection, query: str, *values: Any, **options: Any
        ) -> str:
            if query != "COMMIT":
                return await execute(connection, query, *values, **options)
            self._patch.setattr(asyncpg.Connection, "execute", execute)
            if written:
                await execute(connection, query)
            raise error

        self._patch.setattr(asyncpg.Connection, "execute", ended)


async def test_what_a_commit_leased_that_nobody_saw_end_is_free_again(
    place: PostgresHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on disk, and nobody was handed what it leases."""
    place.handover.left = {"lake": 1}
    lost = asyncpg.ConnectionDoesNotExistError("gone")
    Commits(monkeypatch).end_in(lost, written=True)
    with pytest.raises(StoreBusyError):
        await place.store.record([callback("run_1")])
    assert place.handover.handed == []
    [delivery] = [d for d in await place.deliveries() if d.destination == "lake"]
    assert delivery.leased
    assert len(await place.claim("lake")) == 1


async def test_a_full_disk_takes_nothing_in_and_readiness_says_so(
    place: PostgresHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored goes on its way, and a moment later somebody is let in to try."""
    await place.one(callback("run_1"))
    Commits(monkeypatch).end_in(asyncpg.DiskFullError("no room"), written=False)
    with pytest.raises(StoreFullError):
        await place.store.record([callback("run_2")])
    assert len(await place.claim("lake")) == 1
    assert trouble(place) == "store_full"
    place.clock.advance(seconds=10)
    await recovers(place, "run_2")


async def test_an_account_that_cannot_be_read_in_time_is_said_to_be_so(
    place: PostgresHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a traceback at the command line nor a page of metrics that is not there."""

    async def late(*_: Any, **__: Any) -> list[Any]:
        raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(asyncpg.Connection, "fetch", late)
        for look in (read_ledger_of, recount_of):
            with pytest.raises(StoreBusyError, match="TimeoutError"):
                await look(place.url)


@pytest.mark.parametrize(
    "taking,giving",
    [
        ('ALTER DATABASE "{}" CONNECTION LIMIT 0', 'ALTER DATABASE "{}" CONNECTION LIMIT -1'),
        ('ALTER DATABASE "{}" ALLOW_CONNECTIONS false', 'ALTER DATABASE "{}" ALLOW_CONNECTIONS true'),
        ('ALTER DATABASE "{}" SET default_transaction_read_only = on',
         'ALTER DATABASE "{}" RESET default_transaction_read_only'),
        ('ALTER DATABASE "{}" SET synchronous_commit = off', 'ALTER DATABASE "{}" RESET synchronous_commit'),
        ("ALTER ROLE relay NOLOGIN", "ALTER ROLE relay LOGIN"),
    ],
    ids=["full", "closed", "read-only", "forgetful", "locked out"],
)  # fmt: skip
async def test_a_database_that_has_no_place_for_us_for_a_while_is_waited_for(
    taking: str, giving: str, place: PostgresHarness, administrator: Administrator
) -> None:
    await place.one(callback("run_0"))
    await administrator.run(taking, OURS)
    try:
        for _ in range(3):
            with pytest.raises(StoreBusyError):
                await place.store.record([callback("run_1")])
            with pytest.raises(StoreBusyError):
                await place.store.next_due("lake")
            assert trouble(place) == "store_unreachable"
    finally:
        await administrator.run(giving, OURS)
    await recovers(place, "run_1")


async def test_a_database_that_turns_read_only_under_us_takes_nothing_in(
    place: PostgresHarness, administrator: Administrator
) -> None:
    """As after a failover: sessions live on, and what they write is refused."""
    server = "ALTER SYSTEM {} default_transaction_read_only{}"
    await administrator.run(
        server.replace("{}", "SET", 1).replace("{}", " = on"), "SELECT pg_reload_conf()"
    )
    try:
        async with asyncio.timeout(10):
            while trouble(place) is None:
                try:
                    await place.store.record([callback("run_0")])
                except StoreBusyError:
                    continue
        with pytest.raises(StoreBusyError, match="read-only"):
            await place.store.record([callback("run_1")])
    finally:
        await administrator.run(
            "SET default_transaction_read_only = off",
            server.replace("{}", "RESET", 1).replace("{}", ""),
            "SELECT pg_reload_conf()",
        )
    await recovers(place, "run_1")


async def test_a_statement_that_may_not_take_so_long_is_tried_again_later(
    place: PostgresHarness, administrator: Administrator, database: Database
) -> None:
    await administrator.run('ALTER DATABASE "{}" SET statement_timeout = 300', OURS)
    await recovers(place, "run_0")
    other = await asyncpg.connect(database.server.administrator_url(database.name))
    async with other.transaction():
        await other.execute("LOCK TABLE runs")
        with pytest.raises(StoreBusyError, match="57014"):
            await place.store.record([callback("run_1")])
    await other.close()
    await recovers(place, "run_1")


async def test_a_transaction_that_stands_still_too_long_writes_nothing(
    place: PostgresHarness, administrator: Administrator
) -> None:
    limit = "idle_in_transaction_session_timeout"
    await administrator.run(f'ALTER DATABASE "{{}}" SET {limit} = 50', OURS)
    await recovers(place, "run_0")
    with place.held() as hold:
        recording = asyncio.gather(place.store.record([callback("run_1")]))
        await hold.reached()
        async with asyncio.timeout(10):
            while not await _ended(place):
                pass
    with pytest.raises(StoreBusyError):
        await recording
    await recovers(place, "run_1")


async def _ended(place: PostgresHarness) -> bool:
    sessions = await place.rows(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND state = 'idle in transaction'"
    )
    return not sessions


async def test_behind_a_pooler_a_server_that_is_away_is_waited_for(
    database: Database, pgbouncer: PgBouncer
) -> None:
    place = PostgresHarness(pgbouncer.url(database.name), looking=database.url)
    await place.open()
    await place.one(callback("run_0"))
    place.bounds = Bounds(ack_timeout_s=0.5)
    await place.reopen()
    await asyncio.to_thread(database.server.kill)
    for _ in range(3):
        with pytest.raises(StoreBusyError):
            await place.store.record([callback("run_1")])
    await asyncio.to_thread(database.server.start)
    # The commit that was given up in time may have ended since.
    await recovers(place, "run_1", Verdict.FIRST, Verdict.DUPLICATE)
    await place.audit()
    await place.vanish()


async def test_what_a_commit_out_of_sight_leases_is_freed_when_it_has_ended(
    place: PostgresHarness, database: Database
) -> None:
    """It goes on at the server after its connection broke, and is seen only at its end."""
    await place.one(callback())
    assert isinstance(place.store, PostgresStore)
    writer = place.store._writer
    assert writer is not None
    lease = (writer.incarnation << 32) + 99
    unseen = await asyncpg.connect(database.url)
    async with unseen.transaction():
        await unseen.execute(
            "SELECT number FROM incarnations WHERE number = $1 FOR KEY SHARE",
            writer.incarnation,
        )
        await unseen.execute("UPDATE deliveries SET lease = $1", lease)
        writer._unsure.append(lease)
        await place.store.register(())
        assert writer._unsure == [lease]
    await unseen.close()
    assert len(await place.claim("lake")) == 1
    assert writer._unsure == []
