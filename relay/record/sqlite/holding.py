"""Holding: how destinations stand is read from the file, and written to it.

Owns the order of the statements. Decides nothing.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final, assert_never

from relay.core.audit import KEPT_MAX, Entry
from relay.core.holding import FORGOTTEN, Condition, Note
from relay.core.notice import Notice, tell_of_alarm, tell_of_change
from relay.record.accounts import Accounts
from relay.record.holding import (
    bystander,
    changed,
    condition,
    count_dead,
    entry_columns,
    hold_columns,
)
from relay.record.jobs import (
    Abandon,
    Alert,
    Alter,
    HoldingJob,
    Remember,
    Telling,
    Told,
)
from relay.record.resending import cancellation_of
from relay.record.sqlite.numbers import SqliteNumbers
from relay.record.sqlite.rows import ask_many, write_many
from relay.record.telling import Announcement

__all__ = ["hold", "read_conditions", "tell", "write_entry"]

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
        case Alter():
            return _alter(connection, sql, numbers, job, accounts=accounts)
        case Alert():
            return _alert(connection, sql, numbers, job, accounts=accounts)
        case Remember(notes=notes):
            _remember(connection, sql, notes)
            return None
        case Abandon():
            number = numbers.destinations.get(job.destination)
            return _abandon(connection, sql, job, number, accounts=accounts, now=now)
        case _:
            assert_never(job)


def _alter(
    connection: sqlite3.Connection,
    sql: Sql,
    numbers: SqliteNumbers,
    job: Alter,
    *,
    accounts: Accounts,
) -> Told:
    """Hold a destination, or end that; None is the answer where nobody knows it."""
    change = job.change
    row = connection.execute(sql["read_hold"], (change.destination,)).fetchone()
    if row is None:
        return Told(answer=None)
    found = changed(change, row)
    if not found.is_news:
        return Told(answer=found)
    columns = zip(_COLUMNS, hold_columns(row[0], found.after), strict=True)
    connection.execute(sql["write_hold"], dict(columns))
    write_entry(connection, sql, change.entry)
    numbers.look()
    notice = tell_of_change(change, found, bystander(row))
    stored = tell(connection, sql, numbers, job.telling, notice, accounts=accounts)
    return Told(answer=found, stored_for=stored)


def _alert(
    connection: sqlite3.Connection,
    sql: Sql,
    numbers: SqliteNumbers,
    job: Alert,
    *,
    accounts: Accounts,
) -> Told:
    """Tell that a destination is on its way to be disabled, where that was not told."""
    alarm = job.alarm
    values = {"step": alarm.step, "name": alarm.destination}
    if not connection.execute(sql["raise_alarm"], values).fetchall():
        return Told(answer=False)
    row = connection.execute(sql["read_hold"], (alarm.destination,)).fetchone()
    notice = tell_of_alarm(alarm, bystander(row))
    stored = tell(connection, sql, numbers, job.telling, notice, accounts=accounts)
    return Told(answer=True, stored_for=stored)


def tell(
    connection: sqlite3.Connection,
    sql: Sql,
    numbers: SqliteNumbers,
    telling: Telling,
    notice: Notice | None,
    *,
    accounts: Accounts,
) -> tuple[str, ...]:
    """Write what is told of a destination; gives whose deliveries wait in the store then."""
    if notice is None or not telling.router.listens:
        return ()
    announcement = Announcement(notice, telling, numbers, accounts)
    announcement.know_runs(
        ask_many(connection, sql["find_runs"], announcement.identities)
    )
    stored = announcement.publish()
    for name, rows in announcement.rows:
        write_many(connection, sql[name], rows)
    return stored


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
        values = {
            "since": note.failing_since,
            "failed_at": note.failed_at,
            "worked_at": note.worked_at,
            "name": note.destination,
        }
        connection.execute(sql["note_condition"], values)


def write_entry(connection: sqlite3.Connection, sql: Sql, entry: Entry) -> None:
    """Add to the audit, in the transaction of what it tells of."""
    connection.execute(sql["insert_audit"], entry_columns(entry))
    connection.execute(sql["trim_audit"], (KEPT_MAX,))


def read_conditions(connection: sqlite3.Connection, sql: Sql) -> list[Condition]:
    """Every destination, by name."""
    return [condition(row) for row in connection.execute(sql["read_conditions"])]
