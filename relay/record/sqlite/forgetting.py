"""Forgetting: one small step of retention in the file.

Owns the order of deletes within a step, and what the archive gets for them. Runs inside a group's
transaction, after all that the group has written: what it refers to is seen.
"""

import sqlite3
from collections.abc import Mapping
from typing import Final

from relay.core.retention import ROWS, PassStep, Progress, look
from relay.record.archive import Archive
from relay.record.sqlite.rows import ask_many, write_many

__all__ = ["PAGES", "forget"]

#: Pages that are given back at once, between two commits.
PAGES: Final = 256
#: Of every so many pages one may be empty: the next callbacks fill them.
_SPARE: Final = 20
_LOOKS: Final = {
    "receipts": "look_at_receipts",
    "attempts": "look_at_attempts",
    "asks": "look_at_asks",
    "events": "look_at_events",
    "runs": "look_at_runs",
}


def forget(
    connection: sqlite3.Connection, sql: Mapping[str, str], step: PassStep
) -> Progress:
    """Take a step, in the open transaction."""
    if step.table == "pages":
        return _measure(connection, step)
    found = sql[_LOOKS[step.table]]
    rows = connection.execute(found, (step.after[0], ROWS)).fetchall()
    ahead = look(step, rows)
    forgotten = _forget(connection, sql, step, ahead.upto) if ahead.is_due else 0
    after = None if ahead.is_last else (ahead.upto, 0)
    return Progress(forgotten=forgotten, after=after)


def _forget(
    connection: sqlite3.Connection, sql: Mapping[str, str], step: PassStep, upto: int
) -> int:
    values = {
        "after": step.after[0],
        "upto": upto,
        "before": step.before,
        "died_since": step.horizons.dead_letters,
    }
    if step.table in ("attempts", "asks"):
        name = "forget_attempts" if step.table == "attempts" else "forget_asks"
        return len(connection.execute(sql[name], values).fetchall())
    archive = Archive()
    if step.table == "receipts":
        forgotten = archive.receipts(
            connection.execute(sql["forget_receipts"], values).fetchall()
        )
    elif step.table == "runs":
        runs = archive.runs(connection.execute(sql["forget_runs"], values).fetchall())
        for name in ("forget_asks_of", "forget_winners_of", "forget_collapsed_of"):
            write_many(connection, sql[name], runs)
        forgotten = len(runs)
    else:
        events = archive.events(
            connection.execute(sql["forget_events"], values).fetchall()
        )
        deliveries = archive.deliveries(
            ask_many(connection, sql["forget_deliveries"], events)
        )
        write_many(connection, sql["forget_attempts_of"], deliveries)
        forgotten = len(events)
    connection.executemany(sql["add_source_archive"], archive.source_rows())
    connection.executemany(sql["add_destination_archive"], archive.destination_rows())
    return forgotten


def _measure(connection: sqlite3.Connection, step: PassStep) -> Progress:
    """How many pages are empty beyond what the next callbacks fill; they are given back after the commit.

    The cursor is the empty pages, and those of them to be given back.
    """
    [free] = connection.execute("PRAGMA freelist_count").fetchone()
    [pages] = connection.execute("PRAGMA page_count").fetchone()
    before = step.after[0]
    # Where none could be given back, the disk is full or somebody is in the way: next time.
    if free <= pages // _SPARE or (before and free >= before):
        return Progress()
    return Progress(after=(free, min(PAGES, free - pages // _SPARE)))
