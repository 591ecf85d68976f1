"""Standing: where a destination stands as a whole, and in sentences what follows from that.

Owns the choice among the states, by what needs a person most, and the words. Pure: the moment of asking is
passed in, and so is what the configuration and a relay that runs know.
"""

from collections.abc import Collection
from typing import Literal

import msgspec

from relay.core.holding import Condition, Hold
from relay.core.timeline.words import clock, hold_words, length

__all__ = ["Standing", "StandingState", "standing_of"]

StandingState = Literal[
    "active", "down", "failing", "behind", "paused", "disabled", "orphaned", "gone"
]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where one destination stands."""

    state: StandingState
    #: What is waited for and what a person can do; None where there is nothing to do.
    advice: str | None


def standing_of(
    condition: Condition,
    *,
    configured: Collection[str] | None,
    down: Collection[str],
    disable_after: int | None,
    now: int,
) -> Standing:
    """Say where it stands at ``now``.

    ``configured`` is None where nobody knows the configuration; ``down`` are those that a relay which runs
    knows not to answer; ``disable_after`` is this one's, in microseconds.
    """
    name = condition.name
    if configured is not None and name not in configured:
        return _orphan(condition)
    hold = condition.hold
    if hold is not None:
        return Standing(
            state=hold.kind,
            advice=f"{name} is {hold_words(hold, now)}. {_waiting(condition)};"
            f" {_remedy(condition, hold)}`relay destinations resume {name}` sends again.",
        )
    if condition.behind:
        return Standing(
            state="behind",
            advice=f"{name} has more open deliveries than `limits.backlog` allows: {condition.behind:,} later"
            " events wait in the store without one. They follow by themselves, in order, when room returns.",
        )
    return _working(condition, down, disable_after, now)


def _remedy(condition: Condition, hold: Hold) -> str:
    look = f"`relay dead --destination {condition.name}` tells what failed"
    match hold.reason:
        case "gone":
            return "if it has moved, change its `url`; then "
        case "brake":
            # The fault may be theirs, or the configuration's.
            return f"{look}; when that is mended, "
        case "failing" if condition.counts.dead:
            return f"{look}; when that is mended, "
        case "failing":
            return "mend what fails there; then "
        case _:
            return ""


def _orphan(condition: Condition) -> Standing:
    name = condition.name
    if not condition.open:
        return Standing(state="gone", advice=None)
    return Standing(
        state="orphaned",
        advice=f"{name} is not in the configuration any more. {_waiting(condition)}: put it back, and they are"
        f" sent; or `relay destinations forget {name}` lets them die (reason `forgotten`).",
    )


def _working(
    condition: Condition,
    down: Collection[str],
    disable_after: int | None,
    now: int,
) -> Standing:
    name, since = condition.name, condition.failing_since
    if since is None:
        if name not in down:
            return Standing(state="active", advice=None)
        return Standing(
            state="down",
            advice=f"{name} does not answer now: one delivery at a time probes it, and all follow when it does."
            " Why: `destination.down` in the relay's log.",
        )
    ends = ""
    if disable_after is not None:
        ends = f" It is disabled {clock(since + disable_after, now)} if nothing works until then."
    return Standing(
        state="down" if name in down else "failing",
        advice=f"{name} has given nothing but failures for {length(now - since)}.{ends}",
    )


def _waiting(condition: Condition) -> str:
    count = condition.open
    if not count:
        return "Nothing waits for it"
    if count == 1:
        return "One delivery waits for it and is kept"
    return f"{count:,} deliveries wait for it and are kept"
