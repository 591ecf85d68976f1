"""Faults: what an exception inside a commit means for those who wait for it.

Owns telling apart the file, the disk, the data and ourselves.
"""

import sqlite3
from typing import Final

from relay.core.errors import (
    InternalError,
    RelayError,
    StoreBusyError,
    StoreFailedError,
    StoreFullError,
    UnstorableError,
)

__all__ = ["translated"]

#: What no store can keep: a text that is not Unicode, a number beyond 64 bits, what cannot be bound.
_DATA: Final = (UnicodeError, OverflowError, sqlite3.DataError, sqlite3.InterfaceError)
_FULL: Final = frozenset({sqlite3.SQLITE_FULL})
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_ITEM: Final = frozenset(
    {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH}
)


def translated(error: Exception) -> RelayError:
    """What a failed group means."""
    if isinstance(error, RelayError):
        return error
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int):
        return _of_sqlite(error, code)
    if isinstance(error, _DATA):
        return UnstorableError(f"cannot be stored: {type(error).__name__}")
    # Neither the file's fault nor the data's: it must not end as a 202.
    return InternalError(f"cannot be recorded: {type(error).__name__}")


def _of_sqlite(error: Exception, code: int) -> RelayError:
    """The low byte of the code is SQLite's primary result code (sqlite.org/rescode.html)."""
    primary = code & 0xFF
    if primary in _FULL:
        return StoreFullError("the disk is full")
    if primary in _BUSY:
        return StoreBusyError("the store is locked")
    if primary in _ITEM:
        return UnstorableError(f"cannot be stored: {error}")
    # A failed fsync leaves the page cache and the disk apart: nothing after it can be trusted.
    return StoreFailedError(f"the store failed: {error}")
