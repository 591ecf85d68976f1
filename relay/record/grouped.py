"""Grouped: a store as the rest of the relay sees it, whatever it keeps its rows in.

Owns turning calls into jobs that ride with the next group commit, and handing out what a commit leased.
An adapter says how a group is committed; what a job does there is its own.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from relay.core.collapse import COLLAPSED
from relay.core.delivery import Policy, Queue, Released, Step, Tried, follow
from relay.core.errors import RelayError, StoreFullError, UnstorableError
from relay.core.holding import Condition
from relay.core.identity import RunKey
from relay.core.inquiry import Inquiry, Lesson, Sighting
from relay.core.ports import (
    Amendment,
    Clock,
    Handover,
    Metrics,
    Parcel,
    Recorded,
    Refusal,
    Room,
    Settlement,
    Wish,
)
from relay.core.receipt import Receipt
from relay.core.retention import DEFAULT_KEEPING, Keeping, PassStep, Progress
from relay.core.route import Router, nowhere
from relay.core.steady import Ahead
from relay.record.grouping import Grouper
from relay.record.jobs import (
    Amend,
    Claim,
    Inquire,
    Job,
    Keep,
    Learn,
    Record,
    Register,
    Settle,
    Watch,
    is_intake,
)
from relay.record.posted import PostedStore

__all__ = ["REFUSED_US", "GroupedStore", "Limits"]


#: For so long readiness speaks of room that was not found, in microseconds. Then somebody has to be let in to
#: find out: who is not ready is sent nothing, and would never hear that there is room again.
REFUSED_US: Final = 10_000_000
#: A commit that is longer ago says nothing of how many callbacks come, in seconds.
CROWD_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds a store."""

    group_size: int = 512
    waiting: int = 4096
    ack_timeout_s: float = 4.0
    min_free_disk: int = 512 * 1024 * 1024
    store_bytes: int = 256 * 1024**3
    refusals_kept: int = 1000
    keeping: Keeping = DEFAULT_KEEPING


class GroupedStore(PostedStore):
    """Inbox, Outbox, Inquiries, RefusalLog, Forgetful, Posts and Resending in one."""

    def __init__(
        self,
        *,
        clock: Clock,
        metrics: Metrics,
        handover: Handover,
        limits: Limits,
        router: Callable[[], Router] = nowhere,
    ) -> None:
        """``router`` gives the routes in force: they say who hears of what happens to destinations."""
        self._router = router
        self._clock = clock
        self._metrics = metrics
        self._handover = handover
        self._limits = limits
        self._grouper: Grouper[Job] = Grouper(
            self._commit,
            between=self._between,
            group_size=limits.group_size,
            waiting=limits.waiting,
            timeout_s=limits.ack_timeout_s,
            metrics=metrics,
        )
        self.installation = ""
        self.incarnation = 0
        #: When the last group that brought something in found no room, whatever limits say.
        self._refused_at: int | None = None
        #: Callbacks in the last group that had any, and when that was, in the loop's seconds.
        self._crowd = (0, 0.0)
        #: Claimed inquiries that nobody asks, and that could not be released so far.
        self._owed: list[Inquiry] = []

    # --- what an adapter does ---------------------------------------------------------------------

    @abstractmethod
    async def open(self, destinations: Sequence[tuple[str, str]]) -> None:
        """Get ready, and know the destinations (name, kind).

        Raises:
            MisconfiguredError: it cannot work as configured.
            StoreBusyError: it cannot be reached now.
        """

    @abstractmethod
    async def close(self) -> None:
        """Give everything back. Idempotent."""

    @property
    @abstractmethod
    def trouble(self) -> str | None:
        """Why nothing can be taken in now, as a plain word; None while it can."""

    @abstractmethod
    async def _commit_group(
        self, jobs: Sequence[Job], room: Room, now: int
    ) -> Sequence[object]:
        """Commit a group; one answer per job, an exception among them where one job failed."""

    @abstractmethod
    async def _between(self) -> None:
        """After a group was answered and before the next."""

    @abstractmethod
    def _tell_others(self, destinations: set[str]) -> None:
        """Let other users of the store know that deliveries wait for these."""

    @abstractmethod
    async def look_ahead(
        self, destination: str, after: Ahead | None, /, *, now: int, limit: int
    ) -> Sequence[Ahead]:
        """See :class:`relay.core.steady.Foresight`."""

    @abstractmethod
    async def next_due(
        self, destination: str, queue: Queue | None = None, /
    ) -> int | None:
        """See :class:`relay.core.ports.Outbox`."""

    @abstractmethod
    async def next_inquiry(self, source: str, /) -> int | None:
        """See :class:`relay.core.ports.Inquiries`."""

    @abstractmethod
    async def swept(self, source: str, /) -> int | None:
        """See :class:`relay.core.ports.Inquiries`."""

    @abstractmethod
    async def forget(self, step: PassStep, /) -> Progress:
        """See :class:`relay.core.ports.Forgetful`."""

    @abstractmethod
    async def fill(self, destination: str, /, *, limit: int) -> bool:
        """See :class:`relay.core.holding.Posts`."""

    @abstractmethod
    async def conditions(self) -> Sequence[Condition]:
        """See :class:`relay.core.holding.Posts`."""

    # --- what every store does --------------------------------------------------------------------

    @property
    def _has_refused(self) -> bool:
        """Whether there was no room a moment ago, though no limit of ours was reached."""
        if self._refused_at is None:
            return False
        return abs(self._clock.now_us() - self._refused_at) < REFUSED_US

    @property
    def crowd(self) -> int:
        """See :class:`relay.core.ports.Inquiries`."""
        count, at = self._crowd
        return count if asyncio.get_running_loop().time() - at < CROWD_S else 0

    async def run(self) -> None:
        """Commit groups until :meth:`stop`.

        Raises:
            StoreFailedError: nothing can be acknowledged any more.
        """
        await self._grouper.run()

    def stop(self) -> None:
        """Take nothing more; what waits is still committed and then :meth:`run` ends."""
        self._grouper.close()

    async def register(self, destinations: Sequence[tuple[str, str]]) -> None:
        """Know these destinations (name, kind) before events are routed to them."""
        await self._grouper.submit(Register(destinations), urgent=True)

    async def record(
        self, receipts: Sequence[Receipt], /
    ) -> Sequence[Recorded | UnstorableError]:
        """See :class:`relay.core.ports.Inbox`."""
        try:
            answer = await self._grouper.submit(Record(receipts))
        except UnstorableError as error:
            if len(receipts) == 1:
                return [error]
            return [(await self.record([receipt]))[0] for receipt in receipts]
        return cast("Sequence[Recorded]", answer)

    async def claim(self, destination: str, wish: Wish, /) -> Sequence[Parcel]:
        """See :class:`relay.core.ports.Outbox`."""
        answer = self._grouper.submit(Claim(destination, wish), urgent=True)
        try:
            return cast("Sequence[Parcel]", await asyncio.shield(answer))
        except asyncio.CancelledError:
            # It is committed all the same, and nobody is left to deliver what it leases.
            answer.add_done_callback(self._give_back)
            raise

    async def settle(self, settlements: Sequence[Settlement], /) -> Sequence[bool]:
        """See :class:`relay.core.ports.Outbox`."""
        answer = await self._grouper.submit(Settle(settlements), urgent=True)
        return cast("Sequence[bool]", answer)

    async def amend(self, amendments: Sequence[Amendment], /) -> None:
        """See :class:`relay.core.ports.Outbox`."""
        await self._grouper.submit(Amend(amendments), urgent=True)

    async def inquire(
        self, source: str, /, *, limit: int, now: int, opened_before: int | None = None
    ) -> Sequence[Inquiry]:
        """See :class:`relay.core.ports.Inquiries`."""
        job = Inquire(source, limit, now, opened_before)
        answer = self._grouper.submit(job, urgent=True)
        try:
            return cast("Sequence[Inquiry]", await asyncio.shield(answer))
        except asyncio.CancelledError:
            # The same: nobody is left to ask about what it leases.
            answer.add_done_callback(self._let_go)
            raise

    def release(self, inquiries: Sequence[Inquiry], /) -> None:
        """See :class:`relay.core.ports.Inquiries`."""
        self._owed += inquiries
        self._pay()

    async def learn(self, lessons: Sequence[Lesson], /) -> Sequence[Recorded]:
        """See :class:`relay.core.ports.Inquiries`."""
        answer = await self._grouper.submit(Learn(lessons), urgent=True)
        return cast("Sequence[Recorded]", answer)

    async def watch(
        self,
        source: str,
        sightings: Sequence[Sighting],
        /,
        *,
        cursor: int | None = None,
        dry: bool = False,
    ) -> Sequence[RunKey]:
        """See :class:`relay.core.ports.Inquiries`."""
        job = Watch(source, sightings, None if dry else cursor, dry)
        return cast("Sequence[RunKey]", await self._grouper.submit(job))

    async def refuse(self, refusals: Sequence[Refusal], /) -> None:
        """See :class:`relay.core.ports.RefusalLog`."""
        await self._grouper.submit(Keep(refusals, self._limits.refusals_kept))

    async def _commit(self, jobs: Sequence[Job]) -> Sequence[object]:
        room = self._handover.room()
        now = self._clock.now_us()
        answers = await self._commit_group(jobs, room, now)
        records = [job for job in jobs if isinstance(job, Record)]
        if records:
            count = sum(len(job.receipts) for job in records)
            self._crowd = count, asyncio.get_running_loop().time()
        if any(map(is_intake, jobs)):
            refused = any(isinstance(answer, StoreFullError) for answer in answers)
            self._refused_at = now if refused else None
        self._hand_over(answers)
        # It works (again).
        self._pay()
        return answers

    def _let_go(self, claimed: asyncio.Future[object]) -> None:
        """Release inquiries that were claimed for a caller that has gone."""
        if claimed.cancelled() or claimed.exception() is not None:
            return
        self.release(cast("Sequence[Inquiry]", claimed.result()))

    def _pay(self) -> None:
        """Release whoever is owed to be; what fails is owed on, until a commit works."""
        owed, self._owed = self._owed, []
        if not owed:
            return
        now = self._clock.now_us()
        lessons = [
            Lesson(inquiry=inquiry, asked=None, router=nowhere(), at=now)
            for inquiry in owed
        ]
        try:
            answer = self._grouper.submit(Learn(lessons), urgent=True)
        except RelayError:
            self._owed += owed
            return
        answer.add_done_callback(partial(self._paid, owed))

    def _paid(self, owed: Sequence[Inquiry], answer: asyncio.Future[object]) -> None:
        if answer.cancelled() or answer.exception() is not None:
            self._owed += owed

    def _give_back(self, claimed: asyncio.Future[object]) -> None:
        """Release what was claimed for a caller that has gone."""
        if claimed.cancelled() or claimed.exception() is not None:
            return
        now = self._clock.now_us()
        settlements = [
            Settlement(parcel=parcel, outcome=Released(), step=_released(parcel, now))
            for parcel in cast("Sequence[Parcel]", claimed.result())
        ]
        if settlements:
            # A store that closes or has failed is opened again, and that voids every lease.
            with suppress(RelayError):
                self._grouper.submit(
                    Settle(settlements), urgent=True
                ).add_done_callback(_look_away)

    def _hand_over(self, answers: Sequence[object]) -> None:
        recorded = [
            item
            for answer in answers
            if isinstance(answer, list)
            for item in answer
            if isinstance(item, Recorded)
        ]
        parcels = [parcel for item in recorded for parcel in item.parcels]
        stored = {name for item in recorded for name in item.stored_for}
        asked = {
            item.key.source
            for item in recorded
            if item.key and item.reasons and COLLAPSED not in item.reasons
        }
        if parcels:
            self._handover.hand(parcels)
        if stored:
            self._handover.hint(stored)
            self._tell_others(stored)
        if asked:
            self._handover.question(asked)


def _released(parcel: Parcel, now: int) -> Step:
    tried = Tried(created_at=parcel.created_at, attempts=parcel.attempts, seed=b"")
    return follow(tried, Released(), policy=Policy(), now=now, gate_open=False)


def _look_away(answer: asyncio.Future[object]) -> None:
    """Nobody asks for this answer; its error is not one that was forgotten."""
    if not answer.cancelled():
        answer.exception()
