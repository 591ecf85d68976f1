"""No statement walks over a table that grows with every callback."""

import asyncio
import re
from collections.abc import Iterable
from pathlib import Path

import asyncpg
import pytest

from relay.record.postgres.connection import Connection, migrate
from relay.record.postgres.partitions import Partitions
from relay.record.sqlite.connection import connect
from relay.record.sqlite.connection import migrate as migrate_file
from relay.record.statements import statements
from tests.fakes import NOW_US
from tests.postgres.fixtures import Database

_GROWS = ("attempts", "deliveries", "events", "receipts", "runs")
#: Counting anew looks at everything, and counting a day that goes at that day. So does a question about secrets.
_WALKS = {"recount_sources", "recount_destinations", "count_leaving", "key_uses"}
#: A start on a file looks at all that is open, in the index that holds nothing else.
_WALKS_OPEN = {"void_leases"}
#: The last thousand of those in quarantine, in the index that holds nothing else.
_LOOKS_INTO = {"find_in_quarantine"}
#: What lies in quarantine and what is dead, each in an index that holds nothing else; read by who only looks.
_WALKS_ASIDE = {"sum_dead", "sum_quarantine", "list_quarantine", "next_quarantined"}


def growing(tables: Iterable[str]) -> set[str]:
    """Of these tables, those that grow. Days that have left are each walked over once, when they go; a
    sequence is one row."""
    return {
        table
        for table in tables
        if table.startswith(_GROWS)
        and table != "receipts_leaving"
        and not table.endswith("_numbers")
    }


def test_in_the_file_every_statement_goes_by_an_index(tmp_path: Path) -> None:
    connection = connect(tmp_path / "relay.db")
    migrate_file(connection)
    walking = set()
    for name, sql in statements("sqlite").items():
        values: object = [None] * sql.count("?")
        if ":" in sql:
            values = dict.fromkeys(re.findall(r":(\w+)", sql))
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)  # type: ignore[arg-type]  # either form
        scanned = re.findall(r"SCAN (\w+)", "\n".join(row[3] for row in rows))
        tables = {short: table for table, short in re.findall(r"(\w+) AS (\w+)", sql)}
        if growing(tables.get(word, word) for word in scanned):
            walking.add(name)
    connection.close()
    aside = _LOOKS_INTO | _WALKS_ASIDE
    assert walking == _WALKS - {"count_leaving"} | _WALKS_OPEN | aside


@pytest.mark.postgres
async def test_in_the_database_every_statement_goes_by_an_index(
    database: Database,
) -> None:
    """A walk that is forbidden and made all the same has no index to go by."""
    connection = await asyncpg.connect(database.url, statement_cache_size=0)
    await migrate(connection)
    await Partitions().ensure(connection, NOW_US)
    await connection.execute("SET enable_seqscan = off")
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    walking = set()
    found = await asyncio.to_thread(statements, "postgres")
    for name, sql in found.items():
        if "LOCK TABLE" in sql:
            continue
        count = max((int(n) for n in re.findall(r"\$(\d+)", sql)), default=0)
        nulls = f"({', '.join(['NULL'] * count)})" if count else ""
        await connection.execute(f"PREPARE {name} AS {sql}")
        rows = await connection.fetch(f"EXPLAIN EXECUTE {name}{nulls}")
        scanned = re.findall(r"Seq Scan on (\w+)", "\n".join(row[0] for row in rows))
        if growing(scanned):
            walking.add(name)
    await connection.close()
    assert walking == _WALKS - {"count_leaving"}


@pytest.mark.postgres
@pytest.mark.parametrize(
    "name,given",
    [
        ("sum_told", "'lake', 1, NULL, NULL, 0, 9, NULL, TRUE, 1, 9, NULL"),
        ("list_told", "'lake', 1, NULL, NULL, 0, 9, NULL, TRUE, 1, 9, 9"),
        ("next_told", "1, 1, 1, 0, 9, NULL, NULL, 0, 9, NULL, TRUE, 9"),
    ],
)
async def test_from_where_a_destination_is_behind_is_looked_up_once(
    name: str, given: str, database: Database
) -> None:
    """And not compared with each event again for each other event."""
    connection = await asyncpg.connect(database.url, statement_cache_size=0)
    await migrate(connection)
    plan = await _plan(connection, name, given)
    await connection.close()
    assert "events" in plan
    assert "behind_from" not in plan


@pytest.mark.postgres
@pytest.mark.parametrize(
    "name,given",
    [
        ("find_span", "{since}, {until}"),
        ("sum_told", "'lake', 1, NULL, NULL, {told}, NULL"),
        ("list_told", "'lake', 1, NULL, NULL, {told}, 9"),
    ],
)
async def test_the_last_days_of_a_year_are_looked_up(
    name: str, given: str, database: Database
) -> None:
    """By its times or its numbers; the smallest of these is not searched for from the first event on."""
    connection = await asyncpg.connect(database.url, statement_cache_size=0)
    await migrate(connection)
    await connection.execute(
        """INSERT INTO events (number, run, revision, id, outcome, confirmed, receipt, builder, routed, created_at)
        SELECT n, n, 1, n::text::bytea, 1, 1, n, 1, '[]', n * 1000 FROM generate_series(1, 20000) AS n"""
    )
    await connection.execute("ANALYZE events")
    since, until = 19_500_000, 20_000_001
    told = f"{since}, {until}, NULL, TRUE, 19500, 20000"
    values = given.format(since=since, until=until, told=told)
    plan = await _plan(connection, name, values)
    await connection.close()
    assert re.search(r"Index Cond: \(\((number|created_at) >=", plan), plan


async def _plan(connection: Connection, name: str, given: str) -> str:
    """How the server would go about a statement, given these values."""
    sql = (await asyncio.to_thread(statements, "postgres"))[name]
    await connection.execute(f"PREPARE {name} AS {sql}")
    rows = await connection.fetch(f"EXPLAIN EXECUTE {name}({given})")
    return "\n".join(row[0] for row in rows)
