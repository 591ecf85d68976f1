"""Outgoing: deliveries are claimed, and what became of them is written.

Owns the claim (one statement that picks, locks and marks) and the settlement (compare the lease and
set). Decides nothing: the step that follows a try comes from core.
"""

import sqlite3
from collections.abc import Mapping, Sequence

from relay.core.callback import Reading, read
from relay.core.delivery import Delivered, Failed, Outcome, Released, State
from relay.core.errors import StoreFailedError
from relay.core.event import Facts
from relay.core.identity import RunKey
from relay.core.ports import Letter, Parcel, Settlement
from relay.record.accounts import Accounts
from relay.record.codes import OUTCOMES
from relay.record.sqlite.numbers import SqliteNumbers
from relay.record.sqlite.rows import ask_many

__all__ = ["claim", "settle"]

_COUNTERS = {
    State.PENDING: "pending",
    State.DELIVERED: "delivered",
    State.HELD: "held",
    State.DEAD: "dead",
    State.DISCARDED: "discarded",
}


def claim(
    connection: sqlite3.Connection,
    sql: Mapping[str, str],
    numbers: SqliteNumbers,
    *,
    destination: str,
    limit: int,
    now: int,
    lease: int,
) -> Sequence[Parcel]:
    """Lease due deliveries, oldest first, and read what their events are made of."""
    number = numbers.destinations.get(destination)
    # SQLite takes a negative limit for none at all.
    if number is None or limit < 1:
        return []
    claimed = connection.execute(
        sql["claim"],
        {"lease": lease, "destination": number, "now": now, "limit": limit},
    ).fetchall()
    letters: dict[int, Letter] = {}
    return [
        _parcel(
            connection,
            sql,
            delivery,
            destination=destination,
            lease=lease,
            letters=letters,
        )
        for (delivery,) in sorted(claimed)
    ]


def _parcel(
    connection: sqlite3.Connection,
    sql: Mapping[str, str],
    delivery: int,
    *,
    destination: str,
    lease: int,
    letters: dict[int, Letter],
) -> Parcel:
    row = connection.execute(sql["read_parcel"], (delivery,)).fetchone()
    generation, attempts, created_at, source, namespace, stored, *rest = row
    origin, first_seen, event, outcome, revision, confirmed, builder, body = rest
    if event not in letters:
        key = RunKey.restore(source, namespace, stored)
        reading = read(body, source=source)
        if not isinstance(reading, Reading):
            raise StoreFailedError(f"the receipt of event {event} reads otherwise now")
        letters[event] = Letter(
            Facts(
                key=key,
                outcome=OUTCOMES[outcome],
                revision=revision,
                origin=origin,
                confirmed=bool(confirmed),
                received_at=first_seen,
                reading=reading,
                builder=builder,
            )
        )
    return Parcel(
        number=delivery,
        lease=lease,
        destination=destination,
        generation=generation,
        attempts=attempts,
        created_at=created_at,
        letter=letters[event],
    )


def settle(
    connection: sqlite3.Connection,
    sql: Mapping[str, str],
    numbers: SqliteNumbers,
    settlements: Sequence[Settlement],
    *,
    accounts: Accounts,
    now: int,
) -> Sequence[bool]:
    """Write what became of tries whose lease still holds."""
    if len({item.parcel.number for item in settlements}) < len(settlements):
        # Twice the same delivery in one statement: which of the two counts is anybody's guess.
        return [
            settle(connection, sql, numbers, [item], accounts=accounts, now=now)[0]
            for item in settlements
        ]
    written = {
        number
        for (number,) in ask_many(
            connection, sql["settle"], [_columns(item, now) for item in settlements]
        )
    }
    answers = []
    for settlement in settlements:
        held = settlement.parcel.number in written
        answers.append(held)
        if held:
            _count(settlement, numbers, accounts)
            _keep_attempt(connection, sql, settlement, now)
    return answers


def _columns(settlement: Settlement, now: int) -> tuple[object, ...]:
    parcel, step = settlement.parcel, settlement.step
    return (
        parcel.number,
        parcel.lease,
        int(step.state),
        step.attempts,
        step.due_at,
        None if step.state.is_open else now,
        _status(settlement.outcome),
        step.reason,
    )


def _count(settlement: Settlement, numbers: SqliteNumbers, accounts: Accounts) -> None:
    state = settlement.step.state
    if state is not State.PENDING:
        number = numbers.destinations[settlement.parcel.destination]
        counts = accounts.destinations[number]
        counts["pending"] -= 1
        counts[_COUNTERS[state]] += 1


def _status(outcome: Outcome) -> int | None:
    return None if isinstance(outcome, Released) else outcome.status


def _keep_attempt(
    connection: sqlite3.Connection,
    sql: Mapping[str, str],
    settlement: Settlement,
    now: int,
) -> None:
    outcome = settlement.outcome
    if isinstance(outcome, Delivered | Released):
        return
    excerpt = outcome.excerpt if isinstance(outcome, Failed) else b""
    connection.execute(
        sql["insert_attempt"],
        (
            settlement.parcel.number,
            now - outcome.duration_us,
            outcome.duration_us,
            outcome.reason,
            outcome.status,
            # What happened is written, whatever a destination's words are made of.
            outcome.detail.encode(errors="backslashreplace").decode(),
            excerpt or None,
        ),
    )
