"""Promises: what has to hold while a history goes on.

Owns the oracle's word on answers, deaths and who holds up whom; ``reckoning`` has the last one. It shares
no decision with the relay but the names of things.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.simulator import looking
from tests.simulator.looking import OPEN
from tests.simulator.story import Subject
from tests.simulator.truth import is_silent
from tests.simulator.upstream import Taken, digest

if TYPE_CHECKING:
    from tests.simulator.world import World

__all__ = [
    "acknowledged",
    "after_start",
    "asking",
    "committed",
    "independent",
    "open_deliveries",
    "open_inquiries",
    "settled",
]

#: States of an inquiry: what waits was held after its deadline; what a sweep has seen is watched.
HELD, WATCHED = 2, 4
#: Virtual seconds after which nobody who has no answer is asked for of himself: 1, 6, 24 and 72 hours.
GIVEN_UP_S = 3600.0 * (1 + 6 + 24 + 72)
#: When who is held is asked for, after the last time.
_NEVER = 1 << 62


def acknowledged(world: "World", taken: Taken) -> None:
    """P1: at the moment of a 2xx the callback is on disk, as often as it was answered."""
    source, body = taken
    _kept(world, taken, "P1", looking.how_often(world.disk, source, digest(body)))


def after_start(world: "World") -> None:
    """P5: what was answered in earlier lives is there in the next; P1: also when the power was lost."""
    counts = looking.counts(world.disk)
    promise = "P1" if world.powerless else "P5"
    for source, body in world.upstream.taken:
        _kept(world, (source, body), promise, counts.get((source, digest(body)), 0))


def _kept(world: "World", taken: Taken, promise: str, count: int) -> None:
    source, body = taken
    answered = world.upstream.taken[taken]
    world.history.require(
        count >= answered,
        promise,
        f"answered {answered} times, stored {count} times: {source} {body!r}",
    )


# --- others are not held up ---------------------------------------------------------------------------


def committed(world: "World") -> list[tuple[str, Subject, int]]:
    """Destination, run and revision of all that is to be delivered by now."""
    return [
        (d.place, d.subject, d.revision)
        for d in looking.deliveries(world.disk)
        if d.replay is None
    ]


def independent(world: "World", due: Sequence[tuple[str, Subject, int]]) -> None:
    """P4: what is stuck, a destination that is dead or a full disk holds up nothing else."""
    now = world.loop.time()
    states = {
        (d.place, d.subject, d.revision): d.state
        for d in looking.deliveries(world.disk)
        if d.replay is None
    }
    there = {place.name for place in world.layout.places} - looking.held(world.disk)
    for destination in world.destinations:
        name = destination.place.name
        # Without a ladder, an event at fault waits longer than this.
        slow = not destination.place.laddered
        if name not in there or any(
            outage.until > now - 4 or (slow and outage.how in ("4xx", "gone"))
            for outage in destination.outages
        ):
            continue
        for place, subject, revision in due:
            if place == name and subject not in destination.stuck:
                world.history.require(
                    states[place, subject, revision] not in OPEN,
                    "P4",
                    f"revision {revision} of {subject} is held up at {name}, which works",
                )


def open_deliveries(world: "World") -> list[str]:
    """What is still to be delivered, in words."""
    behind = [f"{name} is behind" for name in looking.behind(world.disk)]
    running = [
        f"order {n} is under way"
        for n, state, _ in looking.orders(world.disk)
        if not state
    ]
    return [*behind, *running] + [
        f"{d.number}: {d.subject} revision {d.revision} to {d.place}{' leased' * d.leased}"
        for d in looking.deliveries(world.disk)
        if d.state in OPEN
    ]


# --- the truth ----------------------------------------------------------------------------------------


def asking(world: "World") -> bool:
    """Whether anybody is being asked for, or is due to be."""
    now = world.machine.now_us()
    return any(one.leased or one.due_at <= now for one in looking.inquiries(world.disk))


def settled(world: "World") -> bool:
    """Whether all lists were looked through at their last, and nobody waits for what may still come."""
    since = max(world.api.over_at, world.works_at)
    walked = world.api.walked
    return all(
        walked.get(source, 0.0) > since for source in world.layout.asked
    ) and not open_inquiries(world)


def open_inquiries(world: "World") -> list[str]:
    """Who is asked for still and might have an answer, in words.

    Who was given up is found by a sweep once more, while the list has nothing newer, and is asked for with each.
    """
    faults = world.script.faults
    given_up = world.loop.time() > GIVEN_UP_S
    return [
        f"{one.subject} in state {one.state}{' leased' * one.leased}, due {one.due_at}"
        for one in looking.inquiries(world.disk)
        if one.leased
        or not (
            (one.state == HELD and one.due_at >= _NEVER)
            or (one.state == WATCHED and is_silent(one.subject, faults))
            or (given_up and one.state == HELD and is_silent(one.subject, faults))
        )
    ]
