"""Holding: how destinations stand is read from the database, and written to it.

Owns the order of the statements. A destination's row is locked before it is looked at: of two relays that
change it at once, the second sees what the first has made of it. Decides nothing.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

from relay.core.audit import KEPT_MAX, Entry
from relay.core.holding import FORGOTTEN, Condition, Note
from relay.core.notice import RELAY_SOURCE, Notice, tell_of_alarm, tell_of_change
from relay.core.steady import STEP_US
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
from relay.record.postgres.connection import Connection
from relay.record.postgres.moving import ask
from relay.record.postgres.numbers import PostgresNumbers
from relay.record.resending import cancellation_of
from relay.record.telling import Announcement

__all__ = ["hold", "read_conditions", "tell", "write_entry"]

Sql = Mapping[str, str]


async def hold(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    job: HoldingJob,
    *,
    accounts: Accounts,
    now: int,
) -> object:
    """Do one job of a group."""
    match job:
        case Alter():
            return await _alter(
                connection, sql, numbers, job, accounts=accounts, now=now
            )
        case Alert():
            return await _alert(
                connection, sql, numbers, job, accounts=accounts, now=now
            )
        case Remember(notes=notes):
            await _remember(connection, sql, notes, now=now)
            return None
        case Abandon():
            number = numbers.destinations.get(job.destination)
            return await _abandon(
                connection, sql, job, number, accounts=accounts, now=now
            )
        case _:
            assert_never(job)


async def _alter(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    job: Alter,
    *,
    accounts: Accounts,
    now: int,
) -> Told:
    """Hold a destination, or end that; None is the answer where nobody knows it."""
    change = job.change
    row = await connection.fetchrow(sql["read_hold"], change.destination)
    if row is None:
        return Told(answer=None)
    found = changed(change, tuple(row))
    if not found.is_news:
        return Told(answer=found)
    await connection.execute(sql["write_hold"], *hold_columns(row[0], found.after))
    await write_entry(connection, sql, change.entry)
    notice = tell_of_change(change, found, bystander(tuple(row)))
    stored = await tell(
        connection, sql, numbers, job.telling, notice, accounts=accounts, now=now
    )
    return Told(answer=found, stored_for=stored)


async def _alert(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    job: Alert,
    *,
    accounts: Accounts,
    now: int,
) -> Told:
    """Tell that a destination is on its way to be disabled, where that was not told."""
    alarm = job.alarm
    if not await connection.fetch(sql["raise_alarm"], alarm.step, alarm.destination):
        return Told(answer=False)
    row = await connection.fetchrow(sql["read_hold"], alarm.destination)
    notice = None if row is None else tell_of_alarm(alarm, bystander(tuple(row)))
    stored = await tell(
        connection, sql, numbers, job.telling, notice, accounts=accounts, now=now
    )
    return Told(answer=True, stored_for=stored)


async def tell(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    telling: Telling,
    notice: Notice | None,
    *,
    accounts: Accounts,
    now: int,
) -> tuple[str, ...]:
    """Write what is told of a destination, whose row is locked; gives whose deliveries wait in the store then.

    Whoever tells anything of it holds that row: all that hangs on it needs no lock of its own.
    """
    if notice is None or not telling.router.listens:
        return ()
    await numbers.know_sources(connection, [RELAY_SOURCE])
    few = await numbers.apart(connection, now=now)
    announcement = Announcement(notice, telling, few, accounts)
    announcement.know_runs(
        await ask(connection, sql["find_runs"], announcement.identities)
    )
    stored = announcement.publish()
    for name, rows in announcement.rows:
        await ask(connection, sql[name], rows)
    return stored


async def _abandon(
    connection: Connection,
    sql: Sql,
    job: Abandon,
    number: int | None,
    *,
    accounts: Accounts,
    now: int,
) -> int:
    """Let deliveries of a destination die; gives how many."""
    if job.entry is not None:
        await write_entry(connection, sql, job.entry)
    if number is None:
        return 0
    if job.entry is not None:
        await _call_off(connection, sql, number, job.entry)
    gone = await connection.fetch(
        sql["abandon"], number, now, FORGOTTEN, max(0, job.limit)
    )
    count_dead(accounts, number, len(gone))
    return len(gone)


async def _call_off(
    connection: Connection, sql: Sql, target: int, entry: Entry
) -> None:
    """End orders to send a destination anything again: they would only make more to die."""
    for row in await connection.fetch(sql["cancel_replays_to"], entry.at, target):
        await write_entry(
            connection, sql, cancellation_of(row[0], entry.actor, entry.at)
        )


async def _remember(
    connection: Connection, sql: Sql, notes: Sequence[Note], *, now: int
) -> None:
    """Keep how tries go."""
    # In one order everywhere: no two relays wait for each other.
    for note in sorted(notes, key=lambda note: note.destination):
        await connection.execute(
            sql["note_condition"],
            note.destination,
            note.failing_since,
            note.failed_at,
            note.worked_at,
            now + STEP_US,
        )


async def write_entry(connection: Connection, sql: Sql, entry: Entry) -> None:
    """Add to the audit, in the transaction of what it tells of."""
    await connection.execute(sql["insert_audit"], *entry_columns(entry))
    await connection.execute(sql["trim_audit"], KEPT_MAX)


async def read_conditions(connection: Connection, sql: Sql) -> list[Condition]:
    """Every destination, by name."""
    rows = await connection.fetch(sql["read_conditions"])
    return [condition(tuple(row)) for row in rows]
