"""Numbers: who has which integer, among any number of relays.

Owns what is taken from the sequences for one group, and the numbers of names. A delivery's number is taken
while the run's row is locked, so that of one run's deliveries a later one has the larger number. A
receipt's number tells its day: it begins with the milliseconds of its coming.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Final

from relay.record.numbers import Table
from relay.record.postgres.connection import Connection

__all__ = ["PostgresNumbers", "day_range"]

_SEQUENCE_BITS: Final = 20
_DAY_MS: Final = 86_400_000


def day_range(day: int) -> tuple[int, int]:
    """The receipts' numbers of a day since the epoch: from, and up to but without."""
    first = day * _DAY_MS << _SEQUENCE_BITS
    return first, first + (_DAY_MS << _SEQUENCE_BITS)


class PostgresNumbers:
    """The names' numbers, and the next ones of each table for the group at hand."""

    def __init__(self, sql: Mapping[str, str]) -> None:
        self._sql = sql
        self._sources: dict[str, int] = {}
        self._destinations: dict[str, int] = {}
        self._epochs: dict[int, int] = {}
        self._taken: dict[Table, deque[int]] = {}
        self.held: frozenset[int] = frozenset()
        self.behind: frozenset[int] = frozenset()

    @property
    def sources(self) -> Mapping[str, int]:
        """Numbers of the sources by name."""
        return self._sources

    @property
    def destinations(self) -> Mapping[str, int]:
        """Numbers of the destinations by name."""
        return self._destinations

    def take(self, table: Table, /) -> int:
        """One of the numbers that were taken for this group."""
        return self._taken[table].popleft()

    def source(self, name: str, /) -> int:
        """The number of a source that is known."""
        return self._sources[name]

    def epoch(self, destination: int, /) -> int:
        """The epoch that new deliveries to a destination belong to."""
        return self._epochs[destination]

    async def load(self, connection: Connection) -> None:
        """Read the names anew: others may have brought some, and ours may have been rolled back."""
        self._sources = {
            row["name"]: row["number"]
            for row in await connection.fetch("SELECT name, number FROM sources")
        }
        rows = await connection.fetch("SELECT name, number, epoch FROM destinations")
        self._destinations = {row["name"]: row["number"] for row in rows}
        self._epochs = {row["number"]: row["epoch"] for row in rows}

    async def find_source(self, connection: Connection, name: str) -> int | None:
        """The number of a source, which another relay may have given it; None where nobody has."""
        if name not in self._sources:
            number = await connection.fetchval(
                "SELECT number FROM sources WHERE name = $1", name
            )
            if number is None:
                return None
            self._sources[name] = number
        return self._sources[name]

    async def know_sources(self, connection: Connection, names: Iterable[str]) -> None:
        """Give each of these sources a number."""
        new = sorted(set(names) - self._sources.keys())
        if new:
            await connection.execute(
                "INSERT INTO sources (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING",
                new,
            )
            await self.load(connection)

    async def know_destinations(
        self, connection: Connection, destinations: Sequence[tuple[str, str]]
    ) -> None:
        """Give each of these destinations (name, kind) a number."""
        new = sorted(
            (name, kind)
            for name, kind in destinations
            if name not in self._destinations
        )
        for name, kind in new:
            await connection.execute(
                "INSERT INTO destinations (name, kind) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                name,
                kind,
            )
        if new:
            await self.load(connection)

    async def apart(self, connection: Connection, *, now: int) -> "PostgresNumbers":
        """The same, with numbers for one receipt of their own: taken after whoever else holds what it is about."""
        few = copy(self)
        await few.take_for(connection, runs=1, receipts=1, now=now)
        return few

    async def take_for(
        self, connection: Connection, *, runs: int, receipts: int, now: int
    ) -> None:
        """Take as many numbers as a group can need, and see who is held or behind now."""
        deliveries = receipts * len(self._destinations)
        [row] = await connection.fetch(
            self._sql["take_numbers"], runs, receipts, receipts, deliveries
        )
        head = now // 1000 << _SEQUENCE_BITS
        mask = (1 << _SEQUENCE_BITS) - 1
        self._taken = {
            "runs": deque(row[0]),
            "receipts": deque(head | number & mask for number in row[1]),
            "events": deque(row[2]),
            "deliveries": deque(row[3]),
        }
        self.held, self.behind = frozenset(row[4]), frozenset(row[5])
