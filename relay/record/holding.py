"""Holding: how destinations stand, as rows of any store have it.

Owns making holds and conditions of rows, and columns of them. Decides nothing. Knows no database.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from relay.core.audit import Entry
from relay.core.holding import Change, Changed, Condition, Hold, prevailing
from relay.core.ledger import DESTINATION_COUNTERS, DestinationCounts
from relay.core.notice import Bystander
from relay.record.accounts import Accounts

__all__ = [
    "bystander",
    "changed",
    "condition",
    "count_dead",
    "count_filled",
    "entry_columns",
    "filled",
    "hold_columns",
    "hold_of",
    "is_missing",
]

Row = Sequence[Any]


def changed(change: Change, row: Row) -> Changed:
    """What a change comes to. Columns: number; hold, its reason, by and since; and more."""
    before = hold_of(row[1:5])
    return Changed(before=before, after=prevailing(before, change.hold))


def bystander(row: Row) -> Bystander:
    """What is told of a destination along with what happens to it. Columns as :func:`changed` has them, then kind, open."""
    return Bystander(kind=row[5], open=int(row[6]))


def hold_columns(number: int, hold: Hold | None) -> tuple[object, ...]:
    """Columns: number of the destination; hold, its reason, by and since."""
    if hold is None:
        return (number, None, None, None, None)
    return (number, hold.kind, hold.reason, hold.by, hold.since)


def entry_columns(entry: Entry) -> tuple[object, ...]:
    """Columns: at, actor, verb, subject, detail."""
    at, *words = msgspec.structs.astuple(entry)
    # No text in either store has a NUL, and what is no text is said all the same.
    return (at, *(_plain(word) for word in words))


def condition(row: Row) -> Condition:
    """How a destination stands.

    Columns: name, kind; hold, its reason, by and since; failing_since, failed_at, worked_at, behind_from; the counters.
    """
    name, kind, *rest = row[:10]
    hold = hold_of(rest[:4])
    failing_since, failed_at, worked_at, behind_from = rest[4:]
    counts = DestinationCounts(**dict(zip(DESTINATION_COUNTERS, row[10:], strict=True)))
    return Condition(
        name=name,
        kind=kind,
        hold=hold,
        failing_since=failing_since,
        failed_at=failed_at,
        worked_at=worked_at,
        behind_from=behind_from,
        counts=counts.behind_a_hold() if hold else counts,
        # No row is held by itself: what is counted so is without one.
        behind=counts.held,
    )


def count_dead(accounts: Accounts, destination: int, count: int) -> None:
    """Account for pending deliveries that were let die."""
    if count:
        counts = accounts.destinations[destination]
        counts["pending"] -= count
        counts["dead"] += count


def filled(
    rows: Sequence[Row],
    numbers: Iterable[int],
    *,
    destination: int,
    epoch: int,
    now: int,
) -> list[tuple[object, ...]]:
    """Columns of deliveries for those of some events that are without theirs, with these numbers.

    Columns of ``rows``: number, run and source of the event, whether it was routed there, whether it has one.
    """
    missing = [row[:3] for row in rows if is_missing(row)]
    return [
        (number, event, run, source, destination, epoch, now, now, None)
        for number, (event, run, source) in zip(numbers, missing, strict=False)
    ]


def is_missing(row: Row) -> bool:
    """Whether an event is without the delivery that it was routed to."""
    *_, is_routed, is_made = row
    return bool(is_routed and not is_made)


def count_filled(accounts: Accounts, destination: int, rows: Sequence[Row]) -> None:
    """Account for events that a destination was behind with and is not any more."""
    routed = sum(bool(row[3]) for row in rows)
    made = sum(map(is_missing, rows))
    if routed:
        counts = accounts.destinations[destination]
        counts["held"] -= routed
        counts["pending"] += made
        # Whoever made a delivery meanwhile has counted one of their own.
        counts["created"] -= routed - made


def hold_of(row: Row) -> Hold | None:
    """Why nothing is sent. Columns: the hold, its reason, by and since."""
    kind, reason, by, since = row
    if kind is None:
        return None
    return Hold(kind=kind, reason=reason, by=by, since=since)


def _plain(word: str) -> str:
    return word.encode(errors="backslashreplace").decode().replace("\0", "\\0")
