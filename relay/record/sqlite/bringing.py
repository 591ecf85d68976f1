"""Bringing: what the jobs of a group come to in the file, but for what is leased and forgotten.

Owns opening receipts, judging them with lessons and sightings in the order of the jobs, and the errands that
ride along. Knows nothing of the transaction around it.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain

from relay.core.retention import Keeping
from relay.record.accounts import Accounts
from relay.record.intake import Intake
from relay.record.jobs import (
    Job,
    Learn,
    Watch,
    brings_news,
    lessons_of,
    opened_of,
    sightings_of,
)
from relay.record.sqlite.errands import do
from relay.record.sqlite.incoming import look_up, write_down
from relay.record.sqlite.numbers import SqliteNumbers

__all__ = ["bring"]


def bring(
    connection: sqlite3.Connection,
    sql: Mapping[str, str],
    numbers: SqliteNumbers,
    jobs: Sequence[Job],
    *,
    accounts: Accounts,
    room: dict[str, int],
    lease: int,
    keeping: Keeping,
    now: int,
) -> list[object]:
    """Do the jobs, one answer each, None for those whose turn comes later. ``room`` is spent as leases are given.

    ``now`` is the group's time in wall microseconds.
    """
    errand = partial(do, connection, sql, numbers, accounts=accounts, now=now)
    if not any(map(brings_news, jobs)):
        # A group of claims and settlements: there is nothing to look up for it.
        return [errand(job) for job in jobs]
    opened = opened_of(jobs, keeping, now=now)
    intake = Intake(
        [*chain.from_iterable(opened.values())],
        numbers,
        lessons=lessons_of(jobs),
        sighted=sightings_of(jobs),
        accounts=accounts,
        room=room,
        lease=lease,
    )
    look_up(connection, sql, intake)
    answers = [
        intake.take(opened[index])
        if index in opened
        else intake.follow(job)
        if isinstance(job, Learn | Watch)
        else errand(job)
        for index, job in enumerate(jobs)
    ]
    write_down(connection, sql, intake)
    return answers
