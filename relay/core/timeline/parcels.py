"""Parcels: where each delivery of a run stands, and why.

Owns the state and the words of one delivery. What a store keeps decides; whether a destination works at
this moment is in the memory of the relay that serves it, and is inferred here from its last failure.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, assert_never

import msgspec

from relay.core.delivery import HOUR, SECOND, State
from relay.core.timeline.history import Delivery, EventRow, Plan
from relay.core.timeline.words import (
    clock,
    failure_words,
    hold_words,
    is_of_destination,
    length,
)

__all__ = ["PATIENCE", "Place", "RunState", "behind", "latest", "place_of"]

#: The words for where a run, or an event on its way, stands.
RunState = Literal[
    "waiting", "pending", "delivered", "held", "dead", "quarantined", "collapsed"
]

_STATES: Final[dict[State, RunState]] = {
    State.PENDING: "pending",
    State.DELIVERED: "delivered",
    State.HELD: "held",
    State.DEAD: "dead",
    State.DISCARDED: "dead",
}
#: So near an end is spoken of, in microseconds.
_NEAR: Final = 24 * HOUR
#: So long something due may wait before anybody wonders, in microseconds.
PATIENCE: Final = 5 * SECOND
_ORDINALS: Final = {1: "1st", 2: "2nd", 3: "3rd"}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where one delivery stands. Times are wall microseconds."""

    destination: str
    kind: str
    #: The revision of the event.
    revision: int
    generation: int
    state: RunState
    #: A closed word.
    reason: str
    #: The same for a person, beginning with a verb or a noun: "try 3 is due at ...".
    words: str
    #: Tries so far, the one that delivered it included.
    tries: int
    due_at: int | None = None
    settled_at: int | None = None


def latest(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Of each event and destination the last generation: a replay takes the place of what it repeats."""
    found: dict[tuple[int, str], Delivery] = {}
    for one in sorted(deliveries, key=lambda d: (d.number, d.generation)):
        found[one.event, one.destination] = one
    return list(found.values())


def place_of(
    delivery: Delivery,
    event: EventRow,
    others: Sequence[tuple[Delivery, EventRow]],
    *,
    plan: Plan | None,
    now: int,
) -> Place:
    """Say where one delivery stands; ``others`` are all of the run's, with their events."""
    reason, words = _why(delivery, others, plan, now)
    final = delivery.state is State.DELIVERED
    refused = delivery.state is State.DEAD and not delivery.failures
    return Place(
        destination=delivery.destination,
        kind=delivery.kind,
        revision=event.revision,
        generation=delivery.generation,
        state="held" if _is_held(delivery) else _STATES[delivery.state],
        reason=reason,
        words=words,
        tries=delivery.failures + (final or refused),
        due_at=delivery.due_at if delivery.state.is_open else None,
        settled_at=delivery.settled_at,
    )


def behind(event: EventRow, destination: str) -> Place:
    """Where a delivery stands that is not made yet."""
    return Place(
        destination=destination,
        kind="",
        revision=event.revision,
        generation=1,
        state="held",
        reason="behind",
        words="the destination has too many open deliveries (`limits.backlog`), and this one follows by itself"
        " when there is room",
        tries=0,
    )


def _is_held(delivery: Delivery) -> bool:
    """Whether it waits for a person; what is under way ends all the same."""
    return (
        delivery.state is State.PENDING
        and delivery.hold is not None
        and not delivery.leased
    )


def _why(
    delivery: Delivery,
    others: Sequence[tuple[Delivery, EventRow]],
    plan: Plan | None,
    now: int,
) -> tuple[str, str]:
    match delivery.state:
        case State.DELIVERED:
            return "delivered", _delivered(delivery, now)
        case State.DEAD:
            return _dead(delivery, now)
        case State.DISCARDED:
            return "discarded", f"an operator discarded it{_at(delivery, now)}"
        case State.HELD:
            return "held", "until an operator resumes the destination"
        case State.PENDING:
            return _pending(delivery, others, plan, now)
        case _:
            assert_never(delivery.state)


def _delivered(delivery: Delivery, now: int) -> str:
    status = f", it answered {delivery.status}" if delivery.status else ""
    return f"delivered{_at(delivery, now)}, {_nth(delivery.failures + 1)} try{status}"


def _dead(delivery: Delivery, now: int) -> tuple[str, str]:
    tries = _count(max(delivery.failures, 1), "try", "tries")
    words = failure_words(delivery.reason)
    return delivery.reason or "dead", f"dead{_at(delivery, now)} after {tries}: {words}"


def _pending(
    delivery: Delivery,
    others: Sequence[tuple[Delivery, EventRow]],
    plan: Plan | None,
    now: int,
) -> tuple[str, str]:
    unserved = _unserved(delivery, plan, now)
    if unserved is not None:
        return unserved
    ahead = [
        event.revision
        for other, event in others
        if other.destination == delivery.destination
        and other.number < delivery.number
        and other.state.is_open
    ]
    if ahead:
        return (
            "earlier_open",
            f"waits until event {min(ahead)} is settled there, so that order is kept",
        )
    trying = f"try {delivery.failures + 1}"
    if delivery.leased:
        return "under_way", f"{trying} is under way, or next in line{_last(delivery)}"
    presence = None if plan is None else plan.presence
    if presence is not None and delivery.destination in presence.degraded:
        return "destination_down", _down(delivery, plan, now)
    if not delivery.failures:
        return _untried(delivery, now)
    return _tried(delivery, trying, plan, now)


def _unserved(
    delivery: Delivery, plan: Plan | None, now: int
) -> tuple[str, str] | None:
    """Why nothing is tried until a person does something; None where nobody has to."""
    name = delivery.destination
    if delivery.hold is not None and not delivery.leased:
        why = hold_words(delivery.hold, now)
        ends = f"`relay destinations resume {name}` sends it"
        return delivery.hold.kind, f"the destination is {why}; {ends}"
    if plan is not None and name not in plan.max_age:
        gone = "nobody tries it: the destination is not in the configuration any more"
        ends = f"put it back, or `relay destinations forget {name}` gives it up"
        return "not_configured", f"{gone}; {ends}"
    return None


def _untried(delivery: Delivery, now: int) -> tuple[str, str]:
    if delivery.due_at > now:
        return "next_try", f"its first try is due {_when(delivery.due_at, now)}"
    waited = now - delivery.due_at
    if waited < PATIENCE:
        return "due", "its first try is due now"
    return (
        "due",
        f"its first try has been due for {length(waited)}: no relay has taken it yet",
    )


def _tried(
    delivery: Delivery, trying: str, plan: Plan | None, now: int
) -> tuple[str, str]:
    ends = _ends(delivery, plan, now)
    if delivery.due_at > now:
        due = f"{trying} is due {_when(delivery.due_at, now)}"
        return "next_try", f"{due}{_last(delivery)}{ends}"
    # A relay that is asked knows better than what the last try came to.
    if is_of_destination(delivery.reason) and not _works(delivery, plan):
        return "destination_down", _down(delivery, plan, now)
    return "due", f"{trying} is due now{_last(delivery)}{ends}"


def _works(delivery: Delivery, plan: Plan | None) -> bool:
    """Whether a relay that serves the destination says that it works."""
    presence = None if plan is None else plan.presence
    if presence is None or not presence.answers:
        return False
    return delivery.destination not in presence.degraded


def _down(delivery: Delivery, plan: Plan | None, now: int) -> str:
    """It is probed, and everything else waits for that."""
    tries, why = "not tried yet", ""
    if delivery.failures:
        tries = f"tried {_count(delivery.failures, 'time', 'times')} so far"
        why = f" ({failure_words(delivery.reason)})"
    return (
        f"the destination does not work{why}: one delivery at a time probes it, and this one"
        f" goes when a probe succeeds; {tries}{_ends(delivery, plan, now)}"
    )


def _ends(delivery: Delivery, plan: Plan | None, now: int) -> str:
    """When it is given up, where that is near."""
    if plan is None:
        return ""
    end = delivery.created_at + plan.max_age[delivery.destination]
    if end - now > _NEAR:
        return ""
    return f"; if it goes on failing it is dead after {clock(end, now)}"


def _last(delivery: Delivery) -> str:
    if not delivery.failures:
        return ""
    return f", the last one failed: {failure_words(delivery.reason)}"


def _when(moment: int, now: int) -> str:
    return f"at {clock(moment, now)}, in {length(moment - now)}"


def _at(delivery: Delivery, now: int) -> str:
    settled = delivery.settled_at
    return "" if settled is None else f" at {clock(settled, now)}"


def _nth(number: int) -> str:
    return _ORDINALS.get(number, f"{number}th")


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
