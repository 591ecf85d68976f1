"""The script: what will happen to one relay, as plain values drawn from a seed.

Owns the shapes of everything that can happen and drawing them. A script is a list of calls and a list
of faults; each may be left out without the others losing their meaning, which is how it is shrunk.
"""

from dataclasses import dataclass
from random import Random
from typing import Final, Literal, cast, get_args

__all__ = [
    "CALM",
    "HORIZON",
    "PLACES",
    "Call",
    "Crash",
    "CrashAt",
    "Fault",
    "Jump",
    "Outage",
    "Place",
    "Revise",
    "Script",
    "Slow",
    "Stop",
    "StoreFault",
    "Stuck",
    "Stumble",
    "draw",
]

#: Seconds in which everything may go wrong.
HORIZON = 6.0
#: Seconds in which nothing new goes wrong, while what is stuck stays stuck.
CALM = 8.0

PLACES = ("lake", "orders", "audit")
Point = Literal["after-verify", "before-commit", "after-commit", "after-send"]
Shape = Literal["whole", "partial", "open", "odd", "forged"]
Way = Literal["refuse", "5xx", "4xx", "lost", "hang", "raise", "busy"]
StuckWay = Literal["4xx", "hang", "dead", "lost"]
StoreWay = Literal["busy", "full", "fails", "commits-and-fails", "internal"]


@dataclass(frozen=True, slots=True)
class Call:
    """The upstream calls; repeated until it is answered with 2xx or has had enough."""

    at: float
    run: int
    shape: Shape
    outcome: str
    #: Spelling of ids and words, and bytes that say nothing.
    spelling: int
    client_ref: str | None


@dataclass(frozen=True, slots=True)
class Crash:
    """The process dies between any two instructions of its loop."""

    at: float
    down: float


@dataclass(frozen=True, slots=True)
class CrashAt:
    """The process dies when it passes a checkpoint for the nth time."""

    point: Point
    nth: int
    down: float


@dataclass(frozen=True, slots=True)
class Stumble:
    """Something unexpected is raised where a checkpoint is passed for the nth time."""

    point: Point
    nth: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The process is asked to stop within so many seconds, and started again."""

    at: float
    down: float
    within: float


@dataclass(frozen=True, slots=True)
class StoreFault:
    """The next statement of a kind fails, ``times`` times."""

    at: float
    how: StoreWay
    times: int


@dataclass(frozen=True, slots=True)
class Slow:
    """The store's thread stands still for a while."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Outage:
    """A destination does not work for a while, or until everything is put right."""

    place: str
    since: float
    until: float
    how: Way


@dataclass(frozen=True, slots=True)
class Stuck:
    """One run's events are not taken by a destination until everything is put right."""

    place: str
    run: int
    how: StuckWay


@dataclass(frozen=True, slots=True)
class Jump:
    """The wall clock is set."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Revise:
    """The truth about a run is found to be another one: it has its next event."""

    at: float
    run: int
    outcome: int
    hinted: bool


Fault = (
    Crash
    | CrashAt
    | Stumble
    | Stop
    | StoreFault
    | Slow
    | Outage
    | Stuck
    | Jump
    | Revise
)


@dataclass(frozen=True, slots=True)
class Place:
    """One destination: how many calls at once, parcels in a call, and parcels in memory."""

    name: str
    concurrency: int
    batch: int
    ready_max: int
    ready_bytes: int
    laddered: bool


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that will happen; the rest is small chance from the same seed."""

    seed: int
    #: Whether tasks wake in another order than they were woken.
    shuffled: bool
    #: Seconds that a call of the store's thread takes at the most.
    latency: float
    #: Jobs in a commit, and jobs that may wait for one.
    group_size: int
    waiting: int
    places: tuple[Place, ...]
    calls: tuple[Call, ...]
    faults: tuple[Fault, ...]


_DOWN: Final = (0.05, 0.5, 1.5)
_POINTS: Final = get_args(Point)
_WAYS: Final = get_args(Way)
_STORE_WAYS: Final = get_args(StoreWay)
_STUCK: Final = get_args(StuckWay)
OUTCOMES: Final = ("succeeded", "failed", "cancelled", "partial_succeeded")


def draw(seed: int) -> Script:
    """The script of a seed."""
    dice = Random(seed)
    storm = dice.random() < 0.4
    runs = dice.randint(6, 16) if storm else dice.randint(1, 8)
    count = dice.choice((2, 2, 2, 3))
    places = tuple(
        Place(
            name,
            concurrency=dice.choice((1, 2, 4)),
            batch=dice.choice((1, 1, 3)),
            ready_max=dice.choice((1, 3, 100)),
            ready_bytes=dice.choice((300, 1 << 20, 1 << 20)),
            laddered=dice.random() < 0.7,
        )
        for name in PLACES[:count]
    )
    # In a storm everything comes within moments, and the ways out have much to do.
    since = dice.uniform(0, HORIZON / 2)
    window = dice.choice((0.02, 0.2, 1.0)) if storm else HORIZON * 0.7 - since
    calls = [
        call
        for run in range(runs)
        for call in _calls(dice, run, round(since + dice.uniform(0, window), 3))
    ]
    names = [place.name for place in places]
    times = (since, since + window + 1) if storm else (0, HORIZON)
    faults = [
        _fault(dice, runs, names, times) for _ in range(dice.choice((0, 1, 2, 3, 4, 6)))
    ]
    if storm and dice.random() < 0.5:
        faults.append(_outage(dice, round(since, 3), dice.choice(names)))
    if dice.random() < 0.6:
        stuck = [fault.run for fault in faults if isinstance(fault, Stuck)]
        faults += [_revise(dice, calls, stuck) for _ in range(dice.randint(1, 4))]
    return Script(
        seed=seed,
        shuffled=dice.random() < 0.5,
        latency=dice.choice((0.001, 0.005, 0.05)),
        group_size=dice.choice((2, 8, 512)),
        waiting=dice.choice((6, 64, 4096)),
        places=places,
        calls=tuple(sorted(calls, key=lambda call: call.at)),
        faults=tuple(faults),
    )


def _calls(dice: Random, run: int, first: float) -> list[Call]:
    """What the upstream says of one run: mostly the same thing, once or more."""
    said = dice.choice(OUTCOMES[:2])
    ref = dice.choice((None, None, f"order-{run}"))
    found = []
    for number in range(dice.choice((1, 1, 2, 2, 3, 4))):
        at = first if number == 0 else first + dice.choice((0, 0.001, 0.3, 2))
        conflicting = number > 0 and dice.random() < 0.1
        found.append(
            Call(
                at=round(at, 3),
                run=run,
                shape=dice.choices(
                    ("whole", "partial", "open", "odd", "forged"), (20, 4, 1, 1, 1)
                )[0],
                outcome=dice.choice(OUTCOMES) if conflicting else said,
                spelling=dice.choice((0, 0, 1, 2, 3)),
                client_ref=dice.choices((ref, None, "other"), (20, 4, 1))[0],
            )
        )
    return found


def _fault(
    dice: Random, runs: int, places: list[str], times: tuple[float, float]
) -> Fault:
    at = round(dice.uniform(*times), 3)
    nth = dice.randint(1, dice.choice((12, 40)))
    # All are drawn and one is taken: what the others cost is less than telling them apart.
    some: tuple[tuple[int, Fault], ...] = (
        (2, Crash(at, dice.choice(_DOWN))),
        (2, CrashAt(dice.choice(_POINTS), nth, dice.choice(_DOWN))),
        (2, Stumble(dice.choice(_POINTS), nth)),
        (1, Stop(at, dice.choice(_DOWN), dice.choice((0.05, 2.0)))),
        (2, StoreFault(at, dice.choice(_STORE_WAYS), dice.choice((1, 1, 3)))),
        (1, Slow(at, dice.choice((0.5, 2.0, 5.0)))),
        (3, _outage(dice, at, dice.choice(places))),
        (1, Stuck(dice.choice(places), dice.randrange(runs), dice.choice(_STUCK))),
        (1, Jump(at, dice.choice((-3600.0, -10.0, 10.0, 8 * 86400.0)))),
    )
    weights, faults = zip(*some, strict=True)
    [fault] = dice.choices(faults, weights)
    return cast("Fault", fault)


def _outage(dice: Random, at: float, place: str) -> Outage:
    until = dice.choice((at + 0.05, at + 0.5, at + 3, HORIZON + CALM))
    return Outage(place, at, round(until, 3), dice.choice(_WAYS))


def _revise(dice: Random, calls: list[Call], stuck: list[int]) -> Revise:
    """Soon after something was said of the run, preferably of one that does not get through."""
    likely = [call for call in calls if call.run in stuck]
    call = dice.choice(likely if likely and dice.random() < 0.7 else calls)
    return Revise(
        at=round(call.at + dice.choice((0.01, 0.05, 0.3, 1.5)), 3),
        run=call.run,
        outcome=dice.randrange(1, 4),
        hinted=dice.random() < 0.5,
    )
