"""The disk: the store's file as each life of the process finds it, and the faults of its file system.

Owns copying what a dead process leaves behind, statements that fail as the script says, and looking at
the rows behind the store's back. Knows nothing of couriers or of who calls.
"""

import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any, Final

from relay.record.sqlite.connection import connect, migrate
from relay.record.sqlite.store import SqliteStore
from relay.record.sqlite.writer import Writer
from tests.simulator.script import StoreWay

__all__ = ["Disk", "FaultyConnection", "Room", "bare"]

#: Where a file costs memory alone, if there is such a place.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
_SUFFIXES: Final = ("", "-wal")


class Room:
    """A folder for many histories, with a store that is already of the current schema."""

    def __init__(self) -> None:
        where = _MEMORY if _MEMORY.is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="relay-", dir=where))
        self.template = self.folder / "template.db"
        connection = connect(self.template, synchronous="OFF")
        migrate(connection)
        connection.close()

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class FaultyConnection:
    """The store's connection, but for what the script says."""

    def __init__(self, connection: sqlite3.Connection, disk: "Disk") -> None:
        self._connection = connection
        self._disk = disk
        self.executemany = connection.executemany

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, values: Any = ()) -> Any:
        fault = self._disk.fault
        if fault is None or not sql.startswith(_STATEMENTS[fault]):
            return self._connection.execute(sql, values)
        self._disk.strike()
        if fault == "commits-and-fails":
            self._connection.execute(sql)
        raise _raised(fault)


def bare(writer: Writer) -> sqlite3.Connection:
    """A writer's connection, on which nothing fails."""
    found: Any = writer._db
    if isinstance(found, FaultyConnection):
        return found._connection
    return writer._db


_STATEMENTS: Final[dict[StoreWay, str]] = {
    "busy": "BEGIN IMMEDIATE",
    "full": "INSERT INTO",
    "fails": "COMMIT",
    "commits-and-fails": "COMMIT",
    "internal": "INSERT INTO",
}
_CODES: Final[dict[StoreWay, int]] = {
    "busy": sqlite3.SQLITE_BUSY,
    "full": sqlite3.SQLITE_FULL,
    "fails": sqlite3.SQLITE_IOERR,
    "commits-and-fails": sqlite3.SQLITE_IOERR,
}


def _raised(fault: StoreWay) -> Exception:
    if fault == "internal":
        return RuntimeError("out of order")
    error = sqlite3.OperationalError(fault)
    error.sqlite_errorcode = _CODES[fault]
    return error


class Disk:
    """One history's files: a new place for each life that ended without closing."""

    def __init__(self, room: Room, name: str) -> None:
        self._folder = room.folder / name
        self._folder.mkdir()
        self._lives = 0
        self.path = self._folder / "0.db"
        shutil.copyfile(room.template, self.path)
        #: What is wrong with the next statements, and for how many of them.
        self.fault: StoreWay | None = None
        self._times = 0
        self._observer: sqlite3.Connection | None = None

    # --- faults -----------------------------------------------------------------------------------

    def break_down(self, how: StoreWay, times: int) -> None:
        self.fault, self._times = how, times

    def mend(self) -> None:
        self.fault = None

    def strike(self) -> None:
        self._times -= 1
        if self._times <= 0:
            self.fault = None

    def attach(self, store: SqliteStore) -> None:
        """From now on what the store's writer says passes by here."""
        writer = store._writer
        assert writer is not None
        faulty: Any = FaultyConnection(writer._db, self)
        writer._db = faulty

    def leave_behind(self, store: SqliteStore) -> None:
        """The process is gone: files and log stay as they are, mid-sentence."""
        self.look_away()
        self._lives += 1
        new = self._folder / f"{self._lives}.db"
        for suffix in _SUFFIXES:
            part = self.path.with_name(self.path.name + suffix)
            if part.exists():
                shutil.copyfile(part, new.with_name(new.name + suffix))
        store._close()
        self.path = new

    def close(self) -> None:
        self.look_away()
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- looking ----------------------------------------------------------------------------------

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What anyone else can see now: what is committed."""
        if self._observer is None:
            self._observer = sqlite3.connect(
                f"file:{self.path}?mode=ro", uri=True, isolation_level=None
            )
        return self._observer.execute(sql, values).fetchall()

    def look_away(self) -> None:
        if self._observer is not None:
            self._observer.close()
            self._observer = None
