"""The script: what will happen to one relay, as plain values.

Owns the shapes of everything that can happen. A script is a list of calls and a list of faults; each may
be left out without the others losing their meaning, which is how it is shrunk. Knows no dice: ``draw``
has them.
"""

from dataclasses import dataclass
from typing import Literal

from tests.simulator.story import ApiFault, Asking, Call, Course, Kind, Subject

__all__ = [
    "CALM",
    "HORIZON",
    "PLACES",
    "Again",
    "Blackout",
    "BlackoutAt",
    "Crash",
    "CrashAt",
    "Days",
    "Fault",
    "Forget",
    "Full",
    "Jump",
    "Outage",
    "Pause",
    "Place",
    "Reask",
    "Rehire",
    "Remove",
    "Reroute",
    "Rotate",
    "Rule",
    "Script",
    "Slow",
    "Stop",
    "StoreFault",
    "Stuck",
    "Stumble",
]

#: Seconds in which everything may go wrong.
HORIZON = 6.0
#: Seconds in which nothing new goes wrong, while what is stuck stays stuck.
CALM = 8.0

PLACES = ("lake", "orders", "audit")
Point = Literal["after-verify", "before-commit", "after-commit", "after-send"]
Way = Literal[
    "refuse", "5xx", "4xx", "gone", "lost", "late", "reset", "hang", "raise", "busy",
    "away",
]  # fmt: skip
StuckWay = Literal["4xx", "gone", "hang", "dead", "lost", "late", "reset"]
StoreWay = Literal["busy", "full", "fails", "commits-and-fails", "internal"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One route: what it takes, and where that goes. What is empty or None is not looked at."""

    outcomes: tuple[str, ...]
    kind: Kind | None
    source: str | None
    #: Everything but that.
    negated: bool
    to: tuple[str, ...]


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
class Blackout:
    """The machine loses its power: what was written and not synced is gone, or some of it."""

    at: float
    down: float


@dataclass(frozen=True, slots=True)
class BlackoutAt:
    """The power goes in the nth commit, when its pages are written and not yet synced."""

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
    subject: Subject
    how: StuckWay


@dataclass(frozen=True, slots=True)
class Jump:
    """The wall clock is set, wrongly; where somebody sees that, it is set right later."""

    at: float
    seconds: float
    #: None where nobody does.
    right: float | None = None


@dataclass(frozen=True, slots=True)
class Reroute:
    """The configuration has other routes from now on; with none at all everything goes everywhere."""

    at: float
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Rehire:
    """A destination's settings are changed: it is served by a new courier."""

    at: float
    place: str
    concurrency: int
    batch: int


@dataclass(frozen=True, slots=True)
class Reask:
    """A source's settings are changed: it is asked by another inquirer, and swept by another sweeper."""

    at: float
    concurrency: int


@dataclass(frozen=True, slots=True)
class Remove:
    """A destination is taken out of the configuration, and put back later."""

    at: float
    place: str
    back: float


@dataclass(frozen=True, slots=True)
class Forget:
    """A destination is taken out of the configuration, and what waits for it is given up.

    One of the same name is there later.
    """

    at: float
    place: str
    back: float


@dataclass(frozen=True, slots=True)
class Rotate:
    """A source gets a new secret: known to the relay, then signed with, then the only one known."""

    at: float
    source: str
    #: When the upstream signs with it; before 0 it is in too great a hurry.
    signed_after: float
    retired_after: float


@dataclass(frozen=True, slots=True)
class Full:
    """The disk is fuller than it may be, for a while."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Pause:
    """A person has nothing sent to a destination for a while."""

    at: float
    place: str
    until: float


@dataclass(frozen=True, slots=True)
class Again:
    """A person has what died at a destination, or what arrived there, sent again."""

    at: float
    place: str
    what: Literal["dead", "delivered"]
    #: Deliveries a second.
    rate: int


Fault = (
    Crash
    | CrashAt
    | Blackout
    | BlackoutAt
    | Stumble
    | Stop
    | StoreFault
    | Slow
    | Outage
    | Stuck
    | Jump
    | ApiFault
    | Reroute
    | Reask
    | Rehire
    | Remove
    | Forget
    | Pause
    | Again
    | Rotate
    | Full
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
    #: Calls a second; None for as many as it takes.
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Days:
    """When all is done a destination fails for days: what was sent there is sent again, in vain."""

    place: str
    how: Literal["refuse", "5xx", "4xx", "lost", "away"]
    #: Hours that pass between two tries.
    stride: int
    #: Whether it works for a moment when half of the time has passed.
    relapses: bool


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
    rules: tuple[Rule, ...]
    asking: Asking
    courses: tuple[Course, ...]
    calls: tuple[Call, ...]
    faults: tuple[Fault, ...]
    #: Open deliveries that one destination may have.
    backlog: int = 1000
    #: The destination that is told of what happens to others.
    listener: str | None = None
    days: Days | None = None

    @property
    def replays(self) -> bool:
        """Whether anything is sent again: who works at that changes when everybody else has a turn."""
        return self.days is not None or any(isinstance(f, Again) for f in self.faults)
