"""Numbers: who has which integer in this store.

Owns the integer keys: the single writer counts them itself, so rows can be written by the hundred
in one call, and names of sources and destinations are looked up once.
"""

import sqlite3
from typing import Final

from relay.record.numbers import Table

__all__ = ["SqliteNumbers"]

_TABLES: Final[tuple[Table, ...]] = ("runs", "receipts", "events", "deliveries")


class SqliteNumbers:
    """The next number of each table, and the numbers of names."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._next: dict[Table, int] = {}
        self.sources: dict[str, int] = {}
        self.destinations: dict[str, int] = {}
        self._epochs: dict[int, int] = {}
        self.held: frozenset[int] = frozenset()
        self.behind: frozenset[int] = frozenset()
        self.reload()

    def reload(self) -> None:
        """Read them from the store: at the start, and after a transaction was rolled back."""
        for table in _TABLES:
            [last] = self._connection.execute(
                f"SELECT COALESCE(MAX(number), 0) FROM {table}"  # noqa: S608 - closed set of names
            ).fetchone()
            self._next[table] = last + 1
        self.sources = dict(
            self._connection.execute("SELECT name, number FROM sources")
        )
        rows = self._connection.execute("SELECT name, number, epoch FROM destinations")
        self.destinations = {}
        for name, number, epoch in rows:
            self.destinations[name] = number
            self._epochs[number] = epoch

        self.look()

    def look(self) -> None:
        """See who is held, and who is behind: after a change of that."""
        rows = self._connection.execute(
            "SELECT number, hold IS NOT NULL, behind_from IS NOT NULL FROM destinations"
        ).fetchall()
        self.held = frozenset(number for number, held, _ in rows if held)
        self.behind = frozenset(number for number, _, behind in rows if behind)

    def next(self, table: Table) -> int:
        """The number that the next row of a table gets."""
        return self._next[table]

    def take(self, table: Table) -> int:
        """The next number of a table."""
        number = self._next[table]
        self._next[table] = number + 1
        return number

    def source(self, name: str) -> int:
        """The number of a source; a new name gets one."""
        found = self.sources.get(name)
        if found is None:
            found = len(self.sources) + 1
            self._connection.execute(
                "INSERT INTO sources (number, name) VALUES (?, ?)", (found, name)
            )
            self.sources[name] = found
        return found

    def epoch(self, destination: int) -> int:
        """The epoch that new deliveries to a destination belong to."""
        return self._epochs[destination]

    def register(self, name: str, kind: str) -> None:
        """Make sure that a destination has a number."""
        if name in self.destinations:
            return
        # Not a reload: the group may have taken numbers that are not in the tables yet.
        [(number, epoch)] = self._connection.execute(
            "INSERT INTO destinations (name, kind) VALUES (?, ?) RETURNING number, epoch",
            (name, kind),
        ).fetchall()
        self.destinations[name] = number
        self._epochs[number] = epoch
