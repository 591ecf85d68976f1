"""Verity: whether the relay tells of each run what is true of it, when all is over.

Owns the oracle's last word on events as such: which there are, under which ids, from whom, what they say, and
who is left without one. It shares no decision with the relay but the names of things.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tests.simulator import looking
from tests.simulator.looking import Event
from tests.simulator.promises import HELD, WATCHED
from tests.simulator.script import Jump
from tests.simulator.story import Call, Course, Subject
from tests.simulator.truth import Said, editions, is_silent, said_by
from tests.simulator.upstream import digest

if TYPE_CHECKING:
    from tests.simulator.world import World

__all__ = ["every_run"]

_NAMESPACE: Final = uuid.UUID("8a0def7b-d79e-47aa-8d40-2bccf4a180cb")
#: How long an opened outcome waits for the truth, microseconds.
_DEADLINE: Final = 15 * 60 * 1_000_000


def every_run(world: "World", events: Sequence[Event]) -> None:
    """P2, P5, P6: one event per run, outcome and revision that was true, and the truth at the last."""
    of_run: defaultdict[Subject, list[Event]] = defaultdict(list)
    for event in events:
        of_run[event.subject].append(event)
    inquiries = {one.subject: one.state for one in looking.inquiries(world.disk)}
    told = _accepted(world)
    courses = {course.subject: course for course in world.script.courses}
    world.history.require(
        of_run.keys() | inquiries.keys() <= courses.keys(),
        "P2",
        "an event of a run that never was",
    )
    for subject, course in courses.items():
        found, calls = of_run[subject], told[subject]
        state = inquiries.get(subject)
        _well_formed(world, subject, found)
        _believable(world, course, calls, found)
        if not (calls or course.ours):
            world.history.require(
                not found and state is None, "P6", f"{subject} is none of ours"
            )
        elif is_silent(subject, world.script.faults):
            _unconfirmed(world, course, calls, found, state)
        else:
            _true_at_last(world, course, calls, found, state)
    _arrived_as_said(world, of_run)


def _accepted(world: "World") -> defaultdict[Subject, list[Call]]:
    """What is on disk of all that was said, and says how a run goes."""
    kept = looking.kept(world.disk)
    told: defaultdict[Subject, list[Call]] = defaultdict(list)
    for call in world.upstream.said:
        known = call.subject.source, digest(world.upstream.body_of(call))
        if call.shape not in ("forged", "odd") and known in kept:
            told[call.subject].append(call)
    return told


# --- of every run -------------------------------------------------------------------------------------


def _well_formed(world: "World", subject: Subject, events: Sequence[Event]) -> None:
    """P2: revisions are counted, ids follow from what they name, and each event is news."""
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
    for one, next_one in pairwise(events):
        require(
            _news(one) != _news(next_one),
            "P2",
            f"revision {next_one.revision} of {subject} says what the one before it said",
        )


def _news(event: Event) -> tuple[object, ...]:
    return _said(event), event.client_ref, event.words.get("created_at")


def _said(event: Event) -> Said:
    return said_by(event.outcome, event.words)


def _believable(
    world: "World", course: Course, calls: Sequence[Call], events: Sequence[Event]
) -> None:
    """P2: the first event is told by a callback or true, every later one was true, in the order of truth."""
    require = world.history.require
    subject, true = course.subject, editions(course)
    latest = 0
    for event in events:
        if event.told:
            require(
                _said(event) in true[latest:],
                "P2",
                f"revision {event.revision} of {subject} is not what the API told: {_said(event)}",
            )
            latest = true.index(_said(event))
            continue
        require(
            event.revision == 1,
            "P2",
            f"revision {event.revision} of {subject} was confirmed by nobody",
        )
        fitting = {call.outcome for call in _grounds(calls, event)}
        require(event.outcome in fitting, "P2", f"{subject} ended otherwise")
        require(
            event.confirmed
            or event.age >= _DEADLINE
            or any(isinstance(fault, Jump) for fault in world.script.faults),
            "P6",
            f"{subject} was given up after {event.age / 1e6:.0f} s",
        )
    if events and not calls:
        require(
            events[0].told and events[0].origin == "sweep",
            "P6",
            f"{subject} was told of by nobody, and has {events[0].origin} as its origin",
        )
    if events and not events[0].told:
        require(
            events[0].origin == "callback",
            "P2",
            f"{subject} comes from a callback, not from a {events[0].origin}",
        )


def _grounds(calls: Sequence[Call], event: Event) -> Sequence[Call]:
    """What an event may have been made from that nobody but callbacks told of."""
    if event.confirmed:
        return [call for call in calls if call.shape == "whole"]
    # Whoever is contradicted is not believed either, however whole it is.
    refs = {call.client_ref for call in calls} - {None}
    named = {_names(call) for call in calls} - {None}
    contested = len(refs) > 1 or len(named) > 1
    return [
        c for c in calls if c.shape == "partial" or (contested and c.shape == "whole")
    ]


# --- of those that the API tells of -------------------------------------------------------------------


def _true_at_last(
    world: "World",
    course: Course,
    calls: Sequence[Call],
    events: Sequence[Event],
    state: int | None,
) -> None:
    """P2, P6: the last event is the truth, and nobody asks any more."""
    require, subject = world.history.require, course.subject
    require(state is None, "P6", f"{subject} is asked for still")
    if not events and not calls and _abandoned(world):
        return
    require(
        events, "P6" if not calls else "P5", f"{subject} has ended without an event"
    )
    last, truth = events[-1], editions(course)[-1]
    refs = {call.client_ref for call in calls} - {None}
    if _said(last) != truth:
        # What is signed and contradicted by nothing is believed; one look may have come too soon.
        require(
            world.script.asking.narrow
            and (course.patched or any(c.outcome != truth[0] for c in calls)),
            "P2",
            f"{subject} ended as {truth}, and the last that is told is {_said(last)}",
        )
    if course.client_ref is not None and (last.told or len(refs) > 1):
        require(
            last.client_ref == course.client_ref,
            "P2",
            f"{subject} is {course.client_ref}, and {last.client_ref} is told",
        )


# --- of those that it never tells of ------------------------------------------------------------------


def _unconfirmed(
    world: "World",
    course: Course,
    calls: Sequence[Call],
    events: Sequence[Event],
    state: int | None,
) -> None:
    """P6: without an answer, what signed bytes say is published or held as the policy has it."""
    require, subject = world.history.require, course.subject
    whole = {call.outcome for call in calls if call.shape == "whole"}
    named = whole | {out for call in calls if (out := _names(call)) is not None}
    refs = {call.client_ref for call in calls} - {None}
    require(len(events) <= 1, "P2", f"{subject} has {len(events)} events")
    if not calls:
        require(not events, "P6", f"{subject} has an event that nobody told of")
    elif len(named) > 1 or len(refs) > 1:
        require(
            state == HELD or (events and not events[0].confirmed),
            "P6",
            f"{subject} is contradicted, and held by nobody",
        )
    elif whole:
        require(events, "P5", f"{subject} has ended, and there is no event")
        # A list that says otherwise is listened to, and nothing is learnt of it.
        require(state in (None, WATCHED), "P5", f"{subject} waits for what it knows")
    elif (
        named
        and world.script.asking.on_unconfirmed == "publish"
        and not _hurried(world)
    ):
        require(events, "P6", f"{subject} is not published, as the policy has it")
        require(not events[0].confirmed, "P6", f"{subject} was confirmed by nobody")
    elif not _hurried(world):
        require(not events and state == HELD, "P6", f"{subject} is held by nobody")


def _names(call: Call) -> str | None:
    """How a run ended, as a call has it; None where it does not say."""
    if call.shape == "open" or (call.lack == "status" and call.spelling != 1):
        return None
    return call.outcome


def _abandoned(world: "World") -> bool:
    """Whether a run may have been watched for as long as one is, by the clock, and be seen no more."""
    week = 7 * 86400
    return world.script.asking.narrow and any(
        isinstance(f, Jump) and f.seconds > week for f in world.script.faults
    )


def _hurried(world: "World") -> bool:
    """Whether a deadline may have passed before all was said."""
    return any(isinstance(f, Jump) and f.seconds > 0 for f in world.script.faults)


# --- as it arrives ------------------------------------------------------------------------------------


def _arrived_as_said(world: "World", of_run: dict[Subject, list[Event]]) -> None:
    """P2: what arrives says what its event was made from."""
    for destination in world.destinations:
        for body, arrival in {a.body: a for a in destination.arrivals}.items():
            known = of_run[arrival.subject][arrival.revision - 1 :]
            if not known:
                # That it has no row is not this one's to say.
                continue
            event, data = known[0], json.loads(body)["data"]
            words = {**data, "failure_code": (data["failure"] or {}).get("code")}
            world.history.require(
                said_by(arrival.outcome, words) == _said(event)
                and data["client_ref"] == event.client_ref,
                "P2",
                f"revision {arrival.revision} of {arrival.subject} arrived as {data}",
            )
