"""Ledger: the counters in the file, and the recount that must agree with them.

Owns reading the account, and counting the rows again by another way; by destination and by secret, too.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from relay.core.credential import KeyUse
from relay.core.holding import Condition
from relay.core.ledger import (
    DESTINATION_COUNTERS,
    SOURCE_COUNTERS,
    DestinationCounts,
    Ledger,
    SourceCounts,
)
from relay.record.accounts import FOLDS
from relay.record.sqlite.connection import reading
from relay.record.sqlite.holding import read_conditions
from relay.record.statements import statements

__all__ = [
    "fold",
    "read_conditions_of",
    "read_ledger_of",
    "read_uses_of",
    "recount_of",
]


def fold(
    connection: sqlite3.Connection, sql: Mapping[str, str], incarnation: int
) -> None:
    """Add up the counters of starts that are over: they are as many as names, not as starts."""
    connection.execute("BEGIN IMMEDIATE")
    for take, add in FOLDS:
        over = connection.execute(sql[take], (incarnation,)).fetchall()
        connection.executemany(sql[add], [(0, *row) for row in over])
    connection.execute("COMMIT")


def read_ledger_of(path: Path) -> Ledger:
    """The account of the store in a file, whether or not a relay is serving it.

    Raises:
        MisconfiguredError: there is no store there, or it cannot be read.
    """
    with reading(path) as connection:
        return _counted(connection, statements("sqlite"))


def recount_of(path: Path) -> tuple[Ledger, Ledger]:
    """The account as the counters have it and as the rows have it, both at the same moment.

    Raises:
        MisconfiguredError: there is no store there, or it cannot be read.
    """
    with reading(path) as connection:
        sql = statements("sqlite")
        return _counted(connection, sql), _recounted(connection, sql)


def read_conditions_of(path: Path) -> Sequence[Condition]:
    """How the destinations of the store in a file stand.

    Raises:
        MisconfiguredError: there is no store there, or it cannot be read.
    """
    with reading(path) as connection:
        return read_conditions(connection, statements("sqlite"))


def read_uses_of(path: Path) -> Sequence[KeyUse]:
    """What each secret has signed, of the callbacks that the store in a file keeps.

    Raises:
        MisconfiguredError: there is no store there, or it cannot be read.
    """
    with reading(path) as connection:
        rows = connection.execute(statements("sqlite")["key_uses"]).fetchall()
    return [KeyUse(*row) for row in rows]


def _counted(connection: sqlite3.Connection, sql: Mapping[str, str]) -> Ledger:
    return _read(connection, sql["ledger_sources"], sql["ledger_destinations"])


def _recounted(connection: sqlite3.Connection, sql: Mapping[str, str]) -> Ledger:
    return _read(connection, sql["recount_sources"], sql["recount_destinations"])


def _read(connection: sqlite3.Connection, sources: str, destinations: str) -> Ledger:
    return Ledger(
        sources={
            str(name): SourceCounts(**dict(zip(SOURCE_COUNTERS, counts, strict=True)))
            for name, *counts in connection.execute(sources)
        },
        destinations={
            str(name): DestinationCounts(
                **dict(zip(DESTINATION_COUNTERS, counts, strict=True))
            )
            for name, *counts in connection.execute(destinations)
        },
    )
