"""Sweeping by hand: look now, and as far back as is asked, for runs whose callback never came.

Owns the verb: what may be ordered, that one source is swept by hand once at a time, what is told of it
while it goes on, and how many missing runs are named. What a sweep is, and at what pace, is its
sweeper's; this must not know who that is, or who listens.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Final, Literal, Protocol, TypedDict

import msgspec

from relay.core.errors import CalledOffError, RelayError
from relay.core.moment import text_of
from relay.core.ports import Clock
from relay.core.sweep import Progress
from relay.core.window import Window, window
from relay.operate.actions.explaining import Why, explain
from relay.runflow import RunflowError

__all__ = [
    "LISTED_MAX",
    "ByHand",
    "Ended",
    "Found",
    "Line",
    "Missing",
    "Order",
    "Seen",
    "Sweepers",
    "Sweeping",
    "UnderWayError",
    "UnknownSourceError",
    "outcome_of",
]

#: Missing runs that are named for each source; all of them are counted.
LISTED_MAX: Final = 100

#: Of a source, and of a whole order: some of its sources failed.
State = Literal["done", "failed"]
Outcome = Literal["done", "failed", "partly"]


class UnknownSourceError(RelayError):
    """The relay has no source of this name."""


class UnderWayError(RelayError):
    """This source is being swept by hand already."""


class ByHand(Protocol):
    """Who sweeps one source."""

    #: Runs that are asked for, a second.
    rate: float

    async def sweep_by_hand(
        self,
        *,
        begin: int | None,
        end: int | None,
        told: Callable[[Progress], None],
        dry: bool,
    ) -> Progress:
        """Look through the runs created between two moments (wall microseconds), page by page.

        Raises:
            CalledOffError: it was ended before it was done.
            RunflowError: the list cannot be had.
            RelayError: what was found cannot be remembered.
        """
        ...


class Sweepers(Protocol):
    """Who sweeps, by source."""

    @property
    def sources(self) -> Sequence[str]:
        """The names of all sources, in the configuration's order."""
        ...

    def sweeper(self, source: str, /) -> ByHand | Why:
        """Who sweeps a source, or why nobody can."""
        ...


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for. Times are so long ago (``24h``) or ISO 8601."""

    #: None for all of them, one after another.
    source: str | None = None
    #: None for where the source's last sweep got to.
    since: str | None = None
    #: None for now.
    until: str | None = None
    #: Only look.
    dry_run: bool = False


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A run or batch of which the relay has no event."""

    kind: str
    id: str
    #: How it ended, as Runflow's list has it; None while it goes on.
    outcome: str | None


class _Stand(msgspec.Struct, frozen=True, kw_only=True):
    source: str
    #: The window that is looked through; None where it has not begun.
    since: str | None = None
    until: str
    #: How far back it has come.
    reached: str | None = None
    pages: int = 0
    runs: int = 0
    #: Runs whose callback goes to this relay.
    ours: int = 0
    #: Runs that have ended and of which the relay has no event.
    missed: int = 0
    #: Runs of which it has none either, because they still go on.
    running: int = 0


class Seen(_Stand, frozen=True, kw_only=True, tag="progress", tag_field="type"):
    """How the sweep of one source stands."""


class Found(_Stand, frozen=True, kw_only=True, tag="source", tag_field="type"):
    """What the sweep of one source came to; if it failed, as far as it got."""

    state: State
    #: A closed word, and a sentence with the setting to look at, where it failed.
    reason: str | None = None
    why: str | None = None
    #: The first of them.
    missing: tuple[Missing, ...] = ()
    #: Runs that will be asked for, a second.
    rate: float | None = None


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="result", tag_field="type"):
    """What the order came to."""

    outcome: Outcome
    dry_run: bool
    sources: int
    missed: int
    running: int


Line = Seen | Found | Ended


class Sweeping:
    """Takes orders. ``stop`` ends those under way; they say so."""

    def __init__(self, sweepers: Sweepers, *, clock: Clock) -> None:
        self._sweepers = sweepers
        self._clock = clock
        self._under_way: set[str] = set()
        self._stopping = False

    def stop(self) -> None:
        """Begin no further sweep: what goes on is ended by its sweeper. Idempotent."""
        self._stopping = True

    @contextmanager
    def errand(self, order: Order) -> Iterator["Errand"]:
        """Take an order; a source that is named is taken until the end.

        Raises:
            UnknownSourceError: there is no such source.
            UnderWayError: it is being swept by hand.
            WindowError: a time cannot be read.
        """
        now = self._clock.now_us()
        span = window(order.since, order.until, now=now)
        if order.source is None:
            yield Errand(self, order, span, tuple(self._sweepers.sources), now=now)
            return
        if order.source not in self._sweepers.sources:
            names = ", ".join(self._sweepers.sources)
            raise UnknownSourceError(
                f"there is no source {order.source!r}; there are: {names}"
            )
        with self._taken(order.source):
            yield Errand(self, order, span, (order.source,), now=now, taken=True)

    @contextmanager
    def _taken(self, source: str) -> Iterator[None]:
        if source in self._under_way:
            raise UnderWayError(f"{source} is being swept by hand already")
        self._under_way.add(source)
        try:
            yield
        finally:
            self._under_way.discard(source)

    async def sweep(
        self,
        source: str,
        span: Window,
        told: Callable[[Progress], None],
        *,
        dry: bool,
        taken: bool,
    ) -> tuple[Why | None, float | None]:
        """Sweep one source; why it failed, if it did, and at what rate it is asked.

        ``taken`` where the caller holds the source.
        """
        who = self._sweepers.sweeper(source)
        if isinstance(who, Why):
            return who, None
        begin, end = span
        try:
            with nullcontext() if taken else self._taken(source):
                if self._stopping:
                    raise CalledOffError(source)
                await who.sweep_by_hand(begin=begin, end=end, told=told, dry=dry)
        except UnderWayError as error:
            return Why(reason="under_way", text=str(error)), None
        except (RunflowError, RelayError) as error:
            return explain(error), who.rate
        return None, who.rate


class Errand:
    """One order under way."""

    def __init__(
        self,
        sweeping: Sweeping,
        order: Order,
        span: Window,
        sources: Sequence[str],
        *,
        now: int,
        taken: bool = False,
    ) -> None:
        self._sweeping = sweeping
        self._order = order
        self._span = span
        self._sources = sources
        self._until = text_of(now if span[1] is None else span[1])
        self._taken = taken

    async def run(self, told: Callable[[Line], None]) -> Ended:
        """Sweep one source after another.

        ``told`` hears of each page, of each source's end, and of the end.
        """
        found = [await self._one(source, told) for source in self._sources]
        ended = Ended(
            outcome=outcome_of([one.state for one in found]),
            dry_run=self._order.dry_run,
            sources=len(found),
            missed=sum(one.missed for one in found),
            running=sum(one.running for one in found),
        )
        told(ended)
        return ended

    async def _one(self, source: str, told: Callable[[Line], None]) -> Found:
        latest, missing = Progress(), list[Missing]()

        def hear(progress: Progress) -> None:
            nonlocal latest
            latest = progress
            missing.extend(
                Missing(
                    kind=one.key.kind.value,
                    id=one.key.id,
                    outcome=None if one.outcome is None else one.outcome.value,
                )
                for one in progress.news[: LISTED_MAX - len(missing)]
            )
            told(Seen(source=source, until=self._until, **_counts(progress)))

        why, rate = await self._sweeping.sweep(
            source, self._span, hear, dry=self._order.dry_run, taken=self._taken
        )
        found = Found(
            source=source,
            until=self._until,
            state="done" if why is None else "failed",
            reason=None if why is None else why.reason,
            why=None if why is None else why.text,
            missing=tuple(missing),
            rate=rate,
            **_counts(latest),
        )
        told(found)
        return found


def outcome_of(states: Sequence[State]) -> Outcome:
    """What it all came to."""
    if "failed" not in states:
        return "done"
    return "partly" if "done" in states else "failed"


class _Counts(TypedDict):
    since: str | None
    reached: str | None
    pages: int
    runs: int
    ours: int
    missed: int
    running: int


def _counts(progress: Progress) -> _Counts:
    return _Counts(
        since=None if progress.start is None else text_of(max(0, progress.start)),
        reached=None if progress.reached is None else text_of(progress.reached),
        pages=progress.pages,
        runs=progress.runs,
        ours=progress.ours,
        missed=progress.missed - progress.going,
        running=progress.going,
    )
