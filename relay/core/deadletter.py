"""Dead letters: what can be told of deliveries that have ended, and of orders to send them again.

Owns the shapes in which it is told, and the face of whoever looks. Knows no database.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from relay.core.errors import MisconfiguredError
from relay.core.identity import Outcome, RunKey
from relay.core.replay import ReplayState, Selection

__all__ = [
    "IDS_MAX",
    "LISTED_MAX",
    "WANTED_MAX",
    "Ended",
    "Heap",
    "Letters",
    "Page",
    "Standing",
    "UnknownNameError",
    "named",
]

#: What one page may list, how many ids one order may name, and how many events these may stand for.
LISTED_MAX: Final = 1000
IDS_MAX: Final = 200
WANTED_MAX: Final = 10_000


class UnknownNameError(MisconfiguredError):
    """The store has no source, destination, event, run or order of this name."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that has ended; or, of what a destination never had, the event."""

    #: Number of the delivery; of the event where there is none.
    number: int
    event_id: str
    key: RunKey
    client_ref: str | None
    outcome: Outcome
    revision: int
    destination: str
    #: 0 where there is no delivery.
    generation: int
    attempts: int
    #: When it was made, and when it ended; wall microseconds.
    created_at: int
    settled_at: int | None
    status: int | None
    reason: str | None
    #: Whether what the event is built from is still kept.
    is_kept: bool


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some of them, and where the next ones begin (moment, number); None where there are no more."""

    items: tuple[Ended, ...]
    next: tuple[int, int] | None


class Heap(msgspec.Struct, frozen=True, kw_only=True):
    """How many have ended alike at one destination."""

    destination: str
    reason: str | None
    count: int
    #: Of these, those that cannot be built any more.
    expired: int
    #: When the first and the last of them ended, wall microseconds; and the range of their numbers.
    oldest: int
    newest: int
    first: int
    last: int
    #: Those that the destination which they would be sent to has not come to yet: it is behind.
    behind: int = 0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How an order to send again stands."""

    number: int
    created_at: int
    by: str
    origin: str
    target: str
    selection: Selection
    rate: int
    most: int | None
    #: How many were found when it was ordered.
    expected: int
    state: ReplayState
    #: Deliveries made; and what was left out, and why.
    created: int
    expired: int
    standing: int
    unrouted: int
    ended_at: int | None
    #: Of the deliveries made: arrived, waiting for their first try, failed and to be tried again, dead again.
    delivered: int = 0
    untried: int = 0
    failing: int = 0
    dead: int = 0

    @property
    def looked_at(self) -> int:
        """How many have been decided on."""
        return self.created + self.expired + self.standing + self.unrouted

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is made, and everything made has had a try."""
        return self.state is not ReplayState.RUNNING and not self.untried


class Letters(Protocol):
    """Looks into a store, whether or not a relay serves it. Changes nothing.

    All of it may raise MisconfiguredError (there is no store, or it cannot be read) and StoreBusyError.
    """

    async def resolve(self, wanted: Sequence[str], source: str | None) -> list[int]:
        """Numbers of the events under ids of events, runs or batches, or ``client_ref`` s.

        Raises:
            UnknownNameError: there is nothing under one of them, or too much.
        """
        ...

    async def heaps(
        self, selection: Selection, origin: str | None, *, target: str | None = None
    ) -> list[Heap]:
        """What a selection finds, by destination and reason.

        ``origin`` is whose deliveries are looked at; only dead ones are looked for everywhere. ``target`` is
        where they would be sent, if not where they were for.

        Raises:
            UnknownNameError: there is no such source or destination.
        """
        ...

    async def page(
        self,
        selection: Selection,
        origin: str | None,
        *,
        limit: int,
        before: tuple[int, int] | None = None,
    ) -> Page:
        """Some of what a selection finds: dead letters newest first, others in the order of the events.

        Raises:
            UnknownNameError: there is no such source or destination.
        """
        ...

    async def orders(self, number: int | None, *, limit: int = 20) -> list[Standing]:
        """The order of a number, or the newest ones, newest first.

        Raises:
            UnknownNameError: there is none of this number.
        """
        ...

    async def event_of(self, delivery: int) -> str | None:
        """The id of the event of a delivery's number."""
        ...


def named(what: str, name: str, known: Mapping[str, int]) -> int:
    """The number of a name.

    Raises:
        UnknownNameError: it has none.
    """
    if name not in known:
        there = ", ".join(sorted(known)) or "none"
        raise UnknownNameError(f"there is no {what} {name!r}; there are: {there}")
    return known[name]
