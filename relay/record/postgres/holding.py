"""Holding: how destinations stand is read from the database, and written to it.

Owns the order of the statements. A destination's row is locked before it is looked at: of two relays that
change it at once, the second sees what the first has made of it. Decides nothing.
"""

from collections.abc import Mapping, Sequence

from relay.core.audit import KEPT_MAX, Entry
from relay.core.holding import Change, Changed, Condition, Note
from relay.record.holding import changed, condition, entry_columns, hold_columns
from relay.record.postgres.connection import Connection

__all__ = ["alter", "read_conditions", "remember", "write_entry"]

Sql = Mapping[str, str]


async def alter(connection: Connection, sql: Sql, change: Change) -> Changed | None:
    """Hold a destination, or end that; None where nobody knows it."""
    row = await connection.fetchrow(sql["read_hold"], change.destination)
    if row is None:
        return None
    found = changed(change, tuple(row))
    if found.is_news:
        await connection.execute(sql["write_hold"], *hold_columns(row[0], found.after))
        await write_entry(connection, sql, change.entry)
    return found


async def remember(connection: Connection, sql: Sql, notes: Sequence[Note]) -> None:
    """Keep how tries go."""
    # In one order everywhere: no two relays wait for each other.
    for note in sorted(notes, key=lambda note: note.destination):
        await connection.execute(
            sql["note_condition"], note.destination, note.failing_since, note.worked_at
        )


async def write_entry(connection: Connection, sql: Sql, entry: Entry) -> None:
    """Add to the audit, in the transaction of what it tells of."""
    await connection.execute(sql["insert_audit"], *entry_columns(entry))
    await connection.execute(sql["trim_audit"], KEPT_MAX)


async def read_conditions(connection: Connection, sql: Sql) -> list[Condition]:
    """Every destination, by name."""
    rows = await connection.fetch(sql["read_conditions"])
    return [condition(tuple(row)) for row in rows]
