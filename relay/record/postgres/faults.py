"""Faults: what an exception inside a commit means for those who wait for it.

Owns telling apart the server, the way to it, its disk, the data, others who want the same rows, and
ourselves. Source: PostgreSQL, "Error Codes": the first two characters are the class.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg

from relay.core.errors import (
    InternalError,
    RelayError,
    StoreBusyError,
    StoreFullError,
    UnstorableError,
)
from relay.record.runs import Identity

__all__ = ["ContendedError", "is_lost", "translated"]

#: Serialization failure, deadlock.
_CONTENDED: Final = frozenset({"40001", "40P01"})
_FULL: Final = frozenset({"53100"})
#: Connection exceptions; the administrator or a crash ends us; insufficient resources; read-only, and
#: time limits that the administrator has set.
_AWAY: Final = ("08", "57P", "53", "25006", "25P03", "25P04", "55P03", "57014")
#: Data exceptions, integrity constraints, program limits.
_ITEM: Final = ("22", "23", "54")
#: How asyncpg says that a connection is gone, or that a statement took too long.
_LOST: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class ContendedError(RelayError):
    """The rows were not ours to take: nothing was written, and trying again settles it."""

    def __init__(self, message: str, *, needs: Sequence[Identity] = ()) -> None:
        """``needs`` are runs to be locked along with the group's own next time."""
        super().__init__(message)
        self.needs = tuple(needs)


def is_lost(error: Exception) -> bool:
    """Whether the connection is of no more use."""
    if isinstance(error, asyncpg.DataError):
        return False
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(
            ("08", "57P", "25006", "25P03", "25P04")
        )
    return isinstance(error, _LOST)


def translated(error: Exception) -> RelayError:
    """What a failed group means."""
    if isinstance(error, RelayError):
        return error
    if isinstance(error, asyncpg.DataError | UnicodeError | OverflowError):
        return UnstorableError(f"cannot be stored: {type(error).__name__}")
    if isinstance(error, asyncpg.PostgresError):
        return _of_server(error, error.sqlstate or "")
    if isinstance(error, _LOST):
        return StoreBusyError("the database does not answer")
    # Neither the server's fault nor the data's: it must not end as a 202.
    return InternalError(f"cannot be recorded: {type(error).__name__}")


def _of_server(error: asyncpg.PostgresError, state: str) -> RelayError:
    if state in _CONTENDED:
        return ContendedError(f"contended: {state}")
    if state in _FULL:
        return StoreFullError("the database's disk is full")
    if state.startswith(_AWAY):
        return StoreBusyError(f"the database cannot serve now ({state})")
    if state.startswith(_ITEM):
        return UnstorableError(f"cannot be stored: {type(error).__name__}")
    return InternalError(f"cannot be recorded: {type(error).__name__}")
