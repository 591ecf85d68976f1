"""Ports: the small faces through which the parts of the relay see each other.

Owns only shapes. Each consumer asks for the one or two methods that it needs; ``app`` wires real
objects in, tests wire scripted ones. Methods take and return lists, so that work can be grouped.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Literal, Protocol, TypeVar
from uuid import UUID

import msgspec

from relay.core.delivery import Outcome, Queue, Step
from relay.core.errors import UnstorableError
from relay.core.event import Event, Facts, build
from relay.core.identity import RunKey, event_id
from relay.core.inquiry import Inquiry, Lesson, Sighting
from relay.core.measured import MetricName
from relay.core.receipt import Receipt
from relay.core.retention import PassStep, Progress
from relay.core.run import Verdict
from relay.core.steady import Foresight

__all__ = [
    "Amendment",
    "Checkpoint",
    "Checkpoints",
    "Clock",
    "Dice",
    "Executor",
    "Forgetful",
    "Handover",
    "Inbox",
    "Inquiries",
    "Letter",
    "MetricName",
    "Metrics",
    "Outbox",
    "Parcel",
    "Recorded",
    "Refusal",
    "RefusalLog",
    "Room",
    "Sender",
    "Settlement",
    "Wish",
]

R = TypeVar("R")

#: How many fresh deliveries each destination could take into memory; missing = none.
Room = Mapping[str, int]

#: The places where a test's own launcher may kill the process.
Checkpoint = Literal["after-verify", "before-commit", "after-commit", "after-send"]


class Clock(Protocol):
    """Wall time. Monotonic time is the event loop's."""

    def now_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        ...


class Dice(Protocol):
    """Chance."""

    def bytes(self, count: int, /) -> bytes:
        """``count`` random bytes, fit for ids and tokens."""
        ...

    def unit(self) -> float:
        """A number in [0, 1)."""
        ...


class Checkpoints(Protocol):
    """Named points of the path. In production reaching one does nothing."""

    def reach(self, name: Checkpoint, /) -> None:
        """The path passes ``name``. May be called from the store's thread."""
        ...


class Executor(Protocol):
    """Where blocking calls run, one after another."""

    def run(self, call: Callable[[], R], /) -> Awaitable[R]:
        """Run ``call`` off the event loop and give its result."""
        ...


class Letter:
    """What is to be delivered: facts, and the event built from them once, when first asked for."""

    __slots__ = ("_event", "facts")

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._event: Event | None = None

    @property
    def event_id(self) -> UUID:
        """The event's id, whether or not the event can be built."""
        return event_id(self.facts.key, self.facts.outcome, self.facts.revision)

    @property
    def event(self) -> Event:
        """The event. Several parcels share one letter, so it is built once.

        Raises:
            UnbuildableError: see :func:`relay.core.event.build`.
        """
        # By hand: cached_property takes a lock in Python 3.11.
        if self._event is None:
            self._event = build(self.facts)
        return self._event


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """One claimed delivery in this process's hands."""

    #: The store's number of the delivery.
    number: int
    #: The lease under which it was claimed; settling compares it.
    lease: int
    destination: str
    generation: int
    #: Tries made so far.
    attempts: int
    #: When the delivery was created, wall microseconds.
    created_at: int
    letter: Letter
    #: The order to send again that made it, if one did; and the bytes of the receipt behind it.
    replay: int | None = None
    size: int = 0
    queue: Queue = Queue.FIRST


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one try, to be written if the lease still holds."""

    parcel: Parcel
    outcome: Outcome
    step: Step


class Amendment(msgspec.Struct, frozen=True, kw_only=True):
    """Another word on a failed try: ``step`` instead of what was ``written``, if that still stands there."""

    number: int
    written: Step
    step: Step


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a courier has room for."""

    #: Deliveries out of each queue, at the most.
    first: int
    again: int = 0
    #: Bytes of the receipts behind them, together; one delivery may come in any case.
    size: int
    #: Wall microseconds; what is due later is left alone.
    now: int
    #: Whether an earlier delivery of the same run, as long as it is open, keeps the later ones back.
    ordered: bool = True
    #: Sources of which nothing is wanted.
    but: Collection[str] = ()


class Sender(Protocol):
    """One destination's way out. Knows nothing of retries, leases or the store."""

    #: How many parcels one call may carry.
    batch: int
    #: How many calls may run at once.
    concurrency: int

    def prepare(self, parcels: Iterable[Parcel], /) -> None:
        """Do now, for all of them at once, what their tries will need. Never raises.

        A loop over many costs a fraction of that between two tries; calls with many parcels need none.
        """
        ...

    async def send(self, parcels: Sequence[Parcel], /) -> Sequence[Outcome]:
        """Try each parcel; one outcome each, in order. Bounded in time. Never raises but to cancel."""
        ...

    async def close(self) -> None:
        """Give everything back. Idempotent and bounded in time."""
        ...


class Outbox(Foresight, Protocol):
    """Where deliveries wait and where what became of them is written."""

    async def claim(self, destination: str, wish: Wish, /) -> Sequence[Parcel]:
        """Lease deliveries that are due: of each source as many as of the others, oldest first."""
        ...

    async def settle(self, settlements: Sequence[Settlement], /) -> Sequence[bool]:
        """Write what became of them. False where the lease was no longer held: nothing was written."""
        ...

    async def amend(self, amendments: Sequence[Amendment], /) -> None:
        """Write the other word where nobody has had the delivery since."""
        ...

    async def next_due(
        self, destination: str, queue: Queue | None = None, /
    ) -> int | None:
        """When the earliest unclaimed delivery is due, of one queue or any; None when none waits."""
        ...


class Forgetful(Protocol):
    """What keeps rows, and can let go of those that nobody needs."""

    async def forget(self, step: PassStep, /) -> Progress:
        """Take one small step of a pass, and say how far it went.

        Raises:
            StoreBusyError: not now.
            StoreFailedError: nothing can be written any more.
        """
        ...


class Metrics(Protocol):
    """A closed list of metrics; a name that is not in it does not type-check."""

    def count(self, name: MetricName, /, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        ...

    def observe(self, name: MetricName, value: float, /, **labels: str) -> None:
        """Add one observation to a histogram."""
        ...

    def gauge(self, name: MetricName, value: float | None, /, **labels: str) -> None:
        """Set a gauge; None takes it away, because what it spoke of is gone."""
        ...


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished commit made of a receipt."""

    verdict: Verdict
    #: The run or batch that it speaks of; None in quarantine.
    key: RunKey | None = None
    #: The event that came of it, in this commit.
    letter: Letter | None = None
    #: Deliveries already leased to this process.
    parcels: tuple[Parcel, ...] = ()
    #: Destinations whose delivery waits in the store to be claimed.
    stored_for: tuple[str, ...] = ()
    #: Why there is no event yet, or why it went to quarantine.
    reasons: tuple[str, ...] = ()


class Inbox(Protocol):
    """Where callbacks are put on disk."""

    async def record(
        self, receipts: Sequence[Receipt], /
    ) -> Sequence[Recorded | UnstorableError]:
        """Commit receipts, their events and deliveries; returns when all of it is durable.

        Raises:
            StoreFullError: the store or its disk is at its limit.
            StoreBusyError: no commit in time; it may still end after this.
            StoreFailedError: nothing can be acknowledged any more.
        """
        ...


class Inquiries(Protocol):
    """Where runs wait for the truth, and where it is written."""

    async def inquire(
        self, source: str, /, *, limit: int, now: int, opened_before: int | None = None
    ) -> Sequence[Inquiry]:
        """Lease up to ``limit`` due inquiries of a source, oldest first.

        With ``opened_before`` only those that wait since before then, wall microseconds.
        """
        ...

    async def learn(self, lessons: Sequence[Lesson], /) -> Sequence[Recorded]:
        """Write what asks came to, where the lease still holds.

        Gives an answer for each, and then one for each run that they have released; see
        :mod:`relay.core.collapse`.
        """
        ...

    def release(self, inquiries: Sequence[Inquiry], /) -> None:
        """Give back what was claimed and is asked by nobody, as soon as the store can. Never raises."""
        ...

    async def watch(
        self,
        source: str,
        sightings: Sequence[Sighting],
        /,
        *,
        cursor: int | None = None,
        dry: bool = False,
    ) -> Sequence[RunKey]:
        """Remember runs of which no event is known; gives those that are news.

        ``cursor`` is how far the source has been swept with these, wall microseconds; ``dry`` only looks.

        Raises:
            StoreFullError: the store or its disk is at its limit.
            StoreBusyError: no commit in time.
        """
        ...

    @property
    def crowd(self) -> int:
        """How many callbacks shared the last commit; 0 where the last one is over for a while.

        Few share one while each is answered at once; many do when there is more to answer than can be.
        """
        ...

    async def swept(self, source: str, /) -> int | None:
        """How far a source has been swept; None before the first sweep."""
        ...

    async def next_inquiry(self, source: str, /) -> int | None:
        """When the earliest unclaimed inquiry is due, wall microseconds; None when none waits."""
        ...


class Handover(Protocol):
    """Who takes fresh deliveries straight from the commit that made them."""

    def room(self) -> Room:
        """How many parcels each destination could take now; missing = none."""
        ...

    def hand(self, parcels: Sequence[Parcel], /) -> None:
        """Take parcels leased to this process."""
        ...

    def hint(self, destinations: Iterable[str], /) -> None:
        """Deliveries wait in the store for these destinations."""
        ...

    def question(self, sources: Iterable[str], /) -> None:
        """Runs of these sources wait in the store for the truth."""
        ...


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Requests alike that failed verification: counted, never kept."""

    source: str
    channel: str
    reason: str
    peer: str
    count: int
    first_seen: int
    last_seen: int
    #: Size and hash of the latest body.
    size: int
    digest: bytes


class RefusalLog(Protocol):
    """Where refusals are counted."""

    async def refuse(self, refusals: Sequence[Refusal], /) -> None:
        """Add to the bounded record."""
        ...
