"""A real PostgreSQL for the tests: one server for the whole run, a database for each test.

Owns the servers and the databases' names. Tests that kill or hang a server take the fixture
``postgres`` (or ``old_postgres``) too; it is put right again after each test.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from tests.postgres import binaries
from tests.postgres.local_postgres import TEMPLATE, LocalPostgres
from tests.postgres.pgbouncer import PgBouncer

__all__ = [
    "Database",
    "database",
    "database_template",
    "old_postgres",
    "old_postgres_of_session",
    "pgbouncer",
    "postgres",
    "postgres_of_session",
]

_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database of its own, and whose it is."""

    server: LocalPostgres
    name: str

    @property
    def url(self) -> str:
        return self.server.url(self.name)


@pytest.fixture(scope="session")
def postgres_of_session() -> Iterator[LocalPostgres]:
    with LocalPostgres() as server:
        yield server


@pytest.fixture
def postgres(postgres_of_session: LocalPostgres) -> Iterator[LocalPostgres]:
    """The server, running, whatever the test does to it."""
    yield postgres_of_session
    postgres_of_session.start()


@pytest.fixture(scope="session")
def old_postgres_of_session() -> Iterator[LocalPostgres]:
    with LocalPostgres(programs=binaries.system()) as server:
        yield server


@pytest.fixture
def old_postgres(old_postgres_of_session: LocalPostgres) -> Iterator[LocalPostgres]:
    """The oldest server that we support, running, whatever the test does to it."""
    yield old_postgres_of_session
    old_postgres_of_session.start()


@pytest.fixture(scope="session")
def database_template() -> str:
    """What each test's database is a copy of; a folder of tests may have one of its own."""
    return TEMPLATE


@pytest.fixture
async def database(
    postgres: LocalPostgres, database_template: str
) -> AsyncIterator[Database]:
    """A fresh database for each test."""
    name = f"test_{next(_NUMBERS)}"
    await postgres.create_database(name, template=database_template)
    yield Database(server=postgres, name=name)
    await asyncio.to_thread(postgres.start)
    await postgres.drop_database(name)


@pytest.fixture
def pgbouncer(postgres: LocalPostgres) -> Iterator[PgBouncer]:
    """A pooler before the server, with empty pools."""
    with PgBouncer(server=postgres) as pooler:
        yield pooler
