"""A local PostgreSQL: the real server, with databases made and dropped at will.

Owns the cluster, its settings and roles: one superuser for administration, and ``relay``, who owns
every database that is made here and may do no more than an owner may. Must not know what is kept in
them.
"""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar, Final

import asyncpg

from tests import processes
from tests.daemon import Daemon, DaemonUnavailableError
from tests.places import HOST
from tests.postgres import binaries

__all__ = ["TEMPLATE", "USERNAME", "LocalPostgres"]

#: The role that tests connect as.
USERNAME: Final = "relay"
#: What a new database is a copy of unless told otherwise: an empty one.
TEMPLATE: Final = "template1"
_ADMINISTRATOR: Final = "postgres"
_ANSWER_LIMIT_S: Final = 10.0
#: Of ``postmaster.pid``: key and number of the segment that guards the data directory.
_MEMORY_LINE: Final = 7
_SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "16MB",
    # What a killed server leaves of it lies in its own directory, and goes with that.
    "dynamic_shared_memory_type": "mmap",
    # Said, though they are PostgreSQL's own: what is acknowledged is kept.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}


class LocalPostgres(Daemon):
    """One server on loopback, asking for a password, without TLS.

    Args:
        programs: folder of ``initdb`` and ``postgres``; without one, those of the wheel.
        settings: of the server, over the ones above: ``{"fsync": "off"}``.
        start_limit_s: how long a start may take, in seconds.
    """

    name: ClassVar[str] = "postgres"
    # Fast: transactions are rolled back, connections closed, all is written.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(
        self,
        *,
        programs: Path | None = None,
        settings: Mapping[str, str] | None = None,
        start_limit_s: float = 60.0,
    ) -> None:
        super().__init__(start_limit_s=start_limit_s)
        self._programs = programs or binaries.embedded()
        self._settings = {**_SETTINGS, **(settings or {})}
        self._data = self._directory / "data"
        # Others on this machine can reach loopback too.
        self._password = secrets.token_hex(16)
        self._whole = False

    @property
    def password(self) -> str:
        """Of every role."""
        return self._password

    def url(self, database: str) -> str:
        return self._url(USERNAME, database)

    def administrator_url(self, database: str) -> str:
        """For what an owner may not do: looking at others' sessions, ending them."""
        return self._url(_ADMINISTRATOR, database)

    def start(self) -> None:
        super().start()
        if not self._whole:
            asyncio.run(self._create_role())
            self._whole = True

    async def create_database(self, name: str, *, template: str = TEMPLATE) -> None:
        """Make a database of ``relay``'s as a copy of another, which nobody may be using."""
        what = f"CREATE DATABASE {_quoted(name)} OWNER {USERNAME}"
        await self._administer(f"{what} TEMPLATE {_quoted(template)}")

    async def drop_database(self, name: str) -> None:
        """End a database and every connection to it; nothing happens if there is none."""
        await self._administer(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")

    def close(self) -> None:
        self.stop()
        self._forget_memory()
        super().close()

    def _forget_memory(self) -> None:
        """What a killed server could not: the next one on its data would have done it."""
        lock = self._data / "postmaster.pid"
        lines = lock.read_text().splitlines() if lock.exists() else []
        if len(lines) >= _MEMORY_LINE:
            _, identifier = lines[_MEMORY_LINE - 1].split()
            processes.forget_memory(int(identifier))

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._password}@{HOST}:{self._port}/{database}"

    def _prepare(self) -> None:
        if self._data.exists():
            return
        secret = self._directory / "password"
        secret.write_text(self._password)
        if self._account:
            self._account.give(secret)
        self._run(
            [
                str(self._programs / "initdb"),
                f"--pgdata={self._data}",
                f"--username={_ADMINISTRATOR}",
                f"--pwfile={secret}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                # Only a machine that loses its power could tell; from then on all is synced.
                "--no-sync",
            ]
        )
        secret.unlink()

    def _command(self) -> Sequence[str]:
        settings = {"port": str(self._port), **self._settings}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self._programs / "postgres"), "-D", str(self._data), *options]

    async def _check(self) -> None:
        await self._administer("SELECT 1")

    async def _create_role(self) -> None:
        await self._administer(
            f"CREATE ROLE {USERNAME} LOGIN PASSWORD '{self._password}'"
        )

    async def _administer(self, statement: str) -> None:
        async with self._administrator() as connection:
            await connection.execute(statement)

    @asynccontextmanager
    async def _administrator(self) -> AsyncIterator[asyncpg.Connection]:
        url = self.administrator_url("postgres")
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                connection = await asyncpg.connect(url, ssl=False)
                try:
                    yield connection
                finally:
                    await connection.close()
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DaemonUnavailableError(f"{self.name}: {error}") from error


def _quoted(name: str) -> str:
    if not name.isidentifier():
        raise ValueError(f"not a plain name: {name!r}")
    return f'"{name}"'
