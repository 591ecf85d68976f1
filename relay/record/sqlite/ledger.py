"""Ledger: the counters in the file, and the recount that must agree with them.

Owns reading the account, and counting the rows again by another way.
"""

import sqlite3
from collections.abc import Mapping

from relay.core.ledger import (
    DESTINATION_COUNTERS,
    SOURCE_COUNTERS,
    DestinationCounts,
    Ledger,
    SourceCounts,
)

__all__ = ["read_ledger", "recount"]


def read_ledger(connection: sqlite3.Connection, sql: Mapping[str, str]) -> Ledger:
    """The account as the counters have it, from one snapshot of the store."""
    return _read(connection, sql["ledger_sources"], sql["ledger_destinations"])


def recount(connection: sqlite3.Connection, sql: Mapping[str, str]) -> Ledger:
    """The account as the rows have it: every row is looked at."""
    return _read(connection, sql["recount_sources"], sql["recount_destinations"])


def _read(connection: sqlite3.Connection, sources: str, destinations: str) -> Ledger:
    connection.execute("BEGIN")
    try:
        return Ledger(
            sources={
                str(name): SourceCounts(
                    **dict(zip(SOURCE_COUNTERS, counts, strict=True))
                )
                for name, *counts in connection.execute(sources)
            },
            destinations={
                str(name): DestinationCounts(
                    **dict(zip(DESTINATION_COUNTERS, counts, strict=True))
                )
                for name, *counts in connection.execute(destinations)
            },
        )
    finally:
        connection.execute("ROLLBACK")
