"""Moving: rows of a group on their way in and out, one statement a table.

Owns the order of the statements and turning rows into one array a column. Decides nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from relay.core.inquiry import Inquiry
from relay.core.ports import Parcel, Refusal, Settlement
from relay.record.accounts import Accounts
from relay.record.inquiring import inquiries
from relay.record.intake import Intake
from relay.record.jobs import Inquire
from relay.record.outgoing import (
    account,
    attempts,
    fitting,
    parcels,
    settled_columns,
)
from relay.record.postgres.connection import Connection
from relay.record.postgres.faults import ContendedError
from relay.record.postgres.numbers import PostgresNumbers

__all__ = [
    "claim",
    "columns",
    "inquire",
    "look_up",
    "put_refusals",
    "settle",
    "write_counters",
    "write_down",
]

Sql = Mapping[str, str]

#: Where `find_runs` has the run's own number: behind its identity.
_NUMBER: Final = 3


def columns(rows: Sequence[Sequence[object]]) -> list[tuple[object, ...]]:
    """Rows as one array a column."""
    return list(zip(*rows, strict=True))


async def _ask(
    connection: Connection, sql: str, rows: Sequence[Sequence[object]]
) -> list[tuple[Any, ...]]:
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
    locked = {row[0] for row in await _ask(connection, sql["lock_runs"], identities)}
    found = await _ask(connection, sql["find_runs"], identities)
    intake.know_runs(row for row in found if row[_NUMBER] in locked)
    intake.know_receipts(
        await _ask(connection, sql["find_equal_receipts"], intake.repeatable)
    )
    unreadable = intake.unreadable
    await _ask(connection, sql["lock_digests"], unreadable)
    intake.know_quarantined(await _ask(connection, sql["find_quarantined"], unreadable))
    intake.know_destinations(
        await _ask(
            connection,
            sql["find_earlier_destinations"],
            [(number,) for number in intake.revisable],
        )
    )
    learner = intake.learner
    learner.know_last(
        await _ask(connection, sql["read_last_events"], learner.comparable)
    )
    learner.know_bodies(
        await _ask(connection, sql["read_receipts"], learner.publishable)
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
        await _ask(connection, sql["find_winners"], collapsing.claims())
    )
    collapsing.know_queues(
        await _ask(connection, sql["find_queues"], collapsing.queues)
    )
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
    if len(await _ask(connection, sql["insert_run"], new)) < len(new):
        raise ContendedError("another relay has met the same run")
    collapsing = intake.collapsing
    won = collapsing.won
    if len(await _ask(connection, sql["insert_winner"], won)) < len(won):
        raise ContendedError("another relay has told of the same client_ref")
    for name, rows in (
        ("insert_receipt", intake.receipts),
        ("insert_event", intake.events),
        ("insert_delivery", intake.deliveries),
        ("update_run", intake.changed_runs),
        ("repeat_receipt", intake.repeats),
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
        await _ask(connection, sql[name], rows)


async def claim(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    *,
    destination: str,
    limit: int,
    size: int,
    now: int,
    lease: int,
) -> Sequence[Parcel]:
    """Lease due deliveries, oldest first, and read what their events are made of."""
    number = numbers.destinations.get(destination)
    if number is None or limit < 1:
        return []
    rows = await connection.fetch(sql["claim"], lease, number, now, limit)
    claimed = [(row[0],) for row in rows]
    taken = fitting(await _ask(connection, sql["weigh_parcels"], claimed), size)
    rest = [row for row in claimed if row[0] not in taken]
    await _ask(connection, sql["unclaim"], rest)
    wanted = [(delivery,) for delivery in sorted(taken)]
    found = await _ask(connection, sql["read_parcels"], wanted)
    return parcels(found, destination=destination, lease=lease)


async def inquire(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    job: Inquire,
    *,
    lease: int,
) -> Sequence[Inquiry]:
    """Lease due inquiries, and read what is known of their runs."""
    number = numbers.sources.get(job.source)
    if number is None or job.limit < 1:
        return []
    rows = await connection.fetch(
        sql["claim_inquiries"], lease, number, job.now, job.opened_before, job.limit
    )
    claimed = [(row[0],) for row in rows]
    return inquiries(
        await _ask(connection, sql["read_inquiries"], claimed),
        await _ask(connection, sql["read_accounts"], claimed),
        lease=lease,
    )


async def settle(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    settlements: Sequence[Settlement],
    *,
    accounts: Accounts,
    now: int,
) -> Sequence[bool]:
    """Write what became of tries whose lease still holds."""
    if len({item.parcel.number for item in settlements}) < len(settlements):
        # Twice the same delivery in one statement: which of the two counts is anybody's guess.
        alone = [
            await settle(connection, sql, numbers, [item], accounts=accounts, now=now)
            for item in settlements
        ]
        return [held for [held] in alone]
    written_as = sorted(settled_columns(item, now) for item in settlements)
    rows = await _ask(connection, sql["settle"], written_as)
    written = {row[0] for row in rows}
    kept = [item for item in settlements if item.parcel.number in written]
    account(kept, numbers.destinations, accounts)
    await _ask(connection, sql["insert_attempt"], attempts(kept, now))
    return [item.parcel.number in written for item in settlements]


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
