"""Outgoing: rows become parcels, and settlements become columns, whatever the store.

Owns making a claimed delivery's letter again from what is stored, and what a settlement writes and
counts. Decides nothing: the step that follows a try comes from core. Knows no database.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from relay.core.callback import Reading, Unreadable, read
from relay.core.delivery import Delivered, Failed, Outcome, Queue, Released, State
from relay.core.event import NOTICE_BUILDER, Facts
from relay.core.identity import RunKey
from relay.core.notice import Notice, read_notice
from relay.core.ports import Amendment, Letter, Parcel, Settlement
from relay.core.steady import Ahead
from relay.record.accounts import Accounts
from relay.record.codes import OUTCOMES

__all__ = [
    "COUNTERS",
    "account",
    "ahead",
    "amended_columns",
    "attempts",
    "earliest",
    "letter",
    "parcels",
    "settled_columns",
    "starts",
]

#: The ledger's word for each state.
COUNTERS: Final = {
    State.PENDING: "pending",
    State.DELIVERED: "delivered",
    State.HELD: "held",
    State.DEAD: "dead",
    State.DISCARDED: "discarded",
}


def parcels(
    rows: Iterable[tuple[Any, ...]], *, destination: str, lease: int
) -> list[Parcel]:
    """Make parcels of claimed deliveries, in the order of their numbers.

    Columns: number, generation, attempts, created_at, queue and replay; source, namespace and id of the run, origin,
    first_seen; number, outcome, revision, confirmed, builder and client_ref of the event; digest and body of the
    receipt that it is built from.
    """
    letters: dict[int, Letter] = {}
    found = []
    for number, generation, attempts, created_at, queue, replay, *columns in sorted(
        rows
    ):
        event = columns[5]
        made = letters.get(event)
        if made is None:
            made = letters[event] = letter(columns)
        found.append(
            Parcel(
                number=number,
                lease=lease,
                destination=destination,
                generation=generation,
                attempts=attempts,
                created_at=created_at,
                letter=made,
                replay=replay,
                size=len(columns[-1] or b""),
                queue=Queue(queue),
            )
        )
    return found


def letter(columns: Sequence[Any]) -> Letter:
    """Make a letter again, of the columns that :func:`parcels` has behind a delivery's own."""
    source, namespace, stored, origin, first_seen, _, *rest = columns
    outcome, revision, confirmed, builder, client_ref, digest, body = rest
    # What is no longer what was signed must not go out; it fails by itself, with a reason.
    reading: Reading | Notice | Unreadable = Unreadable("damaged")
    if body is not None and hashlib.sha256(body).digest()[:16] == digest:
        reading = (
            (read_notice(body) or reading)
            if builder == NOTICE_BUILDER
            else read(body, source=source)
        )
    if client_ref is None and isinstance(reading, Reading):
        client_ref = reading.client_ref
    return Letter(
        Facts(
            key=RunKey.restore(source, namespace, bytes(stored)),
            outcome=OUTCOMES[outcome],
            revision=revision,
            origin=origin,
            confirmed=bool(confirmed),
            received_at=first_seen,
            client_ref=client_ref,
            reading=reading,
            builder=builder,
        )
    )


def settled_columns(settlement: Settlement, now: int) -> tuple[object, ...]:
    """Columns: number and lease of the delivery; state, attempts, due_at, settled_at, status, reason."""
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


def amended_columns(amendment: Amendment) -> tuple[object, ...]:
    """Columns: attempts and due_at; number of the delivery, and the attempts and due_at written before."""
    step, written = amendment.step, amendment.written
    return (
        step.attempts,
        step.due_at,
        amendment.number,
        written.attempts,
        written.due_at,
    )


def ahead(row: Sequence[Any]) -> Ahead:
    """Columns: queue, source, due_at, number, attempts, status and tried_at."""
    queue, *columns = row
    return Ahead(Queue(queue), *columns)


def earliest(
    waiting: Iterable[tuple[int, int, int]], queue: Queue | None
) -> int | None:
    """When the earliest is due that waits in a queue, or in any. Columns: queue, source, when it is due."""
    return min(
        (due_at for one, _, due_at in waiting if queue in (None, one)), default=None
    )


def starts(
    waiting: Iterable[tuple[int, int, int]], after: Ahead | None, now: int
) -> Iterator[tuple[int, int, int, int]]:
    """Queue and source, and after which time and number to look there, for all from a place on."""
    for queue, source, _ in sorted(waiting):
        if after is None or (queue, source) > (after.queue, after.source):
            yield queue, source, now + 1, 0
        elif (queue, source) == (after.queue, after.source):
            yield queue, source, after.due_at, after.number


def account(
    settlements: Iterable[Settlement], numbers: Mapping[str, int], accounts: Accounts
) -> None:
    """Count what was written, by the destinations' numbers."""
    for settlement in settlements:
        state = settlement.step.state
        if state is not State.PENDING:
            counts = accounts.destinations[numbers[settlement.parcel.destination]]
            counts["pending"] -= 1
            counts[COUNTERS[state]] += 1


def attempts(settlements: Iterable[Settlement], now: int) -> list[tuple[object, ...]]:
    """Columns of tries that failed: delivery, tried_at, duration_us, reason, status, detail, excerpt."""
    found: list[tuple[object, ...]] = []
    for settlement in settlements:
        outcome = settlement.outcome
        if isinstance(outcome, Delivered | Released):
            continue
        excerpt = outcome.excerpt if isinstance(outcome, Failed) else b""
        found.append(
            (
                settlement.parcel.number,
                now - outcome.duration_us,
                outcome.duration_us,
                outcome.reason,
                outcome.status,
                # What happened is written, whatever a destination's words are made of.
                outcome.detail.encode(errors="backslashreplace")
                .decode()
                .replace("\0", "\\0"),
                excerpt or None,
            )
        )
    return found


def _status(outcome: Outcome) -> int | None:
    return None if isinstance(outcome, Released) else outcome.status
