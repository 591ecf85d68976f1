"""Draw: the script of a seed.

Owns the chances: what happens how often, and that much of it happens where it can do harm. Knows nothing
of what it means.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Literal, get_args

from tests.simulator.rarities import with_rarities
from tests.simulator.script import (
    CALM,
    HORIZON,
    PLACES,
    Again,
    Blackout,
    BlackoutAt,
    Crash,
    CrashAt,
    Fault,
    Full,
    Jump,
    Outage,
    Pause,
    Place,
    Point,
    Reask,
    Rehire,
    Remove,
    Reroute,
    Rotate,
    Rule,
    Script,
    Slow,
    Stop,
    StoreFault,
    StoreWay,
    Stuck,
    StuckWay,
    Stumble,
    Way,
)
from tests.simulator.story import (
    FOR_EVER,
    SOURCES,
    ApiFault,
    ApiWay,
    Asking,
    Call,
    Course,
    Lack,
    Subject,
)

__all__ = ["draw"]

OUTCOMES: Final = ("succeeded", "failed", "cancelled", "partial_succeeded")
_DOWN: Final = (0.05, 0.5, 1.5)
_POINTS: Final = get_args(Point)
_WAYS: Final = get_args(Way)
_STORE_WAYS: Final = get_args(StoreWay)
_STUCK: Final = get_args(StuckWay)
_API_WAYS: Final = get_args(ApiWay)
#: What may be wrong with one run, whatever is done.
_LASTING: Final[Sequence[ApiWay]] = (
    "404", "500", "hang", "cut off", "another run", "another organisation", "no status",
)  # fmt: skip
_NAMESPACE: Final = uuid.UUID(int=7)


@dataclass(frozen=True, slots=True)
class _Cast:
    """Who there is, and when most of it happens."""

    subjects: Sequence[Subject]
    sources: Sequence[str]
    places: Sequence[str]
    times: tuple[float, float]


def draw(seed: int) -> Script:
    """The script of a seed."""
    dice = Random(seed)
    storm = dice.random() < 0.4
    count = dice.randint(6, 14) if storm else dice.randint(1, 7)
    places = tuple(
        Place(
            name,
            concurrency=dice.choice((1, 2, 4)),
            batch=dice.choice((1, 1, 3)),
            ready_max=dice.choice((1, 3, 100)),
            ready_bytes=dice.choice((700, 1 << 20, 1 << 20)),
            laddered=dice.random() < 0.7,
        )
        for name in PLACES[: dice.choice((2, 2, 2, 3))]
    )
    # In a storm everything comes within moments, and the ways out have much to do.
    since = dice.uniform(0, HORIZON / 2)
    window = dice.choice((0.02, 0.2, 1.0)) if storm else HORIZON * 0.7 - since
    sources = SOURCES[: dice.choice((1, 1, 2, 3))]
    subjects = _subjects(dice, count, sources)
    asking = _asking(dice)
    courses, calls = [], list[Call]()
    for number, subject in enumerate(subjects):
        first = round(since + dice.uniform(0, window), 3)
        course = _course(dice, number, subject, first)
        said = _calls(dice, course, first)
        # Some that never call are none of ours.
        ours = bool(said) or dice.random() < 0.7
        courses.append(replace(course, ours=ours))
        calls += said
    cast = _Cast(
        subjects,
        sources,
        [place.name for place in places],
        (since, since + window + 1) if storm else (0, HORIZON),
    )
    faults = [_fault(dice, cast) for _ in range(dice.choice((0, 1, 2, 3, 4, 6)))]
    if storm and dice.random() < 0.5:
        faults.append(_outage(dice, cast, round(since, 3)))
    # While a courier is replaced, what it has to write may take longer than it is given.
    faults += [
        Slow(round(fault.at + dice.choice((0.01, 0.1, 0.3)), 3), 5.0)
        for fault in faults
        if isinstance(fault, Reask | Rehire | Remove) and dice.random() < 0.5
    ]
    if dice.random() < 0.6:
        stuck = [fault.subject for fault in faults if isinstance(fault, Stuck)]
        for _ in range(dice.randint(1, 3)):
            _patch(dice, courses, calls, stuck)
    faults += _api_faults(dice, cast)
    # By dice of its own: what else happens stays what it was.
    other = Random(seed ^ 0x401D)
    faults += [_pause(other, cast) for _ in range(other.choice((0, 0, 1, 2)))]
    third = Random(seed ^ 0xA6A1)
    faults += [_again(third, cast) for _ in range(third.choice((0, 0, 0, 1, 2)))]
    script = Script(
        seed=seed,
        shuffled=dice.random() < 0.5,
        latency=dice.choice((0.001, 0.005, 0.05)),
        group_size=dice.choice((2, 8, 512)),
        waiting=dice.choice((6, 64, 4096)),
        places=places,
        rules=_rules(dice, cast) if dice.random() < 0.4 else (),
        asking=asking,
        courses=tuple(courses),
        calls=tuple(sorted(calls, key=lambda call: call.at)),
        faults=tuple(faults),
        backlog=other.choice((3, 5, 1000, 1000)),
    )
    return with_rarities(script, Random(seed ^ 0x5E1D))


def _subjects(dice: Random, count: int, sources: Sequence[str]) -> Sequence[Subject]:
    """Runs and batches; some ids are used again by another source, or for another kind."""
    found: list[Subject] = []
    while len(found) < count:
        number = len(found)
        # Every other id is a UUID.
        key = (
            f"run_{number}" if number % 2 else str(uuid.uuid5(_NAMESPACE, str(number)))
        )
        kind = "batch" if dice.random() < 0.12 else "run"
        first = Subject(dice.choice(sources), kind, key)
        found.append(first)
        if dice.random() < 0.2:
            source = dice.choice(sources)
            twin = "run" if kind == "batch" else dice.choice(("run", "batch"))
            if (source, twin) != (first.source, first.kind):
                found.append(Subject(source, twin, key))
    return found


def _asking(dice: Random) -> Asking:
    return Asking(
        on_unconfirmed=dice.choice(("publish", "publish", "hold")),
        concurrency=dice.choice((1, 2, 16)),
        every=dice.choice((10, 40, 300)),
        overlap=dice.choice((2, 900, 900)),
        grace=dice.choice((0, 1, 300)),
        redeliver=dice.random() < 0.2,
        page=dice.choice((1, 2, 5)),
    )


def _course(dice: Random, number: int, subject: Subject, first: float) -> Course:
    """Mostly over when its first callback comes; now and then the API lags behind, or goes on for long."""
    after = dice.choices((-0.1, dice.uniform(0, 2), 40.0), (16, 3, 1))[0]
    return Course(
        subject=subject,
        created=round(first - dice.choice((0.2, 3.0, 60.0)), 3),
        ends=round(first + after, 3),
        outcome=dice.choice(OUTCOMES[:2]),
        client_ref=dice.choice((None, None, f"order-{number}")),
    )


def _calls(dice: Random, course: Course, first: float) -> list[Call]:
    """What the upstream says of one run: mostly the truth, once or more; or nothing, ever."""
    found: list[Call] = []
    for again in range(dice.choice((0, 1, 1, 1, 2, 2, 2, 3, 4))):
        at = first if again == 0 else first + dice.choice((0, 0.001, 0.3, 2))
        outcome = dice.choice(OUTCOMES) if dice.random() < 0.08 else course.outcome
        found.append(_call(dice, course, at, outcome))
    return found


def _call(dice: Random, course: Course, at: float, outcome: str) -> Call:
    # Only who succeeded has an output to miss.
    lacks: tuple[Lack, ...] = ("completed_at", "status", "output")
    other = None if course.client_ref is None else "other"
    return Call(
        at=round(at, 3),
        subject=course.subject,
        shape=dice.choices(
            ("whole", "partial", "open", "odd", "forged"), (20, 6, 2, 1, 1)
        )[0],
        outcome=outcome,
        spelling=dice.choice((0, 0, 1, 2, 3)),
        client_ref=dice.choices((course.client_ref, None, other), (20, 4, 1))[0],
        key=dice.choices(("now", "before", "foreign"), (40, 2, 1))[0],
        lack=dice.choice(lacks if outcome == "succeeded" else lacks[:2]),
    )


def _rules(dice: Random, cast: _Cast) -> tuple[Rule, ...]:
    """A few routes; what none of them takes goes nowhere."""
    return tuple(
        Rule(
            outcomes=dice.choice(((), (), OUTCOMES[:1], OUTCOMES[:2], OUTCOMES[1:3])),
            kind=dice.choice((None, None, None, "run", "batch")),
            source=dice.choice((None, None, *cast.sources)),
            negated=dice.random() < 0.2,
            to=tuple(name for name in cast.places if dice.random() < 0.7),
        )
        for _ in range(dice.choice((1, 1, 2, 3)))
    )


# --- faults -------------------------------------------------------------------------------------------


def _fault(dice: Random, cast: _Cast) -> Fault:
    at = round(dice.uniform(*cast.times), 3)
    [make] = dice.choices(_MAKERS, _WEIGHTS)
    return make(dice, cast, at)


def _nth(dice: Random) -> int:
    return dice.randint(1, dice.choice((12, 40)))


def _crash_at(dice: Random, _: _Cast, __: float) -> Fault:
    return CrashAt(dice.choice(_POINTS), _nth(dice), dice.choice(_DOWN))


def _outage(dice: Random, cast: _Cast, at: float) -> Outage:
    until = dice.choice((at + 0.05, at + 0.5, at + 3, HORIZON + CALM))
    return Outage(dice.choice(cast.places), at, round(until, 3), dice.choice(_WAYS))


def _store_fault(dice: Random, _: _Cast, at: float) -> Fault:
    how = dice.choice(_STORE_WAYS)
    return StoreFault(at, how, 30 if how == "full" else dice.choice((1, 1, 3)))


def _stuck(dice: Random, cast: _Cast, _: float) -> Fault:
    return Stuck(
        dice.choice(cast.places), dice.choice(cast.subjects), dice.choice(_STUCK)
    )


def _reroute(dice: Random, cast: _Cast, at: float) -> Fault:
    return Reroute(at, _rules(dice, cast) if dice.random() < 0.8 else ())


def _rehire(dice: Random, cast: _Cast, at: float) -> Fault:
    return Rehire(
        at, dice.choice(cast.places), dice.choice((1, 2, 4)), dice.choice((1, 3))
    )


def _remove(dice: Random, cast: _Cast, at: float) -> Fault:
    back = dice.choice((at + 0.01, at + 0.5, HORIZON, HORIZON + CALM))
    return Remove(at, dice.choice(cast.places), round(back, 3))


def _rotate(dice: Random, cast: _Cast, at: float) -> Fault:
    after = dice.choice((-0.2, 0.01, 0.3))
    return Rotate(at, dice.choice(cast.sources), after, dice.choice((0.3, 0.6, 2.0)))


def _pause(dice: Random, cast: _Cast) -> Pause:
    at = round(dice.uniform(*cast.times), 3)
    until = dice.choice((at + 0.3, at + 2, HORIZON + CALM))
    return Pause(at, dice.choice(cast.places), round(until, 3))


def _again(dice: Random, cast: _Cast) -> Again:
    at = round(dice.uniform(cast.times[0] + 1, HORIZON), 3)
    words: tuple[Literal["dead", "delivered"], ...] = ("dead", "dead", "delivered")
    what = dice.choice(words)
    return Again(at, dice.choice(cast.places), what, dice.choice((20, 1000)))


def _full(dice: Random, _: _Cast, at: float) -> Fault:
    until = dice.choice((at + 0.5, at + 4, HORIZON + CALM))
    return Full(at, round(until, 3))


_DRAWN: Final[tuple[tuple[int, Callable[[Random, _Cast, float], Fault]], ...]] = (
    (2, lambda dice, _, at: Crash(at, dice.choice(_DOWN))),
    (2, _crash_at),
    (1, lambda dice, _, at: Blackout(at, dice.choice(_DOWN))),
    (1, lambda dice, _, __: BlackoutAt(_nth(dice), dice.choice(_DOWN))),
    (4, lambda dice, _, __: Stumble(dice.choice((*_POINTS, "after-commit")), _nth(dice))),
    (1, lambda dice, _, at: Stop(at, dice.choice(_DOWN), dice.choice((0.05, 2.0)))),
    (2, _store_fault),
    (1, lambda dice, _, at: Slow(at, dice.choice((0.5, 2.0, 5.0)))),
    (3, _outage),
    (2, _stuck),
    (1, lambda dice, _, at: Jump(at, dice.choice((-3600.0, -10.0, 10.0, 691200.0)))),
    (1, _reroute),
    (1, _rehire),
    (1, lambda dice, _, at: Reask(at, dice.choice((1, 2, 16)))),
    (1, _remove),
    (1, _rotate),
    (1, _full),
)  # fmt: skip
_WEIGHTS: Final = [weight for weight, _ in _DRAWN]
_MAKERS: Final = [make for _, make in _DRAWN]


def _patch(
    dice: Random, courses: list[Course], calls: list[Call], stuck: Sequence[Subject]
) -> None:
    """The upstream changes its mind about a run, preferably one that does not get through; mostly it says so."""
    # Nobody can change a batch.
    runs = [n for n, course in enumerate(courses) if course.subject.kind == "run"]
    likely = [n for n in runs if courses[n].subject in stuck]
    if not runs:
        return
    number = dice.choice(likely if likely and dice.random() < 0.7 else runs)
    course = courses[number]
    said = [call.at for call in calls if call.subject == course.subject]
    at = max([course.ends, *said]) + dice.choice((0.01, 0.05, 0.3, 1.5))
    outcome = dice.choice([one for one in OUTCOMES if one != course.outcome])
    if course.patched is not None:
        return
    courses[number] = replace(course, patched=(round(at, 3), outcome))
    if course.ours and dice.random() < 0.8:
        calls.append(_call(dice, course, at + dice.choice((0, 0.01, 0.3)), outcome))


def _api_faults(dice: Random, cast: _Cast) -> list[ApiFault]:
    """Short ones, outages of hours, and runs that are never told of."""
    found = []
    for _ in range(dice.choice((0, 0, 1, 1, 2, 3))):
        at = round(dice.uniform(*cast.times), 3)
        until = at + dice.choice((0.3, 0.3, 3.0, 3.0, 200.0, 3000.0))
        subject = dice.choice(cast.subjects)
        about = dice.random() < 0.4
        found.append(
            ApiFault(
                source=subject.source,
                since=at,
                until=round(until, 3),
                how=dice.choice(_API_WAYS),
                subject=subject if about else None,
            )
        )
        if dice.random() < 0.3:
            # Who comes back has much to answer at first.
            soon = round(until + 3.0, 3)
            found.append(
                ApiFault(subject.source, round(until, 3), soon, "429 for a while", None)
            )
    if dice.random() < 0.2:
        subject = dice.choice(cast.subjects)
        how = dice.choice(_LASTING)
        found.append(ApiFault(subject.source, 0.0, FOR_EVER, how, subject))
    return found
