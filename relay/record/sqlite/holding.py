"""Holding: how destinations stand is read from the file, and written to it.

Owns the order of the statements. Decides nothing.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

from relay.core.audit import KEPT_MAX, Entry
from relay.core.holding import Change, Changed, Condition, Note
from relay.record.holding import changed, condition, entry_columns, hold_columns

__all__ = ["alter", "read_conditions", "remember", "write_entry"]

Sql = Mapping[str, str]

_COLUMNS: Final = ("number", "hold", "reason", "by", "since")


def alter(connection: sqlite3.Connection, sql: Sql, change: Change) -> Changed | None:
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


def remember(connection: sqlite3.Connection, sql: Sql, notes: Sequence[Note]) -> None:
    """Keep how tries go."""
    for note in notes:
        values = (note.failing_since, note.worked_at, note.destination)
        connection.execute(sql["note_condition"], values)


def write_entry(connection: sqlite3.Connection, sql: Sql, entry: Entry) -> None:
    """Add to the audit, in the transaction of what it tells of."""
    connection.execute(sql["insert_audit"], entry_columns(entry))
    connection.execute(sql["trim_audit"], (KEPT_MAX,))


def read_conditions(connection: sqlite3.Connection, sql: Sql) -> list[Condition]:
    """Every destination, by name."""
    return [condition(row) for row in connection.execute(sql["read_conditions"])]
