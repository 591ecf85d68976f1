"""The shared store on every older release that is promised: the core of the law, and a death.

The whole law on each of them, and behind a pooler, is ``make test-postgres-versions``.
"""

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest

from relay.core.errors import StoreBusyError
from relay.core.run import Verdict
from tests.postgres.fixtures import Database
from tests.postgres.local_postgres import LocalPostgres
from tests.postgres.pgbouncer import PgBouncer
from tests.record.commit_law import CommitLaw
from tests.record.harness import StoreHarness
from tests.record.inbox_law import InboxLaw
from tests.record.outbox_law import OutboxLaw
from tests.record.postgres_harness import PostgresHarness
from tests.record.receipts import callback, odd

pytestmark = pytest.mark.postgres

NAMES = (f"release_{number}" for number in count())


@pytest.fixture
async def url(older_postgres: LocalPostgres) -> AsyncIterator[str]:
    """An empty database of an older server."""
    name = next(NAMES)
    await older_postgres.create_database(name)
    yield older_postgres.url(name)
    await asyncio.to_thread(older_postgres.start)
    await older_postgres.drop_database(name)


class TestCore:
    """Of the law, what goes through every table and every kind of statement."""

    test_verdicts = InboxLaw.test_every_verdict_is_counted_once
    test_quarantine = InboxLaw.test_quarantine_dedupes_by_bytes
    test_refusals = InboxLaw.test_refusals_are_counted_and_bounded
    test_revisions = OutboxLaw.test_a_revision_waits_for_the_one_before
    test_failures = OutboxLaw.test_what_failed_is_due_when_its_step_says
    test_accidents = CommitLaw.test_what_raises_after_the_commit_does_nothing_twice

    @pytest.fixture
    async def harness(self, url: str) -> AsyncIterator[StoreHarness]:
        place = PostgresHarness(url)
        await place.open()
        try:
            yield place
            await place.audit()
        finally:
            await place.vanish()


class TestCoreBehindAPooler(TestCore):
    """The same on the newest one, where each transaction may be served by another process."""

    @pytest.fixture
    async def harness(
        self, database: Database, pgbouncer: PgBouncer
    ) -> AsyncIterator[StoreHarness]:
        place = PostgresHarness(pgbouncer.url(database.name), looking=database.url)
        await place.open()
        try:
            yield place
            await place.audit()
        finally:
            await place.vanish()


async def test_what_a_dead_relay_held_another_takes_over(url: str) -> None:
    one, two = PostgresHarness(url), PostgresHarness(url)
    await asyncio.gather(one.open(), two.open())
    await one.store.record([callback("run_1"), callback("run_2", note="a"), odd()])
    assert len(await one.claim("lake")) == 2
    assert await two.claim("lake") == []
    await one.restart()
    assert len(await two.deliver_all("lake")) == 2
    assert (await one.one(callback("run_1"))).verdict is Verdict.DUPLICATE
    await one.audit()
    await one.vanish()
    await two.vanish()


async def test_what_was_acknowledged_survives_the_servers_death(
    url: str, older_postgres: LocalPostgres
) -> None:
    place = PostgresHarness(url)
    await place.open()
    await place.one(callback("run_1"))
    await asyncio.to_thread(older_postgres.kill)
    with pytest.raises(StoreBusyError):
        await place.store.record([callback("run_2")])
    await asyncio.to_thread(older_postgres.start)
    assert (await place.one(callback("run_1"))).verdict is Verdict.DUPLICATE
    assert (await place.one(callback("run_2"))).verdict is Verdict.FIRST
    assert len(await place.deliver_all("lake")) == 2
    await place.audit()
    await place.vanish()
