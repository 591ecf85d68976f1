"""Reckoning: what has to hold when all is over: everything works, nothing is open, the process has ended.

Owns the oracle's last word on where events went, in which order, and the account; ``verity`` has it on what
they say. It shares no decision with the relay but the names of things.
"""

import hashlib
import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from relay.record.sqlite.ledger import recount_of
from tests.simulator import conduct, looking
from tests.simulator.looking import Delivery, Event, is_told_by_the_relay
from tests.simulator.promises import after_start
from tests.simulator.story import Subject
from tests.simulator.verity import every_run

if TYPE_CHECKING:
    from tests.simulator.world import World

__all__ = ["at_the_end"]

_DELIVERED, _DEAD = 1, 3
#: Why anything may die, whoever says so; what a person gives up is dead as well.
_WHY_DEAD = ("too_large", "expired")
_GIVEN_UP = "forgotten"


def at_the_end(world: "World") -> None:
    """Every promise that can be judged now."""
    after_start(world)
    events = looking.events(world.disk)
    deliveries = looking.deliveries(world.disk)
    _nothing_unverified(world)
    every_run(world, [e for e in events if not is_told_by_the_relay(e.subject)])
    _everywhere_it_was_routed_to(world, events, deliveries)
    _every_event_arrives(world, deliveries)
    _once_and_alike(world, events)
    _in_order(world, deliveries)
    _as_late_as_asked(world)
    _as_paused(world)
    _sent_again(world, deliveries)
    conduct.at_the_end(world, events, deliveries)
    _balanced(world)


def _nothing_unverified(world: "World") -> None:
    """P8: what is stored was said by its source, and signed with a secret that counted then."""
    world.history.require(
        looking.kept(world.disk) <= set(world.upstream.heard),
        "P8",
        "bytes that nobody signed are stored",
    )


# --- where events went --------------------------------------------------------------------------------


def _everywhere_it_was_routed_to(
    world: "World", events: Sequence[Event], deliveries: Sequence[Delivery]
) -> None:
    """P3: one delivery to each destination that the routes in force named, and to no other."""
    places: defaultdict[tuple[Subject, int], list[str]] = defaultdict(list)
    for delivery in deliveries:
        if delivery.replay is not None:
            continue
        places[delivery.subject, delivery.revision].append(delivery.place)
    nowhere: Counter[str] = Counter()
    for event in events:
        went = places[event.subject, event.revision]
        nowhere[event.subject.source] += not went
        world.history.require(
            Counter(went) in [Counter(named) for named in _named(world, event, places)],
            "P3",
            f"revision {event.revision} of {event.subject} went to {went}",
        )
    counted = looking.unrouted(world.disk)
    world.history.require(
        {source: count for source, count in counted.items() if count}
        == {source: count for source, count in nowhere.items() if count},
        "P7",
        f"{counted} counted as unrouted, {nowhere} are",
    )


def _named(
    world: "World",
    event: Event,
    places: Mapping[tuple[Subject, int], Sequence[str]],
) -> Sequence[Sequence[str]]:
    """Where an event may have gone: as the routes said when what made it was looked at.

    A revision goes to everyone who had an event of the run before it, too.
    """
    subject = event.subject
    if is_told_by_the_relay(subject):
        return conduct.told_to(world, subject)
    earlier = frozenset(
        name
        for revision in range(1, event.revision)
        for name in places[subject, revision]
    )
    if event.told:
        layouts = world.api.told[subject]
    elif event.confirmed:
        layouts = world.upstream.heard[subject.source, event.digest]
    else:
        # When the time was up, whatever was in force.
        layouts = world.layouts
    return [
        sorted(layout.named(subject, event.outcome) | earlier) for layout in layouts
    ]


def _every_event_arrives(world: "World", deliveries: Sequence[Delivery]) -> None:
    """P3: delivered where it was to go, or dead with a reason; and nothing arrives that was not to go."""
    arrived = {
        destination.place.name: {(a.subject, a.revision) for a in destination.arrivals}
        for destination in world.destinations
    }
    due: defaultdict[str, set[tuple[Subject, int]]] = defaultdict(set)
    forgotten = {d.place.name for d in world.destinations if d.given_up}
    for delivery in deliveries:
        subject, revision, place, _, state, reason, *_ = delivery
        due[place].add((subject, revision))
        if state == _DELIVERED:
            world.history.require(
                (subject, revision) in arrived[place],
                "P3",
                f"revision {revision} of {subject} is delivered, but not at {place}",
            )
        else:
            was_given_up = reason == _GIVEN_UP and place in forgotten
            world.history.require(
                state == _DEAD and (reason in _WHY_DEAD or was_given_up),
                "P3",
                f"revision {revision} of {subject} to {place} ended as {state}, {reason}",
            )
    for place, found in arrived.items():
        world.history.require(
            found <= due[place], "P3", f"{found - due[place]} came to {place} uncalled"
        )


def _once_and_alike(world: "World", events: Sequence[Event]) -> None:
    """P2, P5: the same id and the same bytes, wherever and how often it was sent."""
    known = {
        (event.subject, event.revision): str(uuid.UUID(bytes=event.identifier))
        for event in events
    }
    bodies: dict[str, str] = {}
    for destination in world.destinations:
        for arrival in destination.arrivals:
            body = hashlib.sha256(arrival.body).hexdigest()
            world.history.require(
                known.get((arrival.subject, arrival.revision)) == arrival.identifier,
                "P5",
                f"revision {arrival.revision} of {arrival.subject} came as {arrival.identifier}",
            )
            world.history.require(
                bodies.setdefault(arrival.identifier, body) == body,
                "P2",
                f"{arrival.identifier} came with other bytes",
            )


def _in_order(world: "World", deliveries: Sequence[Delivery]) -> None:
    """P4: first occurrences of a run's events arrive in order."""
    # What we have given up may still arrive, at any time.
    dead = {
        (d.place, d.subject, d.revision) for d in deliveries if d.state != _DELIVERED
    }
    for destination in world.destinations:
        place = destination.place.name
        seen: set[tuple[Subject, int]] = set()
        latest: dict[Subject, int] = {}
        for arrival in destination.arrivals:
            one = arrival.subject, arrival.revision
            if one in seen or (place, *one) in dead:
                continue
            seen.add(one)
            before = latest.get(arrival.subject, 0)
            world.history.require(
                arrival.revision > before,
                "P4",
                f"revision {arrival.revision} of {arrival.subject} reached {place} after {before}",
            )
            latest[arrival.subject] = arrival.revision


def _as_late_as_asked(world: "World") -> None:
    """Who is told when to come again does not come sooner."""
    for destination in world.destinations:
        world.history.require(
            not (destination.punctual and destination.early),
            "Retry-After",
            f"{destination.early} came sooner to {destination.place.name} than they were asked to",
        )


def _as_paused(world: "World") -> None:
    """Nothing is begun at who is paused, from when that was said to be done."""
    for destination in world.destinations:
        world.history.require(
            not destination.uncalled,
            "Pause",
            f"{destination.uncalled} went to {destination.place.name}, which was paused",
        )


def _sent_again(world: "World", deliveries: Sequence[Delivery]) -> None:
    """A replay makes new generations, one an event and order, of what had ended; and counts them."""
    made: Counter[int] = Counter()
    generations: defaultdict[tuple[Subject, int, str], list[int]] = defaultdict(list)
    for one in deliveries:
        generations[one.subject, one.revision, one.place].append(one.generation)
        if one.replay is not None:
            made[one.replay] += 1
    for which, found in generations.items():
        world.history.require(
            sorted(found) == [*range(1, len(found) + 1)],
            "Again",
            f"{which} has the generations {found}",
        )
    for number, state, said in looking.orders(world.disk):
        world.history.require(
            bool(state) and said == made[number],
            "Again",
            f"order {number} in state {state} has made {made[number]} and says {said}",
        )


def _balanced(world: "World") -> None:
    """P7: the account balances, and the rows counted anew give the same."""
    counted, recounted = recount_of(world.disk.path)
    faults = counted.balance().faults
    world.history.require(not faults, "P7", "; ".join(faults))
    world.history.require(
        counted == recounted, "P7", f"counted {counted}, recounted {recounted}"
    )
