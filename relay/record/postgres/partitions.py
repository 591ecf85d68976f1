"""Partitions: a table for each day of receipts and attempts.

Owns that the days which can be written to are there. Forgetting a day is then a drop.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from relay.record.postgres.connection import Connection
from relay.record.postgres.numbers import day_range

__all__ = ["DAY_US", "Partitions", "day_name", "day_named"]

DAY_US: Final = 86_400_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: ``Rflx``: the key of the lock under which days are made.
_LOCK: Final = 0x52666C78


def day_name(day: int) -> str:
    """How the tables of a day since the epoch are called, behind what is in them."""
    return (_EPOCH + timedelta(days=day)).strftime("%Y%m%d")


def day_named(table: str) -> int | None:
    """The day that a table holds; None where it holds no day."""
    digits = table.rpartition("_")[2]
    if not digits.isdecimal():
        return None
    return (datetime.strptime(f"{digits}+0000", "%Y%m%d%z") - _EPOCH).days


class Partitions:
    """The days that are known to be there."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    async def ensure(self, connection: Connection, now: int) -> None:
        """Make the day of ``now`` (microseconds), the one before and the next, outside any commit.

        Yesterday, because a try that ends now may have begun then; tomorrow, so that no callback has to
        wait for it at midnight.
        """
        today = now // DAY_US
        missing = {today - 1, today, today + 1} - self._known
        if not missing:
            return
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            for day in sorted(missing):
                name = day_name(day)
                first, after = day_range(day)
                await connection.execute(
                    f"CREATE TABLE IF NOT EXISTS receipts_{name} PARTITION OF receipts"
                    f" FOR VALUES FROM ({first}) TO ({after})"
                )
                await connection.execute(
                    f"CREATE TABLE IF NOT EXISTS attempts_{name} PARTITION OF attempts"
                    f" FOR VALUES FROM ({day * DAY_US}) TO ({(day + 1) * DAY_US})"
                )
        self._known |= missing
