"""Promises: what has to hold in every history, judged from what everyone outside can see.

Owns the oracle: answers, arrivals and committed rows, and what the contract says of them. It shares no
decision with the relay but the names of things.
"""

import hashlib
import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from relay.record.codes import OUTCOMES
from relay.record.sqlite.ledger import recount_of
from tests.simulator.process import SOURCE
from tests.simulator.script import Call
from tests.simulator.upstream import body_of, digest, run_id

if TYPE_CHECKING:
    from tests.simulator.world import World

__all__ = [
    "acknowledged",
    "after_start",
    "at_the_end",
    "committed",
    "independent",
    "open_deliveries",
]

_NAMESPACE: Final = uuid.UUID("8a0def7b-d79e-47aa-8d40-2bccf4a180cb")
_COUNT = "SELECT COALESCE(SUM(count), 0) FROM receipts WHERE digest = ?"
_DELIVERIES = """
SELECT d.number, r.namespace, r.id, e.revision, n.name, d.state, d.reason, d.lease IS NOT NULL
FROM deliveries AS d JOIN events AS e ON e.number = d.event
JOIN runs AS r ON r.number = e.run JOIN destinations AS n ON n.number = d.destination
"""
#: States of a delivery.
_OPEN, _DELIVERED, _DEAD = (0, 2), 1, 3
_WHY_DEAD = ("too_large", "expired")


def acknowledged(world: "World", body: bytes) -> None:
    """P1: at the moment of a 2xx the callback is on disk, as often as it was answered."""
    _kept(world, body, "P1")


def after_start(world: "World") -> None:
    """P5: what was answered in earlier lives is there in the next."""
    for body in world.upstream.taken:
        _kept(world, body, "P5")


def _kept(world: "World", body: bytes, promise: str) -> None:
    [(count,)] = world.disk.rows(_COUNT, digest(body))
    taken = world.upstream.taken[body]
    world.history.require(
        count >= taken,
        promise,
        f"answered {taken} times, stored {count} times: {body!r}",
    )


# --- others are not held up ---------------------------------------------------------------------------


def committed(world: "World") -> list[tuple[str, str, int]]:
    """Destination, run and revision of all that is to be delivered by now."""
    found = world.disk.rows(_DELIVERIES)
    return [
        (name, _text(space, key), revision)
        for _, space, key, revision, name, *_ in found
    ]


def independent(world: "World", due: Sequence[tuple[str, str, int]]) -> None:
    """P4: what is stuck, or a destination that is dead, holds up nothing else."""
    now = world.loop.time()
    if world.leaking:
        return
    states = {
        (name, _text(space, key), revision): state
        for _, space, key, revision, name, state, *_ in world.disk.rows(_DELIVERIES)
    }
    for destination in world.destinations:
        name = destination.place.name
        # Without a ladder, an event at fault waits longer than this. Several runs that time out make
        # it look as if nothing worked there: each of them has its turn as the probe.
        slow = not destination.place.laddered
        silent = sum(how in ("hang", "lost") for how in destination.stuck.values())
        if silent > 1 or any(
            outage.until > now - 4 or (slow and outage.how == "4xx")
            for outage in destination.outages
        ):
            continue
        for place, run, revision in due:
            if place == name and run not in destination.stuck:
                world.history.require(
                    states[place, run, revision] not in _OPEN,
                    "P4",
                    f"revision {revision} of {run} is held up at {name}, which works",
                )


def open_deliveries(world: "World") -> list[str]:
    """What is still to be delivered, in words."""
    return [
        f"{number}: {_text(space, key)} revision {revision} to {name}{' leased' * leased}"
        for number, space, key, revision, name, state, _, leased in world.disk.rows(
            _DELIVERIES
        )
        if state in _OPEN
    ]


# --- at the end ---------------------------------------------------------------------------------------


def at_the_end(world: "World") -> None:
    """Everything works, nothing is open, and the process has stopped."""
    after_start(world)
    _nothing_unverified(world)
    _events(world)
    _every_event_everywhere(world)
    _once_and_alike(world)
    _in_order(world)
    _balanced(world)


def _nothing_unverified(world: "World") -> None:
    """P8: what is stored was said, and signed."""
    said = {
        digest(body_of(call)) for call in world.script.calls if call.shape != "forged"
    }
    kept = {bytes(found) for (found,) in world.disk.rows("SELECT digest FROM receipts")}
    world.history.require(kept <= said, "P8", "bytes that nobody signed are stored")


def _events(world: "World") -> None:
    """P2, P5: of what was taken over, one event per run, outcome and revision, and none else."""
    kept = {bytes(found) for (found,) in world.disk.rows("SELECT digest FROM receipts")}
    told: defaultdict[str, list[Call]] = defaultdict(list)
    for call in world.script.calls:
        if call.shape not in ("forged", "odd") and digest(body_of(call)) in kept:
            told[run_id(call.run)].append(call)
    events: defaultdict[str, list[tuple[int, str, bytes]]] = defaultdict(list)
    for space, key, revision, outcome, identifier in world.disk.rows(
        "SELECT r.namespace, r.id, e.revision, e.outcome, e.id FROM events AS e"
        " JOIN runs AS r ON r.number = e.run ORDER BY e.run, e.revision"
    ):
        word = OUTCOMES[outcome].value
        events[_text(space, key)].append((revision, word, bytes(identifier)))
    waiting = {
        _text(space, key)
        for space, key in world.disk.rows(
            "SELECT r.namespace, r.id FROM inquiries AS w JOIN runs AS r ON r.number = w.run"
        )
    }
    world.history.require(
        set(events) | waiting <= set(told), "P2", "an event of a run nobody spoke of"
    )
    for run, calls in told.items():
        _of_run(world, run, calls, events[run], waits=run in waiting)


def _of_run(
    world: "World",
    run: str,
    calls: Sequence[Call],
    events: Sequence[tuple[int, str, bytes]],
    *,
    waits: bool,
) -> None:
    require = world.history.require
    revisions = [revision for revision, *_ in events]
    require(
        revisions == [*range(1, len(events) + 1)],
        "P2",
        f"revisions of {run}: {revisions}",
    )
    for revision, outcome, identifier in events:
        expected = uuid.uuid5(
            _NAMESPACE, f"{SOURCE}\nrun\n{run}\n{outcome}\n{revision}"
        )
        require(expected.bytes == identifier, "P2", f"{run} has an event of another id")
    require(
        len(events) <= 1 + world.asked[run], "P2", f"{run} has {len(events)} events"
    )
    whole = {call.outcome for call in calls if call.shape == "whole"}
    outcomes = {call.outcome for call in calls if call.shape in ("whole", "partial")}
    refs = {call.client_ref for call in calls} - {None}
    if not whole:
        require(not events and waits, "P5", f"{run} has to wait for the truth")
    elif len(outcomes) == 1 and len(refs) <= 1:
        require(events, "P5", f"{run} has ended, and there is no event")
        # What is said again after a revision contradicts it.
        require(not waits or len(events) > 1, "P5", f"{run} waits for what it knows")
        require(events[0][1] in whole, "P2", f"{run} ended otherwise")
    else:
        require(events or waits, "P5", f"{run} is forgotten")
        require(
            waits or len(events) > 1, "P5", f"{run} is contradicted, and nobody asks"
        )


def _every_event_everywhere(world: "World") -> None:
    """P3: delivered where the routes say, or dead with a reason."""
    arrived = {
        destination.place.name: {(a.run, a.revision) for a in destination.arrivals}
        for destination in world.destinations
    }
    ways = Counter[tuple[str, int, str]]()
    for _, space, key, revision, name, state, reason, _ in world.disk.rows(_DELIVERIES):
        run = _text(space, key)
        ways[run, revision, name] += 1
        if state == _DELIVERED:
            world.history.require(
                (run, revision) in arrived[name],
                "P3",
                f"revision {revision} of {run} is delivered, but not at {name}",
            )
        else:
            world.history.require(
                state == _DEAD and reason in _WHY_DEAD,
                "P3",
                f"revision {revision} of {run} to {name} ended as {state}, {reason}",
            )
    events = world.disk.rows(
        "SELECT r.namespace, r.id, e.revision FROM events AS e JOIN runs AS r ON r.number = e.run"
    )
    wanted = Counter(
        (_text(space, key), revision, destination.place.name)
        for space, key, revision in events
        for destination in world.destinations
    )
    world.history.require(
        ways == wanted, "P3", f"ways {ways - wanted}, {wanted - ways}"
    )


def _once_and_alike(world: "World") -> None:
    """P2, P5: the same id and the same bytes, wherever and how often it was sent."""
    known = {
        str(uuid.UUID(bytes=bytes(found)))
        for (found,) in world.disk.rows("SELECT id FROM events")
    }
    bodies: dict[str, str] = {}
    names: dict[tuple[str, int], str] = {}
    for destination in world.destinations:
        for arrival in destination.arrivals:
            one = (arrival.run, arrival.revision)
            body = hashlib.sha256(arrival.body).hexdigest()
            world.history.require(
                arrival.identifier in known
                and names.setdefault(one, arrival.identifier) == arrival.identifier,
                "P5",
                f"revision {arrival.revision} of {arrival.run} came as {arrival.identifier}",
            )
            world.history.require(
                bodies.setdefault(arrival.identifier, body) == body,
                "P2",
                f"{arrival.identifier} came with other bytes",
            )


def _in_order(world: "World") -> None:
    """P4: first occurrences of a run's events arrive in order."""
    for destination in world.destinations:
        latest: dict[str, int] = {}
        for arrival in destination.arrivals:
            before = latest.get(arrival.run, 0)
            seen = any(
                a.revision == arrival.revision
                and a.run == arrival.run
                and a is not arrival
                for a in destination.arrivals[: destination.arrivals.index(arrival)]
            )
            world.history.require(
                seen or arrival.revision > before,
                "P4",
                f"revision {arrival.revision} of {arrival.run} reached {destination.place.name}"
                f" after {before}",
            )
            latest[arrival.run] = max(before, arrival.revision)


def _balanced(world: "World") -> None:
    """P7: the account balances, and the rows counted anew give the same."""
    counted, recounted = recount_of(world.disk.path)
    faults = counted.balance().faults
    world.history.require(not faults, "P7", "; ".join(faults))
    world.history.require(
        counted == recounted, "P7", f"counted {counted}, recounted {recounted}"
    )


def _text(space: int, key: bytes) -> str:
    """A run's id as it was told, from what is stored."""
    return str(uuid.UUID(bytes=bytes(key))) if space == 1 else bytes(key).decode()
