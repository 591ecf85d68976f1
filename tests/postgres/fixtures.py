"""A real PostgreSQL for the tests: one server for the whole run, a database for each test.

Owns the servers and the databases' names. Tests that kill or hang a server take the fixture
``postgres`` too; it is put right again after each test. It is the newest release unless the run
was begun with ``--postgres MAJOR``; ``older_postgres`` is each of the older ones in turn, and ``store`` a store of
either kind for what both have to keep.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.daemon import DaemonUnavailableError
from tests.postgres import binaries, releases
from tests.postgres.local_postgres import TEMPLATE, LocalPostgres
from tests.postgres.pgbouncer import PgBouncer

__all__ = [
    "Database",
    "database",
    "database_template",
    "older_postgres",
    "older_postgres_of_session",
    "pgbouncer",
    "postgres",
    "postgres_of_session",
    "programs",
    "store",
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


def programs(major: int) -> Path:
    """The programs of a release.

    Raises:
        DaemonUnavailableError: it is none that is promised, or cannot be had.
    """
    if major == binaries.NEWEST:
        return binaries.embedded()
    if major not in releases.MAJORS:
        raise DaemonUnavailableError(f"no PostgreSQL {major} is listed")
    return releases.programs(major)


@pytest.fixture(scope="session")
def postgres_of_session(request: pytest.FixtureRequest) -> Iterator[LocalPostgres]:
    major: int = request.config.getoption("--postgres")
    with LocalPostgres(programs=programs(major)) as server:
        yield server


@pytest.fixture
def postgres(postgres_of_session: LocalPostgres) -> Iterator[LocalPostgres]:
    """The server, running, whatever the test does to it."""
    yield postgres_of_session
    postgres_of_session.start()


@pytest.fixture(scope="session", params=releases.MAJORS)
def older_postgres_of_session(
    request: pytest.FixtureRequest,
) -> Iterator[LocalPostgres]:
    with LocalPostgres(programs=programs(request.param)) as server:
        yield server


@pytest.fixture
def older_postgres(older_postgres_of_session: LocalPostgres) -> Iterator[LocalPostgres]:
    """A server of each older release that we support, running, whatever the test does to it."""
    yield older_postgres_of_session
    older_postgres_of_session.start()


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


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> str:
    """The URL of a store of each kind."""
    if request.param == "sqlite":
        return "sqlite:///relay.db"
    url: str = request.getfixturevalue("database").url
    return url
