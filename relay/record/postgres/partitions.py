"""Partitions: a table for each day of receipts and attempts.

Owns that the days which can be written to are there. Forgetting a day is then a drop.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from relay.record.postgres.connection import Connection, limit_idling
from relay.record.postgres.numbers import day_range

__all__ = ["DAY_US", "Partitions", "day_name", "day_named"]

DAY_US: Final = 86_400_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: ``Rflx``: the key of the lock under which days are made.
_LOCK: Final = 0x52666C78
#: How long tomorrow waits for whoever holds the tables (who analyses them does), in milliseconds, and after
#: how many microseconds it is tried again.
LOCK_MS: Final = 100
AGAIN_US: Final = 60_000_000


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
        self._again_at = 0

    async def ensure(self, connection: Connection, now: int) -> None:
        """Make the day of ``now`` (microseconds), the one before and the next, outside any commit.

        Yesterday, because a try that ends now may have begun then; tomorrow, so that no callback has to
        wait for it at midnight: if somebody is in its way, it is tried again later.
        """
        today = now // DAY_US
        missing = {today - 1, today, today + 1} - self._known
        is_early = missing == {today + 1}
        if not missing or (is_early and now < self._again_at):
            return
        try:
            await _make(connection, sorted(missing), LOCK_MS if is_early else 0)
        except asyncpg.LockNotAvailableError:
            if not is_early:
                raise
            self._again_at = now + AGAIN_US
            return
        self._known |= missing


async def _make(connection: Connection, days: Sequence[int], lock_ms: int) -> None:
    """Make days, waiting for locks no longer than ``lock_ms``; 0 is for as long as it takes."""
    async with connection.transaction():
        await connection.execute(
            f"SET LOCAL lock_timeout = {lock_ms}; {limit_idling()}"
        )
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        for day in days:
            first, end = day_range(day)
            await _attach(connection, "receipts", day, first, end)
            await _attach(connection, "attempts", day, day * DAY_US, (day + 1) * DAY_US)


async def _attach(
    connection: Connection, parent: str, day: int, first: int, end: int
) -> None:
    """Make a table's day, if it is not there.

    Made alone and attached afterwards: a table that is made as a partition locks out whoever reads the whole,
    and waits for him. A dump at midnight would hold up every callback.
    """
    name = f"{parent}_{day_name(day)}"
    if await connection.fetchval("SELECT to_regclass($1)", name) is not None:
        return
    await connection.execute(
        f"CREATE TABLE {name} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
    )
    await connection.execute(
        f"ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})"
    )
