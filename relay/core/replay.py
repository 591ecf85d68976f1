"""Replay: what settled deliveries, or events that a destination never had, are sent again, and how fast.

Owns what can be selected, how much one step makes of it, and when the next step is due. A replay makes new
generations and touches nothing that is there. Pure: time is passed in. Knows no database and nobody who
orders.
"""

from collections.abc import Collection, Iterable, Sequence
from enum import IntEnum
from typing import Final, Literal, Protocol

import msgspec

from relay.core.backlog import LIMIT
from relay.core.errors import RelayError
from relay.core.route import Router

__all__ = [
    "BATCH_MAX",
    "BYTES_MAX",
    "LOOK_ROWS",
    "NUMBER_MAX",
    "PAUSE_MAX",
    "RATE_DEFAULT",
    "RATE_MAX",
    "RUNNING_MAX",
    "STEPS",
    "UNTRIED_MAX",
    "Candidate",
    "NewReplay",
    "Replay",
    "ReplayState",
    "Resending",
    "Resent",
    "Selection",
    "Stretch",
    "TooManyRunningError",
    "What",
    "batch_of",
    "bounded",
    "is_full",
    "stretch",
]

SECOND: Final = 1_000_000

#: Deliveries that one step makes at the most, rows that it looks at, and bytes of bodies that routes look into:
#: callbacks wait meanwhile.
BATCH_MAX: Final = 64
LOOK_ROWS: Final = 1000
BYTES_MAX: Final = 512 * 1024
#: Steps in a second, where the rate is high enough for as many: what comes in meanwhile waits behind one of
#: them at the most, and a large one takes long to be sent.
STEPS: Final = 50
#: Microseconds; no step is due later after the last one, whatever the rate, nor after one that failed.
PAUSE_MAX: Final = 10 * SECOND
#: Deliveries a second, unless told otherwise, and at the most.
RATE_DEFAULT: Final = 100
RATE_MAX: Final = 1000
#: No store counts further, or has a thing of a later number.
NUMBER_MAX: Final = (1 << 63) - 1
#: Replayed deliveries of one destination that have not had a try: with as many no further ones are made. What
#: comes in meanwhile waits behind these at the most. Those that have failed stand in nobody's way.
UNTRIED_MAX: Final = 64

#: Orders under way: each is looked at again and again.
RUNNING_MAX: Final = 100

#: Dead letters; events that arrived; events that a destination never had.
What = Literal["dead", "delivered", "missing"]

_LAST: Final = 1 << 62


class TooManyRunningError(RelayError):
    """There are as many orders under way as there may be: some have to end first."""

    def __init__(self, running: int) -> None:
        super().__init__(
            f"{running} replays are under way, and no more than {RUNNING_MAX} may be: wait until some are over,"
            " or call one off (relay replay --status, relay replay --cancel N)"
        )


class ReplayState(IntEnum):
    """How far an order has come. The numbers are what stores keep."""

    RUNNING = 0
    #: Everything has been made into deliveries; these go their own way.
    DONE = 1
    CANCELLED = 2


class Selection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which deliveries, or events, are meant; all that is given has to be true of each."""

    what: What = "dead"
    source: str | None = None
    #: What it died of; where that is age, also what its last try came to.
    reason: str | None = None
    #: How the run ended, as events have it.
    outcome: str | None = None
    #: From and until when, wall microseconds: when a letter died, else when the event was made.
    since: int = 0
    until: int = _LAST
    #: Ids of events, runs or batches, or client_refs, as somebody wrote them; and the events' numbers.
    wanted: tuple[str, ...] = ()
    events: tuple[int, ...] | None = None


class NewReplay(msgspec.Struct, frozen=True, kw_only=True):
    """One destination's part of an order, ready to be written."""

    by: str
    #: Whose deliveries are looked through, and who is sent them.
    origin: str
    target: str
    selection: Selection
    rate: int = RATE_DEFAULT
    most: int | None = None
    #: How many were found.
    expected: int
    #: Nothing up to the first number, nor beyond the second, has to be looked at.
    after: int
    upto: int


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """An order under way, as a step finds it. Origin and target are numbers of destinations."""

    number: int
    origin: int
    target: int
    selection: Selection
    rate: int
    most: int | None
    cursor: int
    upto: int
    created: int
    #: Deliveries that replays made for the target, and that have not had a try.
    untried: int


class Candidate(msgspec.Struct, frozen=True):
    """Something that was selected. ``number`` is what the cursor counts by."""

    number: int
    event: int
    run: int
    #: Bytes of the callback that the event is built from; None where that is gone.
    size: int | None
    #: Whether it is on its way to the target already, or this order has sent it, or the target is behind from
    #: there on: earlier events are to come first.
    stands: bool


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """What one step makes of what lies ahead."""

    #: Event and run of each delivery to be made, in order.
    made: tuple[tuple[int, int], ...] = ()
    cursor: int
    expired: int = 0
    standing: int = 0
    unrouted: int = 0
    state: ReplayState = ReplayState.RUNNING
    due_at: int


class Resent(msgspec.Struct, frozen=True, kw_only=True):
    """What a step has done."""

    replay: int
    made: int
    state: ReplayState
    #: The destination whose deliveries wait in the store now.
    destination: str


class Resending(Protocol):
    """Where orders to send again are kept and worked at."""

    async def order_replays(self, orders: Sequence[NewReplay], /) -> Sequence[int]:
        """Write orders down, all or none; their numbers.

        Raises:
            TooManyRunningError: with these there would be more than `RUNNING_MAX` under way.
            StoreFullError: the store or its disk is at its limit.
            StoreBusyError: no commit in time.
        """
        ...

    async def cancel_replay(self, number: int, /, *, by: str) -> bool:
        """Make no further delivery for an order. False where it is unknown or over.

        Raises:
            StoreBusyError: no commit in time.
        """
        ...

    async def resend(
        self, router: Router, /, *, backlog: int = LIMIT, righted: bool = False
    ) -> Resent | None:
        """Take a step of the order that has waited longest; None where none is due.

        Orders to destinations that the configuration does not have wait until it has them. ``backlog`` are the
        deliveries that a destination may have open. Before that, where the wall clock may have been set
        (``righted``), what is due later than :data:`PAUSE_MAX` from now is made due.

        Raises:
            StoreFullError: the store or its disk is at its limit.
            StoreBusyError: no commit in time.
        """
        ...

    async def postpone_replay(
        self, router: Router, /, *, until: int, backlog: int = LIMIT
    ) -> None:
        """Let the order whose step is due wait, wall microseconds: its step failed, and others have their turn.

        Raises:
            StoreBusyError: no commit in time.
        """
        ...

    async def next_resend(
        self, router: Router, /, *, backlog: int = LIMIT
    ) -> tuple[int | None, bool]:
        """When the next step is due, wall microseconds, None when none is; and whether any order runs.

        Of orders to destinations of the configuration; one whose destination has no room is due when it has.

        Raises:
            StoreBusyError: the store does not answer.
        """
        ...


def is_full(untried: int, pending: int, backlog: int) -> bool:
    """Whether a destination has enough for now: of replayed deliveries, or of any that it may have open."""
    return untried >= UNTRIED_MAX or pending >= backlog


def batch_of(replay: Replay) -> int:
    """How many deliveries the next step may make."""
    batch = min(BATCH_MAX, max(1, replay.rate // STEPS), UNTRIED_MAX - replay.untried)
    if replay.most is not None:
        batch = min(batch, replay.most - replay.created)
    return max(0, batch)


def stretch(
    replay: Replay,
    candidates: Sequence[Candidate],
    *,
    reached: int,
    ends: bool,
    held: Collection[int],
    routed: Collection[int] | None = None,
    now: int,
) -> Stretch:
    """Decide what becomes of the next candidates, of which as many were asked for as :func:`batch_of` says.

    ``reached`` is the last number looked at and ``ends`` whether nothing comes after it; ``held`` are the runs
    that nobody else is changing: the step ends before the first of another. ``routed`` are the events that
    routes take to the target, where routes are asked.
    """
    kept = candidates if routed is None else bounded(candidates)
    free = [*_until_unheld(kept, held)]
    if len(free) < len(candidates):
        cursor, ends = (free[-1].number if free else replay.cursor), False
    elif len(candidates) >= batch_of(replay):
        # More of them may lie between the last one and what was looked at.
        cursor = candidates[-1].number if candidates else replay.cursor
        ends = ends and cursor >= reached
    else:
        cursor = max(replay.cursor, reached)
    there = [one for one in free if one.size is not None]
    new = [one for one in there if not one.stands]
    made = [one for one in new if routed is None or one.event in routed]
    whole = replay.most is not None and replay.created + len(made) >= replay.most
    return Stretch(
        made=tuple((one.event, one.run) for one in made),
        cursor=cursor,
        expired=len(free) - len(there),
        standing=len(there) - len(new),
        unrouted=len(new) - len(made),
        state=ReplayState.DONE if ends or whole else ReplayState.RUNNING,
        due_at=now + len(made) * SECOND // replay.rate,
    )


def bounded(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """As many as one step may look into; one in any case."""
    weight = 0
    for count, one in enumerate(candidates):
        weight += one.size or 0
        if count and weight > BYTES_MAX:
            return candidates[:count]
    return candidates


def _until_unheld(
    candidates: Iterable[Candidate], held: Collection[int]
) -> Iterable[Candidate]:
    for one in candidates:
        if one.run not in held:
            return
        yield one
