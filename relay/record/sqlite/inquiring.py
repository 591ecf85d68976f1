"""Inquiring: runs that wait for the truth are claimed, so that each is asked for once.

Owns the claim (one statement that picks, locks and marks).
"""

import sqlite3
from collections.abc import Mapping, Sequence

from relay.core.inquiry import Inquiry
from relay.record.inquiring import inquiries
from relay.record.jobs import Inquire
from relay.record.sqlite.numbers import SqliteNumbers
from relay.record.sqlite.rows import ask_many

__all__ = ["inquire"]


def inquire(
    connection: sqlite3.Connection,
    sql: Mapping[str, str],
    numbers: SqliteNumbers,
    job: Inquire,
    *,
    lease: int,
) -> Sequence[Inquiry]:
    """Lease due inquiries, and read what is known of their runs."""
    number = numbers.sources.get(job.source)
    # SQLite takes a negative limit for none at all.
    if number is None or job.limit < 1:
        return []
    claimed = connection.execute(
        sql["claim_inquiries"],
        {
            "lease": lease,
            "source": number,
            "now": job.now,
            "opened_before": job.opened_before,
            "limit": job.limit,
        },
    ).fetchall()
    return inquiries(
        ask_many(connection, sql["read_inquiries"], claimed),
        ask_many(connection, sql["read_accounts"], claimed),
        lease=lease,
    )
