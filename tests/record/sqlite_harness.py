"""The embedded store in a temporary folder, for the law and for the state machine."""

import shutil
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any, cast

from relay.app.system import ThreadExecutor
from relay.core.ledger import Ledger
from relay.core.timeline import Findings
from relay.record.grouped import Limits
from relay.record.sqlite.history import find_in
from relay.record.sqlite.ledger import read_ledger_of, recount_of
from relay.record.sqlite.letters import SqliteLetters
from relay.record.sqlite.store import SqliteStore
from tests.record.harness import StoreHarness

__all__ = ["SqliteHarness"]


class SqliteHarness(StoreHarness):
    """A file. A process that dies leaves the file and its log as they were, and no more."""

    spares_newest = True

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._lives = 0
        self._executor = ThreadExecutor("store")
        #: Fit for disks that are nearly full: the tests' own say what is too little.
        self.min_free_disk = 0
        self.store_bytes = 1 << 40
        self.path = folder / "0" / "relay.db"

    def make(self) -> SqliteStore:
        return SqliteStore(
            self.path,
            clock=self.clock,
            executor=self._executor,
            checkpoints=self.checkpoints,
            metrics=self.metrics,
            handover=self.handover,
            limits=Limits(
                group_size=self.bounds.group_size,
                waiting=self.bounds.waiting,
                ack_timeout_s=self.bounds.ack_timeout_s,
                refusals_kept=self.bounds.refusals_kept,
                keeping=self.keeping,
                min_free_disk=self.min_free_disk,
                store_bytes=self.store_bytes,
            ),
            router=lambda: self.router,
        )

    # --- what only a file has ---------------------------------------------------------------------

    @property
    def log(self) -> Path:
        """The write-ahead log."""
        return self.path.with_name(self.path.name + "-wal")

    @property
    def connection(self) -> sqlite3.Connection:
        """The store's own connection, while its thread is idle."""
        assert isinstance(self.store, SqliteStore)
        assert self.store._connection is not None
        return self.store._connection

    def troubles(self) -> list[str]:
        """Why nothing can be taken in now."""
        assert isinstance(self.store, SqliteStore)
        return [self.store.trouble] if self.store.trouble else []

    @property
    def full(self) -> str | None:
        assert isinstance(self.store, SqliteStore)
        return self.store._full

    def leave_pages(self, count: int) -> None:
        """From now on the file may grow by so many pages, as if the disk were full then."""
        [(pages,)] = self.connection.execute("PRAGMA page_count").fetchall()
        self.connection.execute(f"PRAGMA max_page_count = {pages + count}")

    def obstruct(self, statement: str, code: int) -> None:
        """From now on this statement fails with a result code of SQLite's."""
        assert isinstance(self.store, SqliteStore)
        assert self.store._writer is not None
        obstructed = _Obstructed(self.store._writer._db, statement, code)
        self.store._writer._db = cast("sqlite3.Connection", obstructed)

    # --- the harness ------------------------------------------------------------------------------

    async def abandon(self) -> None:
        self._lives += 1
        new = self._folder / str(self._lives) / self.path.name
        await self._executor.run(partial(_leave_behind, self.path, new))
        await self.store.close()
        self.path = new

    async def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return _rows(self.path, sql, values)

    async def execute(self, sql: str, *values: object) -> None:
        connection = sqlite3.connect(self.path)
        with connection:
            connection.execute(sql, values)
        connection.close()

    async def next_number(self, table: str) -> int:
        # The one writer counts on from the highest when it opens the file.
        [(last,)] = await self.rows(f"SELECT MAX(number) FROM {table}")  # noqa: S608 - a test's own word
        return int(last) + 1

    def committed(self, table: str) -> int:
        [(found,)] = _rows(self.path, f"SELECT COUNT(*) FROM {table}", ())  # noqa: S608 - a test's own word
        return int(found)

    async def ledger(self) -> Ledger:
        return await self._executor.run(partial(read_ledger_of, self.path))

    async def recount(self) -> Ledger:
        _, recounted = await self._executor.run(partial(recount_of, self.path))
        return recounted

    async def find(self, text: str, source: str | None) -> Findings:
        return await self._executor.run(partial(find_in, self.path, text, source))

    def leave_full(self, *, full: bool = True) -> None:
        assert isinstance(self.store, SqliteStore)
        assert self.store._writer is not None
        reason = "a limit is reached" if full else None
        self.store._writer._is_full = lambda: reason

    def letters(self) -> SqliteLetters:
        return SqliteLetters(self.path)

    async def vanish(self) -> None:
        self.checkpoints.clear()
        await self.finish_running()
        await self.store.close()
        self._executor.close()


class _Obstructed:
    """A connection, but for one statement. What SQLite makes of real faults others have to show."""

    def __init__(
        self, connection: "sqlite3.Connection | _Obstructed", statement: str, code: int
    ) -> None:
        self._connection = connection
        self._statement = statement
        self._code = code

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *values: Any) -> Any:
        if sql.startswith(self._statement):
            error = sqlite3.OperationalError("obstructed")
            error.sqlite_errorcode = self._code
            raise error
        return self._connection.execute(sql, *values)


def _leave_behind(old: Path, new: Path) -> None:
    """What a dead process leaves: the file and its log, mid-sentence. Its locks die with it."""
    new.parent.mkdir(parents=True)
    for suffix in ("", "-wal"):
        part = old.with_name(old.name + suffix)
        if part.exists():
            shutil.copyfile(part, new.with_name(new.name + suffix))


def _rows(path: Path, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()
