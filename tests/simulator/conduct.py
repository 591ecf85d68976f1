"""Conduct: whether each destination is treated as its owner and whoever runs the relay have asked.

Owns the oracle's word on how often one is called, on what a person has given up, and on who is told of what
happens to it. It shares no decision with the relay but the names of things.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Final

from tests.simulator import looking
from tests.simulator.destinations import Destination
from tests.simulator.looking import OPEN, Delivery, Event, is_told_by_the_relay
from tests.simulator.script import Forget, Remove
from tests.simulator.story import Subject

if TYPE_CHECKING:
    from tests.simulator.world import World

__all__ = ["at_the_end", "forgotten", "told_to", "waiting"]

#: Seconds of rest that may be made up for at once, where there is a rate.
_BURST_S: Final = 0.1
#: A turn of the loop, and some.
_INSTANT_S: Final = 1e-3
_DEAD: Final = 3
#: What an event says has happened, by the verb that did it.
_SAID: Final = {"pause": "paused", "resume": "resumed", "disable": "disabled"}
#: What happens without anybody's doing it.
_BY_ITSELF: Final = ("behind", "failing")


def at_the_end(
    world: "World", events: Sequence[Event], deliveries: Sequence[Delivery]
) -> None:
    """Every agreement that can be judged now."""
    for destination in world.destinations:
        _no_faster_than_agreed(world, destination)
        world.history.require(
            not destination.risen,
            "Forget",
            f"{destination.risen} went to {destination.place.name}, and had been given up",
        )
    told = [event for event in events if is_told_by_the_relay(event.subject)]
    _told_of_whatever_was_done(world, told)
    _told_to_nobody_else(world, deliveries)


# --- how often ----------------------------------------------------------------------------------------


def _no_faster_than_agreed(world: "World", destination: Destination) -> None:
    """Within any time no more calls begin than the rate allows; who is hired anew does not know of those before."""
    rate, calls = destination.place.rate, destination.calls
    if rate is None:
        return
    for (first, one), (last, other) in combinations(enumerate(calls), 2):
        who = other[1] - one[1] + 1
        most = rate * (other[0] - one[0] + _INSTANT_S + who * _BURST_S) + who
        world.history.require(
            last - first + 1 <= most,
            "Rate",
            f"{destination.place.name} had {last - first + 1} calls from {one[0]:.3f} to {other[0]:.3f}",
        )


# --- what was given up --------------------------------------------------------------------------------


def waiting(world: "World", destination: Destination) -> set[int]:
    """What is to be delivered there."""
    return {
        one.number
        for one in looking.deliveries(world.disk)
        if one.place == destination.place.name and one.state in OPEN
    }


def forgotten(world: "World", destination: Destination, before: set[int]) -> None:
    """A person is told that all of it was given up, and that is so; nor may it be tried from now on."""
    name = destination.place.name
    left = before & waiting(world, destination)
    world.history.require(
        not left, "Forget", f"{left} wait for {name}, which was forgotten"
    )
    destination.forgotten |= {
        one.number
        for one in looking.deliveries(world.disk)
        if one.place == name and one.state == _DEAD
    }


# --- who is told --------------------------------------------------------------------------------------


def told_to(world: "World", subject: Subject) -> Sequence[Sequence[str]]:
    """Who may have been told of something: who listens, unless it is about him, or he was not there."""
    listener = world.script.listener
    if listener not in _names(world) or _about(subject) == listener:
        return [[]]
    faults = world.script.faults
    leaves = any(isinstance(f, Remove | Forget) and f.place == listener for f in faults)
    return [[listener], []] if leaves else [[listener]]


def _told_of_whatever_was_done(world: "World", told: Sequence[Event]) -> None:
    """What was done to a destination is told, once and in its order; where nobody listens nothing is."""
    expected: defaultdict[str, list[str]] = defaultdict(list)
    if world.script.listener is not None:
        for name, verb in looking.changes(world.disk):
            if verb in _SAID:
                expected[name].append(_SAID[verb])
    found: defaultdict[str, list[str]] = defaultdict(list)
    for event in told:
        found[_about(event.subject)].append(event.outcome)
    for name in expected.keys() | found.keys():
        done = [outcome for outcome in found[name] if outcome not in _BY_ITSELF]
        world.history.require(
            done == expected[name],
            "Told",
            f"{expected[name]} happened to {name}, and {found[name]} is told",
        )


def _told_to_nobody_else(world: "World", deliveries: Sequence[Delivery]) -> None:
    """Nobody but who listens hears of it, and nobody of himself."""
    for place in (d.place for d in deliveries if is_told_by_the_relay(d.subject)):
        world.history.require(
            place == world.script.listener,
            "Told",
            f"{place} was told, and does not listen",
        )
    for destination in world.destinations:
        name = destination.place.name
        world.history.require(
            name
            not in {
                _about(a.subject)
                for a in destination.arrivals
                if is_told_by_the_relay(a.subject)
            },
            "Told",
            f"{name} was told of itself",
        )


def _names(world: "World") -> set[str]:
    """All that a destination may be called; who listens may have been left out of a script that was cut down."""
    return {place.name for place in world.script.places}


def _about(subject: Subject) -> str:
    """The destination that something has happened to."""
    return subject.id.rpartition("/")[2]
