"""Story: what is true of each run, what callbacks say of it, and how its API can be asked.

Owns the shapes of the upstream's part of a script, as plain values. Whatever a callback says is a departure
from the course of its run, or none. Knows no dice, and nothing of what the relay makes of it.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

__all__ = [
    "FOR_EVER",
    "SOURCES",
    "ApiFault",
    "ApiWay",
    "Asking",
    "Call",
    "Course",
    "Kind",
    "Lack",
    "Subject",
]

SOURCES: Final = ("acme", "globex", "initech")
#: The end of what never ends.
FOR_EVER: Final = math.inf
Kind = Literal["run", "batch"]
Shape = Literal["whole", "partial", "open", "odd", "forged"]
#: What a partial callback does not say.
Lack = Literal["completed_at", "status", "output"]
#: The secret that a call is signed with: the one in use, the one before it, or another source's.
Key = Literal["now", "before", "foreign"]
ApiWay = Literal[
    "404", "401", "429", "429 for a while", "500", "hang", "refuse", "cut off", "web page",
    "another run", "another organisation", "no status",
]  # fmt: skip


class Subject(NamedTuple):
    """What callbacks speak of, by the upstream's own words. An id alone names nothing."""

    source: str
    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.source}/{self.kind}/{self.id}"


@dataclass(frozen=True, slots=True)
class Course:
    """How one run really goes. Times are virtual seconds; some of it lies before the history."""

    subject: Subject
    created: float
    #: Until then the API says that it runs.
    ends: float
    outcome: str
    client_ref: str | None
    #: When the upstream changes its mind, and how it ended from then on.
    patched: tuple[float, str] | None = None
    #: Whether its callback is meant for the relay.
    ours: bool = True

    @property
    def last_outcome(self) -> str:
        """How it ended, when all is said."""
        return self.outcome if self.patched is None else self.patched[1]


@dataclass(frozen=True, slots=True)
class Call:
    """The upstream calls; repeated until it is answered with 2xx or has had enough."""

    at: float
    subject: Subject
    shape: Shape
    outcome: str
    #: Spelling of ids and words, and bytes that say nothing.
    spelling: int
    client_ref: str | None
    key: Key = "now"
    lack: Lack = "completed_at"


@dataclass(frozen=True, slots=True)
class ApiFault:
    """A source's API answers otherwise for a while: about one run, or whatever it is asked."""

    source: str
    since: float
    until: float
    how: ApiWay
    #: None for all of them, and for the list.
    subject: Subject | None

    @property
    def delays_sweeps(self) -> bool:
        """Whether a batch hangs whenever it is asked for, and who is found with it waits for that."""
        batch = self.subject is not None and self.subject.kind == "batch"
        return batch and self.until == FOR_EVER and self.how == "hang"


@dataclass(frozen=True, slots=True)
class Asking:
    """How every source's API is asked."""

    on_unconfirmed: Literal["publish", "hold"]
    concurrency: int
    #: Seconds: between sweeps, how far each looks back, and how long a callback may be on its way.
    every: int
    overlap: int
    grace: int
    #: Whether the upstream is asked for a callback that never came before it is asked how the run ended.
    redeliver: bool
    #: Runs on a page of the list.
    page: int

    @property
    def narrow(self) -> bool:
        """Whether a run may be seen by one sweep alone."""
        return self.overlap < 60
