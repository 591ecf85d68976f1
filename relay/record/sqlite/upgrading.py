"""Upgrading: the file's tables are brought up to date by a command, while no relay serves it.

Owns doing so under the lock that a relay would hold. What a step changes is in the migrations.
"""

import sqlite3
from pathlib import Path

from relay.record.sqlite.connection import (
    LockFile,
    connect,
    migrate,
    not_opened,
    schema_of,
)

__all__ = ["upgrade"]


def upgrade(path: Path) -> tuple[int, int]:
    """Give the number of the schema before and after; 0 before where there was none.

    Raises:
        MisconfiguredError: locked by a relay, of another program, or newer than this one.
        StoreFullError: the disk has no room for it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = LockFile(path)
        lock.acquire()
        try:
            return _upgrade(path)
        finally:
            lock.release()
    except (OSError, sqlite3.Error) as error:
        raise not_opened(path, error) from error


def _upgrade(path: Path) -> tuple[int, int]:
    connection = connect(path)
    try:
        before = schema_of(connection)
        return before, migrate(connection)
    finally:
        # The last connection to close moves the log into the file and removes it.
        connection.close()
