"""Leaving: how a day of receipts or attempts goes.

Owns the course of a day. What somebody still needs of it is carried over, a few rows at a time, while the day is
still there for everyone. Then it leaves the receipts in a moment, without a row being read, so that callbacks
wait for no counting. What came to be needed meanwhile is carried over as well; then it is counted into the
archive and dropped. Stopped anywhere in between, the next pass goes on: a day that has left is no part of
the receipts, but of what the recount looks at.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from relay.core.retention import ROWS, WEIGHT, Cursor, PassStep, Progress, look
from relay.record.archive import Archive
from relay.record.postgres.connection import Connection
from relay.record.postgres.numbers import day_range
from relay.record.postgres.partitions import DAY_US, day_name, day_named

__all__ = ["drop_attempts", "fetch", "leave", "write_archive"]

Sql = Mapping[str, str]

#: The numbers of what was carried over are below this one; see the migration that made its partition.
KEPT_END: Final = 1 << 40
#: Counting a day may take longer than anything else; it holds up nobody.
COUNT_S: Final = 600.0
#: The second part of the cursor: whether the day was walked over after it had left.
_HERE: Final = 0
_LEFT: Final = 1


async def fetch(
    connection: Connection, sql: str, *values: object, timeout_s: float | None = None
) -> list[tuple[Any, ...]]:
    """The rows of a statement, as both stores' parts know them."""
    return [
        tuple(row) for row in await connection.fetch(sql, *values, timeout=timeout_s)
    ]


async def write_archive(connection: Connection, sql: Sql, archive: Archive) -> None:
    """Write what a step has forgotten, in its transaction."""
    await connection.executemany(sql["add_source_archive"], archive.source_rows())
    await connection.executemany(
        sql["add_destination_archive"], archive.destination_rows()
    )


async def drop_attempts(connection: Connection, sql: Sql, step: PassStep) -> Progress:
    """Drop the oldest day of attempts, if it is old enough."""
    days = await _days(connection, sql, "attempts")
    due = [day for day, _ in days if (day + 1) * DAY_US <= step.before]
    if not due:
        return Progress()
    table = f"attempts_{day_name(due[0])}"
    # Counted before anybody is kept out: nothing is added to an old day any more.
    rows = await connection.fetchval(f"SELECT COUNT(*) FROM {table}", timeout=COUNT_S)  # noqa: S608 - a day's own name
    await connection.execute("LOCK TABLE ONLY attempts IN ACCESS EXCLUSIVE MODE")
    await connection.execute(f"DROP TABLE {table}")
    return Progress(forgotten=rows, after=(due[0], 0))


async def leave(connection: Connection, sql: Sql, step: PassStep) -> Progress:
    """Take a step with the receipts: first those that were carried over, then day by day."""
    number, _ = step.after
    if number < KEPT_END - 1:
        return await _forget_kept(connection, sql, step)
    days = await _days(connection, sql, "receipts", "receipts_leaving")
    for day, has_left in days:
        first, end = day_range(day)
        if number < end - 1 and (day + 1) * DAY_US <= step.before:
            after = max(step.after, (first - 1, _HERE))
            return await _take_from(
                connection, sql, step, day=day, after=after, has_left=has_left
            )
    return Progress()


async def _forget_kept(connection: Connection, sql: Sql, step: PassStep) -> Progress:
    rows = await fetch(
        connection, sql["look_at_receipts"], step.after[0], KEPT_END, ROWS
    )
    ahead = look(step, [row[:3] for row in rows])
    # Carried over in whatever order: that one of them is young says nothing of the next.
    after = (ahead.upto, 0) if rows else (KEPT_END - 1, _HERE)
    if not ahead.is_due:
        return Progress(after=after)
    held = await fetch(connection, sql["hold_runs"], [row[3] for row in rows])
    archive = Archive()
    forgotten = archive.receipts(
        await fetch(
            connection,
            sql["forget_receipts"],
            step.after[0],
            ahead.upto,
            step.before,
            step.horizons.dead_letters,
            [row[0] for row in held],
        )
    )
    await write_archive(connection, sql, archive)
    return Progress(forgotten=forgotten, after=after)


async def _take_from(
    connection: Connection,
    sql: Sql,
    step: PassStep,
    *,
    day: int,
    after: Cursor,
    has_left: bool,
) -> Progress:
    """Walk on over a day; at its end let it leave, or go for good."""
    first, end = day_range(day)
    if has_left and after[1] == _HERE:
        # Walked over before it left, or not at all: only what is seen now stays as it is.
        after = (first - 1, _LEFT)
    found = sql["look_at_leaving"] if has_left else sql["look_at_receipts"]
    rows = await fetch(connection, found, after[0], end, ROWS)
    if rows:
        upto = await _carry_over(
            connection,
            sql,
            step,
            after=after[0],
            upto=rows[-1][0],
            has_left=has_left,
        )
        if upto is None:
            return Progress(given_way=True)
        return Progress(after=(upto, after[1]))
    table = f"receipts_{day_name(day)}"
    if has_left:
        return await _drop(connection, sql, table, (first, end))
    # Whoever has found one of its receipts has ended before this is granted, and nobody finds one later.
    await connection.execute("LOCK TABLE ONLY receipts IN ACCESS EXCLUSIVE MODE")
    await connection.execute(f"ALTER TABLE receipts DETACH PARTITION {table}")
    await connection.execute(f"ALTER TABLE {table} INHERIT receipts_leaving")
    return Progress(after=(first - 1, _LEFT))


async def _carry_over(
    connection: Connection,
    sql: Sql,
    step: PassStep,
    *,
    after: int,
    upto: int,
    has_left: bool,
) -> int | None:
    """Carry over what is needed up to a number; gives how far it went, None where a run is in use."""
    names = ("find_needed", "carry_over")
    if has_left:
        names = ("find_needed_leaving", "carry_over_leaving")
    find, carry = sql[names[0]], sql[names[1]]
    needed = await fetch(connection, find, after, upto, step.horizons.dead_letters)
    taken, upto = _bounded(needed, upto)
    if not taken:
        return upto
    held = await fetch(connection, sql["hold_runs"], [row[1] for row in taken])
    runs = {row[0] for row in held}
    if has_left and not runs.issuperset(row[1] for row in taken):
        return None
    # Of those still here and in use the second walk takes care.
    await connection.execute(carry, [row[0] for row in taken if row[1] in runs])
    return upto


def _bounded(
    needed: Sequence[Sequence[Any]], upto: int
) -> tuple[Sequence[Sequence[Any]], int]:
    """As many as one step may move, and how far it goes with them."""
    weight = 0
    for index, (_, _, size) in enumerate(needed):
        weight += size
        if index and weight > WEIGHT:
            return needed[:index], needed[index - 1][0]
    return needed, upto


async def _drop(
    connection: Connection, sql: Sql, table: str, numbers: tuple[int, int]
) -> Progress:
    """Count a day that has left into the archive, and let it go."""
    archive = Archive()
    rows = await fetch(connection, sql["count_leaving"], *numbers, timeout_s=COUNT_S)
    forgotten = archive.receipts(rows)
    await write_archive(connection, sql, archive)
    await connection.execute(f"DROP TABLE {table}")
    return Progress(forgotten=forgotten, after=(numbers[1] - 1, _HERE))


async def _days(
    connection: Connection, sql: Sql, *parents: str
) -> list[tuple[int, bool]]:
    """The days that a table has, oldest first, and whether each has left the receipts."""
    found = []
    for name, has_left in await fetch(connection, sql["list_days"], parents):
        day = day_named(name)
        if day is not None:
            found.append((day, has_left))
    return sorted(found)
