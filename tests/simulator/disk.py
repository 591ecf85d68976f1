"""The disk: the store's file as each life of the process finds it, and the faults of its file system.

Owns copying what a dead process leaves behind, what of it survives when the power goes, statements that
fail as the script says, and looking at the rows behind the store's back. Knows nothing of couriers or of
who calls.

What survives follows from what the store has asked of SQLite: with ``synchronous=FULL`` the log is synced
before a commit returns, with ``NORMAL`` only before a checkpoint (sqlite.org/pragma.html#pragma_synchronous).
What is not synced may be there all the same, sector by sector; what is synced is not harmed by writes
beside it (sqlite.org/psow.html). ``tests/acceptance/test_fsync_order.py`` holds SQLite to the first half.
"""

import gc
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Final

from relay.record.sqlite.connection import connect, log_size, migrate
from relay.record.sqlite.store import SqliteStore
from relay.record.sqlite.writer import Writer
from tests.simulator.script import StoreWay

__all__ = ["Disk", "FaultyConnection", "Room", "bare"]

#: Where a file costs memory alone, if there is such a place.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
_LOG: Final = "-wal"
_SUFFIXES: Final = ("", _LOG)
#: The least that a disk writes as one.
_SECTOR: Final = 512
#: ``PRAGMA synchronous``: from here on a commit is synced before it returns.
_FULL: Final = 2


class Room:
    """A folder for many histories, with a store that is already of the current schema."""

    def __init__(self) -> None:
        where = _MEMORY if _MEMORY.is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="relay-", dir=where))
        self.template = self.folder / "template.db"
        connection = connect(self.template, synchronous="OFF")
        migrate(connection)
        # Whoever is born elsewhere has another one, and a history is the same wherever it is played.
        connection.execute(
            "INSERT INTO meta (key, value) VALUES ('installation', 'here')"
        )
        connection.close()
        # What is there now stays, and need not be looked through whenever a history leaves something behind.
        gc.collect()
        gc.freeze()
        self._collecting = gc.get_threshold()
        gc.set_threshold(20_000, 20, 100)

    def close(self) -> None:
        gc.set_threshold(*self._collecting)
        gc.unfreeze()
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
            done = self._connection.execute(sql, values)
            if sql == "COMMIT":
                self._disk.written()
            return done
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

    def __init__(self, room: Room, name: str, dice: Random, *, tears: bool) -> None:
        """``tears``: the power may go, and what is synced matters."""
        self._tears = tears
        self._folder = room.folder / name
        self._folder.mkdir()
        self._dice = dice
        self._lives = 0
        self.path = self._folder / "0.db"
        shutil.copyfile(room.template, self.path)
        #: What is wrong with the next statements, and for how many of them.
        self.fault: StoreWay | None = None
        self._times = 0
        #: Whether less is free than the limit asks for.
        self.full = False
        self._store: SqliteStore | None = None
        #: Bytes of the log that no loss of power takes away.
        self._synced = 0
        self._waits = False
        self._commits = 0
        #: What happens in which commit, between writing and syncing.
        self.hooks: dict[int, Callable[[], None]] = {}
        self._observer: sqlite3.Connection | None = None

    # --- faults -----------------------------------------------------------------------------------

    def break_down(self, how: StoreWay, times: int) -> None:
        self.fault, self._times = how, times

    def mend(self) -> None:
        self.fault = None
        self.hooks.clear()

    def strike(self) -> None:
        self._times -= 1
        if self._times <= 0:
            self.fault = None

    def fill(self, *, full: bool) -> None:
        """From now on less is free than has to be, or enough again."""
        self.full = full
        if self._store is not None:
            self._limit(self._store)

    # --- lives ------------------------------------------------------------------------------------

    def attach(self, store: SqliteStore) -> None:
        """From now on what the store's writer says passes by here."""
        writer = store._writer
        assert writer is not None
        self._store = store
        self._limit(store)
        [(mode,)] = writer._db.execute("PRAGMA synchronous").fetchall()
        self._waits = mode >= _FULL
        self.sync()
        faulty: Any = FaultyConnection(writer._db, self)
        writer._db = faulty

    @property
    def least_free(self) -> int:
        """What has to be free. As much as this is free nowhere: it is as if the disk had filled up."""
        return 1 << 62 if self.full else 0

    def _limit(self, store: SqliteStore) -> None:
        store._limits = replace(store._limits, min_free_disk=self.least_free)

    def written(self) -> None:
        """A commit is in the log; it returns when it is synced, where that was asked for."""
        self._commits += 1
        hook = self.hooks.pop(self._commits, None)
        if hook is not None:
            hook()
        self.sync()

    def sync(self) -> None:
        """The log is synced, if the store's connection waits for that."""
        if not self._tears:
            return
        size = log_size(self.path)
        self._synced = size if self._waits else min(self._synced, size)

    def leave_behind(self, store: SqliteStore, *, powerless: bool) -> None:
        """The process is gone: files and log stay as they are, mid-sentence."""
        self.look_away()
        self._store = None
        self._lives += 1
        new = self._folder / f"{self._lives}.db"
        for suffix in _SUFFIXES:
            part = self.path.with_name(self.path.name + suffix)
            if part.exists():
                shutil.copyfile(part, new.with_name(new.name + suffix))
        store._close()
        self.path = new
        if powerless:
            self._tear(new.with_name(new.name + _LOG))

    def _tear(self, log: Path) -> None:
        """Of what is not synced only some is there, and some of that never was written."""
        if not log.exists():
            return
        whole = log.read_bytes()
        unsynced = range(self._synced, len(whole), _SECTOR)
        end = self._dice.choice((self._synced, *unsynced, len(whole)))
        torn = bytearray(whole[:end])
        for start in range(-(-self._synced // _SECTOR) * _SECTOR, end, _SECTOR):
            if self._dice.random() < 0.2:
                torn[start : start + _SECTOR] = bytes(
                    len(torn[start : start + _SECTOR])
                )
        log.write_bytes(torn)

    def closed(self) -> None:
        """The store was closed as it should be: its log was moved into the file, and synced."""
        self._store = None
        self._synced = 0

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
