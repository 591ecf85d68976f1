"""Moving: rows of a group on their way in and out, one statement a table.

Owns the order of the statements and turning rows into one array a column. Decides nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from relay.core.inquiry import Inquiry
from relay.core.ports import Refusal
from relay.record.accounts import Accounts
from relay.record.inquiring import inquiries
from relay.record.intake import Intake
from relay.record.jobs import Inquire
from relay.record.postgres.connection import Connection
from relay.record.postgres.faults import ContendedError
from relay.record.postgres.numbers import PostgresNumbers

__all__ = [
    "ask",
    "columns",
    "due_of_source",
    "inquire",
    "look_up",
    "put_refusals",
    "write_counters",
    "write_down",
]

Sql = Mapping[str, str]

#: Where `find_runs` has the run's own number: behind its identity.
_NUMBER: Final = 3


def columns(rows: Sequence[Sequence[object]]) -> list[tuple[object, ...]]:
    """Rows as one array a column."""
    return list(zip(*rows, strict=True))


async def ask(
    connection: Connection, sql: str, rows: Sequence[Sequence[object]]
) -> list[tuple[Any, ...]]:
    """Run a statement that takes one array a column for all ``rows``."""
    if not rows:
        return []
    return [tuple(row) for row in await connection.fetch(sql, *columns(rows))]


async def look_up(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    intake: Intake,
    *,
    receipts: int,
    now: int,
) -> None:
    """Lock what the group speaks of, find out what is known of it, and take its numbers.

    Locked first and read afterwards: what another relay has committed meanwhile is seen. A run that it has
    made since the locking is seen as well, and is not ours: a third relay may be changing it. It
    counts as unknown, so that writing it down fails and the group begins again.

    Raises:
        ContendedError: there are runs to be locked that nobody had spoken of.
    """
    identities = sorted(intake.identities)
    locked = {row[0] for row in await ask(connection, sql["lock_runs"], identities)}
    found = await ask(connection, sql["find_runs"], identities)
    intake.know_runs(row for row in found if row[_NUMBER] in locked)
    intake.know_receipts(
        await ask(connection, sql["find_equal_receipts"], intake.repeatable)
    )
    unreadable = intake.unreadable
    await ask(connection, sql["lock_digests"], unreadable)
    intake.know_quarantined(await ask(connection, sql["find_quarantined"], unreadable))
    intake.know_destinations(
        await ask(
            connection,
            sql["find_earlier_destinations"],
            [(number,) for number in intake.revisable],
        )
    )
    learner = intake.learner
    learner.know_last(
        await ask(connection, sql["read_last_events"], learner.comparable)
    )
    learner.know_bodies(
        await ask(connection, sql["read_receipts"], learner.publishable)
    )
    receipts += await _meet(connection, sql, intake)
    if identities or receipts:
        await numbers.take_for(
            connection, runs=len(identities), receipts=receipts, now=now
        )


async def _meet(connection: Connection, sql: Sql, intake: Intake) -> int:
    """Lock the winners whose client_refs the group speaks of; gives how many runs may be released.

    Everyone locks runs first (by their numbers), then quarantined digests, then winners (by their keys),
    and waits for none of an earlier sort while holding a later one: nobody waits in a circle. Whoever
    stands back, or releases, holds the winner's row until the end, so that the queue behind it stands
    still. A run in that queue which may be released is one more run to be locked, and it is too late for
    that here: the group lets go of everything and begins again, with that run among its own.
    """
    collapsing = intake.collapsing
    collapsing.know_winners(
        await ask(connection, sql["find_winners"], collapsing.claims())
    )
    collapsing.know_queues(await ask(connection, sql["find_queues"], collapsing.queues))
    strangers = collapsing.strangers
    if strangers:
        raise ContendedError("runs behind a winner are needed", needs=strangers)
    return collapsing.releasable


async def write_down(connection: Connection, sql: Sql, intake: Intake) -> None:
    """Write everything gathered, in the open transaction.

    Raises:
        ContendedError: another relay has just met one of the same runs, or client_refs, for the first time.
    """
    # In the order of their identities: two relays with the same new runs do not block each other.
    new = sorted(intake.new_runs, key=lambda row: row[1:4])
    if len(await ask(connection, sql["insert_run"], new)) < len(new):
        raise ContendedError("another relay has met the same run")
    collapsing = intake.collapsing
    won = collapsing.won
    if len(await ask(connection, sql["insert_winner"], won)) < len(won):
        raise ContendedError("another relay has told of the same client_ref")
    for name, rows in (
        ("insert_receipt", intake.receipts),
        ("insert_event", intake.events),
        ("insert_delivery", intake.deliveries),
        ("update_run", intake.changed_runs),
        ("repeat_receipt", intake.repeats),
        ("readmit_receipt", intake.readmitted),
        ("drop_inquiry", intake.answered),
        ("put_inquiry", intake.inquiries),
        ("release_inquiry", intake.released),
        ("insert_ask", intake.learner.asks),
        ("pass_on", collapsing.passed_on),
        ("free_winner", collapsing.freed),
        # A run may leave one client_ref and stand back behind another.
        ("drop_collapsed", collapsing.dropped),
        ("put_collapsed", collapsing.collapsed),
        ("refresh_collapsed", collapsing.refreshed),
    ):
        await ask(connection, sql[name], rows)


async def inquire(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    job: Inquire,
    *,
    lease: int,
) -> Sequence[Inquiry]:
    """Lease due inquiries, and read what is known of their runs."""
    number = await numbers.find_source(connection, job.source)
    if number is None or job.limit < 1:
        return []
    rows = await connection.fetch(
        sql["claim_inquiries"], lease, number, job.now, job.opened_before, job.limit
    )
    claimed = [(row[0],) for row in rows]
    return inquiries(
        await ask(connection, sql["read_inquiries"], claimed),
        await ask(connection, sql["read_accounts"], claimed),
        lease=lease,
    )


async def due_of_source(
    connection: Connection, statement: str, numbers: PostgresNumbers, source: str
) -> int | None:
    """A moment that the store keeps for a source, wall microseconds."""
    number = await numbers.find_source(connection, source)
    if number is None:
        return None
    due = await connection.fetchval(statement, number)
    return None if due is None else int(due)


async def put_refusals(
    connection: Connection, sql: Sql, refusals: Sequence[Refusal], *, most: int
) -> None:
    """Count refusals, and forget the oldest beyond ``most``."""
    for refusal in refusals:
        await connection.execute(sql["put_refusal"], *msgspec.structs.astuple(refusal))
    await connection.execute(sql["trim_refusals"], most)


async def write_counters(
    connection: Connection, sql: Sql, accounts: Accounts, incarnation: int
) -> None:
    """Add what a transaction has changed to the ledger's counters."""
    for name, rows in (
        ("add_source_counts", accounts.source_rows(incarnation)),
        ("add_destination_counts", accounts.destination_rows(incarnation)),
    ):
        for row in rows:
            await connection.execute(sql[name], *row)
