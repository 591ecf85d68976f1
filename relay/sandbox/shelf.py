"""The shelf: where the sandbox's state is kept so that it can begin again where it stopped.

Owns the SQLite file, its one writer thread and the order of what is written. What lies on it are whole
documents, one for each run, batch, secret, remembered answer and setting; what they mean is not known here.
Changes are gathered and written together; `kept` waits until all that was changed so far is in the file.
Killed at any moment, what was kept is there; a machine that loses power may lose the last moments.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self, TypeVar

import msgspec

__all__ = ["Shelf", "ShelfError"]

_APPLICATION: Final = 0x52_46_53_42  # "RFSB": other programs' files are left alone
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE things (
    kind TEXT NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (kind, number, name)
) STRICT, WITHOUT ROWID
"""
_PUT: Final = "INSERT OR REPLACE INTO things VALUES (?, ?, ?, ?)"
_ALL: Final = "SELECT document FROM things WHERE kind = ? ORDER BY number, name"

_Key = tuple[str, int, str]
_Row = tuple[str, int, str, bytes]
_T = TypeVar("_T")


class ShelfError(RuntimeError):
    """The file cannot be used: it is another program's, or another sandbox has it."""


class Shelf:
    """A SQLite file, written by a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sandbox state")
        self._file: sqlite3.Connection | None = None
        self._changed: dict[_Key, Callable[[], object]] = {}
        self._writing: asyncio.Task[None] | None = None

    async def open(self) -> Self:
        """Open the file, or make it.

        Raises:
            ShelfError: It cannot be used.
        """
        try:
            self._file = await self._in_thread(self._connect)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def load(self, kind: str, into: type[_T]) -> list[_T]:
        """Every document of a kind, in the order of their numbers."""
        rows = await self._in_thread(lambda: self._rows(kind))
        return [msgspec.json.decode(row, type=into) for row in rows]

    def put(
        self, kind: str, number: int, document: Callable[[], object], *, name: str = ""
    ) -> None:
        """Note that a document has changed.

        Args:
            kind: What it is.
            number: Its place in the order of its kind.
            document: Gives it when it is written, so that changes until then are in it.
            name: Its key, where the number is not enough.
        """
        self._changed[kind, number, name] = document

    async def kept(self) -> None:
        """Wait until all that was changed so far is in the file.

        Raises:
            sqlite3.Error: It cannot be written.
        """
        for _ in range(2):  # the writing under way may have begun before the change
            if self._writing is None and self._changed:
                loop = asyncio.get_running_loop()
                self._writing = loop.create_task(self._write(), name="sandbox state")
            if self._writing is not None:
                await asyncio.shield(self._writing)

    async def close(self) -> None:
        """Write what has changed and let go of the file."""
        try:
            await self.kept()
        finally:
            file, self._file = self._file, None
            if file is not None:
                await self._in_thread(file.close)
            self._thread.shutdown(wait=False)  # idle: nobody waits for it here

    async def _write(self) -> None:
        try:
            changed, self._changed = self._changed, {}
            rows = [
                (*key, msgspec.json.encode(made())) for key, made in changed.items()
            ]
            await self._in_thread(lambda: self._commit(rows))
        finally:
            self._writing = None

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _connect(self) -> sqlite3.Connection:
        try:
            file = sqlite3.connect(self._path, timeout=0, isolation_level=None)
            try:
                self._prepare(file)
            except BaseException:
                file.close()
                raise
        except sqlite3.Error as error:
            raise ShelfError(f"{self._path}: {error}") from None
        return file

    def _prepare(self, file: sqlite3.Connection) -> None:
        # two sandboxes on one file would undo each other
        file.execute("PRAGMA locking_mode=EXCLUSIVE")
        (application,) = file.execute("PRAGMA application_id").fetchone()
        (version,) = file.execute("PRAGMA user_version").fetchone()
        tables = file.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        new = not application and not tables
        if not new and (application, version) != (_APPLICATION, _VERSION):
            raise ShelfError(f"{self._path} is no state of this sandbox")
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("PRAGMA synchronous=NORMAL")
        file.execute("BEGIN EXCLUSIVE")
        if new:
            file.execute(_SCHEMA)
            file.execute(f"PRAGMA application_id={_APPLICATION}")
            file.execute(f"PRAGMA user_version={_VERSION}")
        file.execute("COMMIT")

    def _rows(self, kind: str) -> list[bytes]:
        found = self._opened().execute(_ALL, (kind,))
        return [bytes(document) for (document,) in found]

    def _commit(self, rows: Sequence[_Row]) -> None:
        file = self._opened()
        file.execute("BEGIN")
        try:
            file.executemany(_PUT, rows)
        except BaseException:
            file.execute("ROLLBACK")
            raise
        file.execute("COMMIT")

    def _opened(self) -> sqlite3.Connection:
        if self._file is None:
            raise ShelfError(f"{self._path} is not open")
        return self._file
