"""Reckoning: what has to hold when all is over: everything works, nothing is open, the process has ended.

Owns the oracle's last word on events, where they went, in which order, and the account. It shares no
decision with the relay but the names of things.
"""

import hashlib
import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from relay.record.sqlite.ledger import recount_of
from tests.simulator import looking
from tests.simulator.looking import Delivery, Event
from tests.simulator.promises import after_start
from tests.simulator.script import Call, Subject
from tests.simulator.upstream import body_of, digest

if TYPE_CHECKING:
    from tests.simulator.world import World

__all__ = ["at_the_end"]

_NAMESPACE: Final = uuid.UUID("8a0def7b-d79e-47aa-8d40-2bccf4a180cb")
_DELIVERED, _DEAD = 1, 3
_WHY_DEAD = ("too_large", "expired")


def at_the_end(world: "World") -> None:
    """Every promise that can be judged now."""
    after_start(world)
    events = looking.events(world.disk)
    deliveries = looking.deliveries(world.disk)
    _nothing_unverified(world)
    _events(world, events)
    _everywhere_it_was_routed_to(world, events, deliveries)
    _every_event_arrives(world, deliveries)
    _once_and_alike(world, events)
    _in_order(world, deliveries)
    _as_late_as_asked(world)
    _balanced(world)


def _nothing_unverified(world: "World") -> None:
    """P8: what is stored was said by its source, and signed with a secret that counted then."""
    world.history.require(
        looking.kept(world.disk) <= set(world.upstream.heard),
        "P8",
        "bytes that nobody signed are stored",
    )


def _events(world: "World", events: Sequence[Event]) -> None:
    """P2, P5: of what was taken over, one event per run, outcome and revision, and none else."""
    kept = looking.kept(world.disk)
    told: defaultdict[Subject, list[Call]] = defaultdict(list)
    for call in world.script.calls:
        known = call.subject.source, digest(body_of(call))
        if call.shape not in ("forged", "odd") and known in kept:
            told[call.subject].append(call)
    of_run: defaultdict[Subject, list[Event]] = defaultdict(list)
    for event in events:
        of_run[event.subject].append(event)
    waiting = looking.waiting(world.disk)
    world.history.require(
        set(of_run) | waiting <= set(told), "P2", "an event of a run nobody spoke of"
    )
    for subject, calls in told.items():
        _of_run(world, subject, calls, of_run[subject], waits=subject in waiting)


def _of_run(
    world: "World",
    subject: Subject,
    calls: Sequence[Call],
    events: Sequence[Event],
    *,
    waits: bool,
) -> None:
    require = world.history.require
    revisions = [event.revision for event in events]
    require(
        revisions == [*range(1, len(events) + 1)],
        "P2",
        f"revisions of {subject}: {revisions}",
    )
    for event in events:
        words = (*subject, event.outcome, str(event.revision))
        expected = uuid.uuid5(_NAMESPACE, "\n".join(words))
        require(
            expected.bytes == event.identifier,
            "P2",
            f"{subject} has an event of another id",
        )
    require(
        len(events) <= 1 + world.asked[subject],
        "P2",
        f"{subject} has {len(events)} events",
    )
    whole = {call.outcome for call in calls if call.shape == "whole"}
    outcomes = whole | {call.outcome for call in calls if call.shape == "partial"}
    refs = {call.client_ref for call in calls} - {None}
    if not whole:
        require(not events and waits, "P5", f"{subject} has to wait for the truth")
    elif len(outcomes) == 1 and len(refs) <= 1:
        require(events, "P5", f"{subject} has ended, and there is no event")
        # What is said again after a revision contradicts it.
        require(
            not waits or len(events) > 1, "P5", f"{subject} waits for what it knows"
        )
        require(events[0].outcome in whole, "P2", f"{subject} ended otherwise")
    else:
        require(events or waits, "P5", f"{subject} is forgotten")
        require(
            waits or len(events) > 1,
            "P5",
            f"{subject} is contradicted, and nobody asks",
        )


# --- where events went --------------------------------------------------------------------------------


def _everywhere_it_was_routed_to(
    world: "World", events: Sequence[Event], deliveries: Sequence[Delivery]
) -> None:
    """P3: one delivery to each destination that the routes in force named, and to no other."""
    places: defaultdict[tuple[Subject, int], list[str]] = defaultdict(list)
    for delivery in deliveries:
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
    """Where an event may have gone: as the routes said when one of its callbacks was looked at."""
    if event.revision > 1:
        # It follows those before it.
        return [places[event.subject, 1]]
    layouts = world.upstream.heard[event.subject.source, event.digest]
    return [sorted(layout.named(event.subject, event.outcome)) for layout in layouts]


def _every_event_arrives(world: "World", deliveries: Sequence[Delivery]) -> None:
    """P3: delivered where it was to go, or dead with a reason; and nothing arrives that was not to go."""
    arrived = {
        destination.place.name: {(a.subject, a.revision) for a in destination.arrivals}
        for destination in world.destinations
    }
    due: defaultdict[str, set[tuple[Subject, int]]] = defaultdict(set)
    for delivery in deliveries:
        subject, revision, place, _, state, reason, _ = delivery
        due[place].add((subject, revision))
        if state == _DELIVERED:
            world.history.require(
                (subject, revision) in arrived[place],
                "P3",
                f"revision {revision} of {subject} is delivered, but not at {place}",
            )
        else:
            world.history.require(
                state == _DEAD and reason in _WHY_DEAD,
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


def _balanced(world: "World") -> None:
    """P7: the account balances, and the rows counted anew give the same."""
    counted, recounted = recount_of(world.disk.path)
    faults = counted.balance().faults
    world.history.require(not faults, "P7", "; ".join(faults))
    world.history.require(
        counted == recounted, "P7", f"counted {counted}, recounted {recounted}"
    )
