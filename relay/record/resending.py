"""Resending: orders to send again, as rows, whatever the store.

Owns the columns, and asking core what a step makes of what was found. Knows no database.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from relay.core.audit import Entry
from relay.core.errors import UnbuildableError
from relay.core.identity import Outcome
from relay.core.ports import Letter
from relay.core.replay import (
    Candidate,
    NewReplay,
    Replay,
    Resent,
    Selection,
    Stretch,
    is_full,
)
from relay.core.route import Router
from relay.record.accounts import Accounts
from relay.record.codes import OUTCOME_CODES
from relay.record.outgoing import letter

__all__ = [
    "KEPT",
    "account",
    "advanced",
    "cancellation_of",
    "candidates",
    "chosen",
    "entry_of",
    "name_of",
    "new_columns",
    "next_of",
    "replay_of",
    "resent",
    "routed",
]

#: Orders that are over and remembered.
KEPT: Final = 1000

#: Where a letter's row has the event's number.
_EVENT: Final = 5

Row = Sequence[Any]


def new_columns(
    order: NewReplay, numbers: Mapping[str, int], now: int
) -> tuple[object, ...]:
    """Columns of an order: created_at, ordered_by, origin, target, selection, rate, most, expected, cursor, upto, due_at."""
    return (
        now,
        order.by,
        numbers[order.origin],
        numbers[order.target],
        msgspec.json.encode(order.selection).decode(),
        order.rate,
        order.most,
        order.expected,
        order.after,
        order.upto,
        now,
    )


def entry_of(number: int, order: NewReplay, now: int) -> Entry:
    """What the audit says of an order."""
    said = msgspec.structs.replace(order.selection, events=None)
    detail = f"{order.origin} to {order.target}, {order.expected} found, {msgspec.json.encode(said).decode()}"
    return Entry(
        at=now, actor=order.by, verb="replay", subject=str(number), detail=detail
    )


def cancellation_of(number: int, by: str, now: int) -> Entry:
    """What the audit says of an order that was called off."""
    return Entry(at=now, actor=by, verb="replay --cancel", subject=str(number))


def replay_of(row: Row) -> Replay:
    """Make an order of: number, origin, target, selection, rate, most, cursor, upto, created, untried."""
    number, origin, target, selection, rate, most, cursor, upto, created, untried = row
    return Replay(
        number=number,
        origin=origin,
        target=target,
        selection=msgspec.json.decode(selection, type=Selection),
        rate=rate,
        most=most,
        cursor=cursor,
        upto=upto,
        created=created,
        untried=untried,
    )


def chosen(selection: Selection, sources: Mapping[str, int]) -> dict[str, Any]:
    """What a selection says, in the store's numbers; a source that nobody has heard of has none."""
    outcome = selection.outcome
    return {
        "source": None
        if selection.source is None
        else sources.get(selection.source, 0),
        "outcome": None if outcome is None else OUTCOME_CODES[Outcome(outcome)],
        "reason": selection.reason,
        "since": selection.since,
        "until": selection.until,
        "events": selection.events,
    }


def candidates(rows: Iterable[Row]) -> list[Candidate]:
    """Make candidates of: number, event, run, size of the body or none, whether it stands."""
    return [
        Candidate(number, event, run, size, bool(stands))
        for number, event, run, size, stands in rows
    ]


def routed(rows: Iterable[Row], router: Router, target: str) -> set[int]:
    """The events, of rows as :func:`relay.record.outgoing.letter` has them, that routes take there."""
    return {row[_EVENT] for row in rows if _is_routed(letter(row), router, target)}


def _is_routed(found: Letter, router: Router, target: str) -> bool:
    try:
        return target in router.route(lambda: found.event, about=found.facts.about)
    except UnbuildableError:
        # It dies with a reason, where it is tried.
        return True


def account(accounts: Accounts, target: int, made: int) -> None:
    """Count deliveries that were made."""
    if made:
        accounts.destinations[target]["created"] += made
        accounts.destinations[target]["pending"] += made


def advanced(replay: Replay, ahead: Stretch, now: int) -> tuple[object, ...]:
    """Columns of an order after a step: cursor, due_at, created, expired, standing, unrouted, state, ended_at, number."""
    return (
        ahead.cursor,
        ahead.due_at,
        len(ahead.made),
        ahead.expired,
        ahead.standing,
        ahead.unrouted,
        int(ahead.state),
        now if ahead.state else None,
        replay.number,
    )


def resent(replay: Replay, ahead: Stretch, names: Mapping[str, int]) -> Resent:
    """What a step has done."""
    return Resent(
        replay=replay.number,
        made=len(ahead.made),
        state=ahead.state,
        destination=name_of(replay.target, names),
    )


def name_of(number: int, names: Mapping[str, int]) -> str:
    """The name of a destination; empty for one that this process has not heard of."""
    return next((name for name, known in names.items() if known == number), "")


def next_of(rows: Iterable[Row]) -> tuple[int | None, bool]:
    """When a step is due, of orders under way (due_at, untried); and whether there is any."""
    found = list(rows)
    due = [due_at for due_at, untried in found if not is_full(untried)]
    return min(due, default=None), bool(found)
