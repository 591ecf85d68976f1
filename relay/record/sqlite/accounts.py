"""Accounts: the ledger's counters of one process, and the recount that must agree with them.

Owns adding up one group's changes and writing them in its commit, reading the ledger, and counting
the rows again by another way.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping

from relay.core.ledger import (
    DESTINATION_COUNTERS,
    SOURCE_COUNTERS,
    DestinationCounts,
    Ledger,
    SourceCounts,
)

__all__ = ["Accounts", "read_ledger", "recount"]


class Accounts:
    """The changes of one group, by source and by destination number."""

    def __init__(self) -> None:
        self.sources: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.destinations: defaultdict[int, Counter[str]] = defaultdict(Counter)

    def write(
        self, connection: sqlite3.Connection, sql: Mapping[str, str], incarnation: int
    ) -> None:
        """Write them once, inside the open transaction."""
        for number, counts in self.sources.items():
            values = [counts[name] for name in SOURCE_COUNTERS]
            connection.execute(sql["add_source_counts"], (incarnation, number, *values))
        for number, counts in self.destinations.items():
            values = [counts[name] for name in DESTINATION_COUNTERS]
            connection.execute(
                sql["add_destination_counts"], (incarnation, number, *values)
            )


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
