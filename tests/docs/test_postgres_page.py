"""The page on deploying with PostgreSQL: what it tells an administrator to do is done here, and suffices."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from relay.app.service import Service
from relay.app.stores import read_ledger, recount
from relay.core.errors import MisconfiguredError, StoreBusyError
from tests.app.relaying import holds, post, settings_of
from tests.docs.pages import example
from tests.postgres.local_postgres import LocalPostgres
from tests.postgres.pgbouncer import PgBouncer

pytestmark = pytest.mark.postgres

PAGE = "docs/deploying.md"
SQL = [example(PAGE, "database"), example(PAGE, "schema")]
CONNECT = "\\connect "
#: The page's role is the one that all other tests use.
ROLE = "paged"


async def carry_out(server: LocalPostgres, script: str) -> None:
    """What an administrator types, and then the password."""
    connection = await asyncpg.connect(server.administrator_url("postgres"))
    for line in re.sub(r"\brelay\b", ROLE, script).splitlines():
        if line.startswith(CONNECT):
            await connection.close()
            database = line.removeprefix(CONNECT)
            connection = await asyncpg.connect(server.administrator_url(database))
        else:
            assert line.endswith(";")
            await connection.execute(line)
    await connection.execute(f"ALTER ROLE {ROLE} PASSWORD '{server.password}'")
    await connection.close()


@pytest.fixture
async def shared(postgres: LocalPostgres) -> AsyncIterator[str]:
    """A database of somebody else's, with a table that has a name of ours; no role of the page's is left."""
    await postgres.create_database("shared")
    admin = await asyncpg.connect(postgres.administrator_url("shared"))
    await admin.execute("CREATE TABLE meta (theirs int); GRANT ALL ON meta TO PUBLIC")
    await admin.close()
    yield "shared"
    await postgres.drop_database("shared")
    await postgres.drop_database(ROLE)
    admin = await asyncpg.connect(postgres.administrator_url("postgres"))
    await admin.execute(f"DROP ROLE IF EXISTS {ROLE}")
    await admin.close()


def url(server: LocalPostgres | PgBouncer, database: str) -> str:
    return server.url(database).replace("//relay:", f"//{ROLE}:")


async def serves(directory: Path, store: str) -> None:
    """Tables and days are made, a callback is delivered, the account is read and counted anew."""
    settings = await settings_of(directory, store)
    for number in (1, 2):
        async with Service(settings) as service:
            assert await post(service, number) == 202
            await holds(directory / "audit.jsonl", number)
    counted, recounted = await recount(settings)
    assert counted == recounted == await read_ledger(settings)
    assert counted.destinations["audit"].delivered == 2


@pytest.mark.parametrize("which,database", [(0, ROLE), (1, "shared")])
async def test_the_privileges_that_the_page_names_suffice(
    which: int, database: str, postgres: LocalPostgres, shared: str, tmp_path: Path
) -> None:
    await carry_out(postgres, SQL[which])
    await serves(tmp_path, url(postgres, database))
    admin = await asyncpg.connect(postgres.administrator_url(shared))
    theirs = await admin.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    await admin.close()
    assert [row["tablename"] for row in theirs] == ["meta"]


async def test_a_role_without_a_place_of_its_own_is_told_so(
    postgres: LocalPostgres, shared: str, tmp_path: Path
) -> None:
    role = SQL[1].splitlines()[0]
    await carry_out(postgres, role)
    settings = await settings_of(tmp_path, url(postgres, shared))
    with pytest.raises(
        MisconfiguredError,
        match=r"store postgresql.*: cannot use the database: .* of its own",
    ):
        async with Service(settings):
            pass


async def test_a_pooler_refuses_a_search_path_in_the_url(
    postgres: LocalPostgres, pgbouncer: PgBouncer, shared: str, tmp_path: Path
) -> None:
    await postgres.create_database("pooled")
    store = f"{pgbouncer.url('pooled')}?search_path=relay"
    settings = await settings_of(tmp_path, store)
    with pytest.raises((MisconfiguredError, StoreBusyError), match="search_path"):
        await read_ledger(settings)
    await postgres.drop_database("pooled")
    assert shared
