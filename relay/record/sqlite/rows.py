"""Rows: many rows with one statement.

Owns widening a statement's ``VALUES (...)`` to as many rows as there are. Each step of a statement
lets go of the interpreter's lock and has to get it back while the event loop wants it too; one step
for sixty-four rows instead of sixty-four steps is what makes a group commit cheap.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Final

__all__ = ["ask_many", "write_many"]

#: Rows in one statement. Powers of two up to this, so that few statements are ever prepared.
ROWS_MAX: Final = 64
_VALUES: Final = re.compile(r"VALUES (\([^()]*\))")


def write_many(
    connection: sqlite3.Connection, sql: str, rows: Sequence[Sequence[object]]
) -> None:
    """Run a statement that takes one row of ``VALUES`` for all ``rows``."""
    for part in _parts(rows):
        connection.execute(_widened(sql, len(part)), list(chain.from_iterable(part)))


def ask_many(
    connection: sqlite3.Connection, sql: str, rows: Sequence[Sequence[object]]
) -> Iterator[tuple[object, ...]]:
    """The same for a statement that gives rows back."""
    for part in _parts(rows):
        yield from connection.execute(
            _widened(sql, len(part)), list(chain.from_iterable(part))
        ).fetchall()


def _parts(rows: Sequence[Sequence[object]]) -> Iterator[Sequence[Sequence[object]]]:
    start = 0
    while start < len(rows):
        left = len(rows) - start
        size = min(ROWS_MAX, 1 << (left.bit_length() - 1))
        yield rows[start : start + size]
        start += size


@cache
def _widened(sql: str, count: int) -> str:
    return _VALUES.sub(lambda found: "VALUES " + ", ".join([found[1]] * count), sql)
