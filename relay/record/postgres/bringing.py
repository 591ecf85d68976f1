"""Bringing: what the jobs of a group come to in the database, but for what is leased.

Owns opening receipts, judging them with lessons and sightings in the order of the jobs, and the errands that
ride along. Knows nothing of the transaction around it.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from itertools import chain

from relay.core.receipt import Opened
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
from relay.record.postgres.connection import Connection
from relay.record.postgres.errands import do
from relay.record.postgres.moving import look_up, write_down
from relay.record.postgres.numbers import PostgresNumbers
from relay.record.runs import Identity

__all__ = ["bring"]


async def bring(
    connection: Connection,
    sql: Mapping[str, str],
    numbers: PostgresNumbers,
    jobs: Sequence[Job],
    *,
    also: Collection[Identity],
    accounts: Accounts,
    room: dict[str, int],
    lease: int,
    keeping: Keeping,
    now: int,
) -> list[object]:
    """Do the jobs, one answer each, None for those whose turn comes later. ``room`` is spent as leases are given.

    ``also`` are runs to be locked along with those that the group speaks of; ``now`` is the group's time in wall
    microseconds.

    Raises:
        ContendedError: another relay is in the way, or there are runs to be locked that nobody had spoken of.
    """
    errand = partial(do, connection, sql, numbers, accounts=accounts, now=now)
    if not any(map(brings_news, jobs)):
        return [await errand(job) for job in jobs]
    opened = opened_of(jobs, keeping, now=now)
    receipts = [*chain.from_iterable(opened.values())]
    await _know_sources(connection, numbers, receipts, jobs)
    lessons = lessons_of(jobs)
    intake = Intake(
        receipts,
        numbers,
        lessons=lessons,
        sighted=sightings_of(jobs),
        accounts=accounts,
        room=room,
        lease=lease,
        also=also,
    )
    count = len(receipts) + len(lessons)
    await look_up(connection, sql, numbers, intake, receipts=count, now=now)
    answers = [
        intake.take(opened[index])
        if index in opened
        else intake.follow(job)
        if isinstance(job, Learn | Watch)
        else await errand(job)
        for index, job in enumerate(jobs)
    ]
    await write_down(connection, sql, intake)
    return answers


async def _know_sources(
    connection: Connection,
    numbers: PostgresNumbers,
    receipts: Sequence[Opened],
    jobs: Sequence[Job],
) -> None:
    """Have the numbers of all sources that the group speaks of, before any of its rows is looked for."""
    await numbers.know_sources(
        connection,
        (
            *(item.receipt.source for item in receipts),
            *(item.inquiry.key.source for item in lessons_of(jobs)),
            *(job.source for job in jobs if isinstance(job, Watch)),
        ),
    )
