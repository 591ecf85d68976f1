"""Holding: how destinations stand is read from the file, and written to it.

Owns the order of the statements. Decides nothing.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final, assert_never

from relay.core.audit import KEPT_MAX, Entry
from relay.core.holding import FORGOTTEN, Change, Changed, Condition, Note
from relay.record.accounts import Accounts
from relay.record.holding import (
    changed,
    condition,
    count_dead,
    entry_columns,
    hold_columns,
)
from relay.record.jobs import Abandon, Alter, HoldingJob, Remember
from relay.record.resending import cancellation_of
from relay.record.sqlite.numbers import SqliteNumbers

__all__ = ["hold", "read_conditions", "write_entry"]

Sql = Mapping[str, str]

_COLUMNS: Final = ("number", "hold", "reason", "by", "since")


def hold(
    connection: sqlite3.Connection,
    sql: Sql,
    numbers: SqliteNumbers,
    job: HoldingJob,
    *,
    accounts: Accounts,
    now: int,
) -> object:
    """Do one job of a group."""
    match job:
        case Alter(change=change):
            found = _alter(connection, sql, change)
            numbers.look()
            return found
        case Remember(notes=notes):
            _remember(connection, sql, notes)
            return None
        case Abandon():
            number = numbers.destinations.get(job.destination)
            return _abandon(connection, sql, job, number, accounts=accounts, now=now)
        case _:
            assert_never(job)


def _alter(connection: sqlite3.Connection, sql: Sql, change: Change) -> Changed | None:
    """Hold a destination, or end that; None where nobody knows it."""
    row = connection.execute(sql["read_hold"], (change.destination,)).fetchone()
    if row is None:
        return None
    found = changed(change, row)
    if found.is_news:
        columns = zip(_COLUMNS, hold_columns(row[0], found.after), strict=True)
        connection.execute(sql["write_hold"], dict(columns))
        write_entry(connection, sql, change.entry)
    return found


def _abandon(
    connection: sqlite3.Connection,
    sql: Sql,
    job: Abandon,
    number: int | None,
    *,
    accounts: Accounts,
    now: int,
) -> int:
    """Let deliveries of a destination die; gives how many."""
    if job.entry is not None:
        write_entry(connection, sql, job.entry)
    if number is None:
        return 0
    if job.entry is not None:
        _call_off(connection, sql, number, job.entry)
    gone = connection.execute(
        sql["abandon"],
        {
            "destination": number,
            "now": now,
            "reason": FORGOTTEN,
            "limit": max(0, job.limit),
        },
    ).fetchall()
    count_dead(accounts, number, len(gone))
    return len(gone)


def _call_off(
    connection: sqlite3.Connection, sql: Sql, target: int, entry: Entry
) -> None:
    """End orders to send a destination anything again: they would only make more to die."""
    values = (entry.at, target)
    for (replay,) in connection.execute(sql["cancel_replays_to"], values).fetchall():
        write_entry(connection, sql, cancellation_of(replay, entry.actor, entry.at))


def _remember(connection: sqlite3.Connection, sql: Sql, notes: Sequence[Note]) -> None:
    """Keep how tries go."""
    for note in notes:
        values = (
            note.failing_since,
            note.failed_at,
            note.worked_at,
            note.destination,
        )
        connection.execute(sql["note_condition"], values)


def write_entry(connection: sqlite3.Connection, sql: Sql, entry: Entry) -> None:
    """Add to the audit, in the transaction of what it tells of."""
    connection.execute(sql["insert_audit"], entry_columns(entry))
    connection.execute(sql["trim_audit"], (KEPT_MAX,))


def read_conditions(connection: sqlite3.Connection, sql: Sql) -> list[Condition]:
    """Every destination, by name."""
    return [condition(row) for row in connection.execute(sql["read_conditions"])]
