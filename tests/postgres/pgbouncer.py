"""A local PgBouncer: the real pooler, in front of a local PostgreSQL, in transaction mode.

Owns its configuration. Must not know who its clients are.

Source: PgBouncer 1.18, "pgbouncer.ini" (https://www.pgbouncer.org/config.html).
"""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import asyncpg

from tests.daemon import Daemon, DaemonUnavailableError
from tests.places import HOST
from tests.postgres import binaries
from tests.postgres.local_postgres import USERNAME, LocalPostgres

__all__ = ["PgBouncer"]


class PgBouncer(Daemon):
    """One pooler: a client holds a backend for as long as a transaction and no longer.

    Args:
        server: whom it stands before; it knows every database there.
        settings: of the pooler: ``{"default_pool_size": "2"}``.
        start_limit_s: how long a start may take, in seconds.
    """

    name: ClassVar[str] = "pgbouncer"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(
        self,
        *,
        server: LocalPostgres,
        settings: Mapping[str, str] | None = None,
        start_limit_s: float = 20.0,
    ) -> None:
        super().__init__(start_limit_s=start_limit_s)
        self._server = server
        self._settings = dict(settings or {})

    def url(self, database: str) -> str:
        return f"postgresql://{USERNAME}:{self._server.password}@{HOST}:{self._port}/{database}"

    def _prepare(self) -> None:
        users = self._file("users.txt", f'"{USERNAME}" "{self._server.password}"\n')
        settings = {
            "listen_addr": HOST,
            "listen_port": str(self._port),
            "unix_socket_dir": "",
            "pool_mode": "transaction",
            "auth_type": "scram-sha-256",
            "auth_file": str(users),
            # One who tries for the server again finds it as soon as it is back.
            "server_login_retry": "0",
            **self._settings,
        }
        lines = [f"{name} = {value}\n" for name, value in settings.items()]
        door = f"* = host={HOST} port={self._server.port}\n"
        self._file("pgbouncer.ini", f"[databases]\n{door}[pgbouncer]\n{''.join(lines)}")

    def _file(self, name: str, text: str) -> Path:
        path = self._directory / name
        path.write_text(text)
        if self._account:
            self._account.give(path)
        return path

    def _command(self) -> Sequence[str]:
        return [str(binaries.pgbouncer()), str(self._directory / "pgbouncer.ini")]

    async def _check(self) -> None:
        try:
            connection = await asyncpg.connect(self.url("postgres"), ssl=False)
            try:
                await connection.execute("SELECT 1")
            finally:
                await connection.close()
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DaemonUnavailableError(f"{self.name}: {error}") from error
