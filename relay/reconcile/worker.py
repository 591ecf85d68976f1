"""Worker: asks one source how its runs ended.

Owns how many asks run at once, how often, and when the store is asked for more; and standing back while
the API does not work. Decides nothing itself. Knows nothing of how an ask is made.

Runs that begin to wait wake it; everything else (what is asked again, what a dead process left) is
polled. A hint makes the poll happen sooner; the poll is the truth.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from relay.core.callback import Reading, read
from relay.core.errors import RelayError
from relay.core.gate import Gate, GatePolicy
from relay.core.identity import RunKey
from relay.core.inquiry import (
    Asked,
    AskPolicy,
    Conclude,
    Ended,
    GiveUp,
    Heard,
    Inquiry,
    InquiryState,
    Lesson,
    Let,
    Postpone,
    Release,
    Silent,
    Told,
    Unended,
    after_redelivery,
    next_move,
    wants_redelivery,
)
from relay.core.pace import LIMITED_S, Pace
from relay.core.ports import Clock, Inquiries, Metrics
from relay.core.route import Router
from relay.core.snapshot import document
from relay.reconcile.writing import write

__all__ = ["POLL_S", "Inquirer", "InquirerOptions", "Upstream"]

log: Final = structlog.stdlib.get_logger(__name__)

#: The store is asked at least this often, whatever the hints say.
POLL_S: Final = 1.0
#: The shortest time between polls.
POLL_MIN_S: Final = 0.05
#: Overdue inquiries that are given up in one go while nothing can be asked.
OVERDUE_MAX: Final = 16
#: So many callbacks in one commit are more than can be answered at once.
CROWD: Final = 8
#: So many turns in a row are given up for them: however many come, somebody is asked.
GIVEN_UP_MAX: Final = 3
#: When an answer that no store can keep is asked for again, microseconds.
UNSTORABLE_US: Final = 600_000_000
_DETAIL_MAX: Final = 500
_UNTOUCHED: Final = Release()


class Upstream(Protocol):
    """One source's API."""

    async def ask(self, key: RunKey, /) -> Heard:
        """How a run or batch ended. Bounded in time; never raises but to cancel."""
        ...

    async def redeliver(self, key: RunKey, /) -> Silent | None:
        """Have the callback sent once more; None when it will be. Never raises but to cancel."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InquirerOptions:
    """What bounds one source."""

    policy: AskPolicy
    gate: GatePolicy
    #: Asks at once.
    concurrency: int = 16
    #: How often the store is asked without a hint, in seconds.
    poll_s: float = POLL_S
    #: Whether events say what only the API tells.
    enriched: bool = False
    #: Whether only the first success under a ``client_ref`` becomes an event.
    collapses: bool = False


class Inquirer:
    """Asks for one source: a poller that claims, and as many asks at once as may be."""

    def __init__(
        self,
        source: str,
        *,
        upstream: Upstream | None,
        inquiries: Inquiries,
        router: Callable[[], Router],
        clock: Clock,
        metrics: Metrics,
        pace: Pace,
        options: InquirerOptions,
    ) -> None:
        """Without an ``upstream`` nobody is asked. The pace is the source's, whoever else asks."""
        self.source = source
        self._upstream = upstream
        self._inquiries = inquiries
        self._router = router
        self._clock = clock
        self._metrics = metrics
        self._options = options
        self.gate = Gate(policy=options.gate)
        self._pace = pace
        self._asking: dict[asyncio.Task[None], Inquiry] = {}
        #: Claimed, and not yet in the hands of an ask, by the number of the run.
        self._unbegun: dict[int, Inquiry] = {}
        self._wake = asyncio.Event()
        #: Set while nobody is asked: those who wait for their turn give up waiting.
        self._hushed = asyncio.Event()
        self._stopping = False

    def hint(self) -> None:
        """A run of this source waits."""
        self._wake.set()

    async def run(self) -> None:
        """Ask until :meth:`stop`; what is being asked then is asked again by whoever comes next."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while not self._stopping:
                    # Cleared before the look, so that a hint during it is not lost.
                    self._wake.clear()
                    await self._rest(await self._poll(tasks))
                for task in self._asking:
                    task.cancel()
        finally:
            self._asking.clear()
            # Cancelled before it began, nobody let it go.
            self._inquiries.release([*self._unbegun.values()])
            self._unbegun.clear()

    def stop(self) -> None:
        """Begin no further ask. Idempotent."""
        self._stopping = True
        self._wake.set()

    async def _rest(self, seconds: float) -> None:
        if seconds <= 0 or self._stopping:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    # --- claiming ---------------------------------------------------------------------------------

    async def _poll(self, tasks: asyncio.TaskGroup) -> float:
        """Claim what may be claimed; seconds until it is worth asking the store again."""
        now = asyncio.get_running_loop().time()
        if not self._stands_back(now):
            self._hushed.clear()
        if self._upstream is None:
            return await self._give_up(await self._claim(OVERDUE_MAX), "not_asked")
        quiet = now < self._pace.quiet_until
        if quiet or (self.gate.open and not self.gate.may_probe(now)):
            overdue = await self._claim(OVERDUE_MAX, overdue=True)
            again = await self._give_up(overdue, "api_down")
            until = max(self.gate.probe_at or 0.0, self._pace.quiet_until)
            return min(again, max(0.0, until - now))
        probe = self.gate.open
        free = (1 if probe else self._options.concurrency) - len(self._asking)
        if free <= 0 or (self._asking and free < self._options.concurrency // 4):
            # An ask that ends wakes us; claims are made for several at once.
            return self._options.poll_s
        # Looking costs a read, claiming in vain a commit.
        wait = await self._until_next()
        if wait > 0:
            return wait
        found = await self._claim(free)
        for inquiry in found:
            self._unbegun[inquiry.run] = inquiry
            task = tasks.create_task(self._ask(self._upstream, inquiry, probe=probe))
            self._asking[task] = inquiry
            task.add_done_callback(self._ended)
        # Where there is room left, whoever waits next is looked for at once; what was due and is nobody's
        # now has been taken by another relay.
        return 0.0 if 0 < len(found) < free else self._options.poll_s

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._asking.pop(task, None)
        self._wake.set()

    async def _claim(self, limit: int, *, overdue: bool = False) -> Sequence[Inquiry]:
        now = self._clock.now_us()
        before = now - self._options.policy.deadline if overdue else None
        try:
            return await self._inquiries.inquire(
                self.source, limit=limit, now=now, opened_before=before
            )
        except RelayError:
            # Busy, or closing: the next poll finds them.
            return []

    async def _until_next(self) -> float:
        """Seconds until it is worth asking the store again; 0 where somebody is due."""
        try:
            due = await self._inquiries.next_inquiry(self.source)
        except RelayError:
            return self._options.poll_s
        if due is None:
            return self._options.poll_s
        wait = (due - self._clock.now_us()) / 1e6
        return min(self._options.poll_s, max(POLL_MIN_S, wait)) if wait > 0 else 0.0

    async def _give_up(self, found: Sequence[Inquiry], why: str) -> float:
        """Decide about runs whose time is up without asking anybody."""
        silence = Silent(reason=why, of_source=True)
        if found:
            await self._learn([self._concluded(one, silence, None) for one in found])
        return 0.0 if len(found) == OVERDUE_MAX else self._options.poll_s

    # --- asking -----------------------------------------------------------------------------------

    async def _ask(self, upstream: Upstream, inquiry: Inquiry, *, probe: bool) -> None:
        loop = asyncio.get_running_loop()
        del self._unbegun[inquiry.run]
        try:
            await self._turn()
            if self._stands_back(loop.time(), probe=probe):
                await self._learn([self._lesson(inquiry)])
                return
            at, started = self._clock.now_us(), loop.time()
            if wants_redelivery(inquiry, self._options.policy):
                await self._redeliver(upstream, inquiry, at, probe=probe)
                return
            heard = await upstream.ask(inquiry.key)
        except BaseException:
            # We stop, or have a defect. Whoever comes next asks again.
            self._inquiries.release([inquiry])
            raise
        seconds = loop.time() - started
        self._judge(heard, probe=probe)
        answer = _word(heard)
        self._metrics.count(
            "runflow_relay_asks_total", source=self.source, outcome=answer
        )
        self._metrics.observe("runflow_relay_ask_seconds", seconds, source=self.source)
        asked = Asked(
            at=at,
            duration_us=round(seconds * 1e6),
            answer=answer,
            status=heard.status if isinstance(heard, Silent) else 200,
            detail=_detail(heard),
        )
        await self._learn([self._concluded(inquiry, heard, asked)])

    async def _redeliver(
        self, upstream: Upstream, inquiry: Inquiry, at: int, *, probe: bool
    ) -> None:
        """What was signed once is better than what we make of an answer; that comes next, if need be."""
        silence = await upstream.redeliver(inquiry.key)
        self._judge(silence, probe=probe)
        asked = Asked(
            at=at,
            duration_us=self._clock.now_us() - at,
            answer="redelivery" if silence is None else f"redelivery_{silence.reason}",
            status=None if silence is None else silence.status,
            detail="" if silence is None else silence.detail[:_DETAIL_MAX],
        )
        move = after_redelivery(inquiry, silence, now=self._clock.now_us())
        await self._learn([self._lesson(inquiry, asked=asked, move=move)])

    async def _turn(self) -> None:
        """Wait until one more may be asked; at once when nobody may be any more.

        A turn is given up while a crowd is calling back: whoever waits for a 2xx is answered first.
        """
        for _ in range(1 + GIVEN_UP_MAX):
            await self._until_turn()
            if self._inquiries.crowd < CROWD:
                return

    async def _until_turn(self) -> None:
        wait = self._pace.wait(asyncio.get_running_loop().time())
        if wait <= 0:
            return
        try:
            async with asyncio.timeout(wait):
                await self._hushed.wait()
        except TimeoutError:
            pass

    def _stands_back(self, now: float, *, probe: bool = False) -> bool:
        return (self.gate.open and not probe) or now < self._pace.quiet_until

    def _judge(self, heard: Heard | None, *, probe: bool) -> None:
        """Whether the API as a whole works; None is a redelivery that will be."""
        now = asyncio.get_running_loop().time()
        before = self.gate.open
        if isinstance(heard, Silent) and heard.of_source:
            if heard.reason == "rate_limited":
                wait_us = heard.retry_after_us
                wait = LIMITED_S if wait_us is None else wait_us / 1e6
                self._pace.hush(now + wait)
                log.warning("source.limited", source=self.source, wait_s=round(wait, 3))
                self._hushed.set()
                return
            self.gate = self.gate.failed(now, probe=probe)
        else:
            self.gate = self.gate.worked()
        if self.gate.open != before:
            if self.gate.open:
                self._hushed.set()
            self._metrics.gauge(
                "runflow_relay_source_up", not self.gate.open, source=self.source
            )
            said = log.info if before else log.warning
            event = "source.up" if before else "source.down"
            said(
                event,
                source=self.source,
                reason="redelivery" if heard is None else _word(heard),
            )

    def _concluded(self, inquiry: Inquiry, heard: Heard, asked: Asked | None) -> Lesson:
        now = self._clock.now_us()
        move = next_move(inquiry, heard, self._options.policy, now=now)
        if isinstance(move, Let) and inquiry.state is InquiryState.WATCHED:
            log.warning(
                "watch.ended",
                source=self.source,
                run_id=inquiry.key.id,
                outcome=inquiry.outcome,
            )
        if not isinstance(move, Conclude):
            return self._lesson(inquiry, asked=asked, move=move)
        source = inquiry.key.source
        readings = [read(body, source=source) for body in inquiry.bodies]
        said = [one for one in readings if isinstance(one, Reading)]
        told = document(move.snapshot, said, enriched=self._options.enriched)
        return self._lesson(inquiry, asked=asked, told=told)

    def _lesson(
        self,
        inquiry: Inquiry,
        *,
        asked: Asked | None = None,
        told: bytes | None = None,
        move: Postpone | Ended | GiveUp | Let | Release = _UNTOUCHED,
    ) -> Lesson:
        """What an ask came to; nothing at all, unless told otherwise."""
        return Lesson(
            inquiry=inquiry,
            asked=asked,
            document=told,
            move=move,
            on_unconfirmed=self._options.policy.on_unconfirmed,
            collapses=self._options.collapses,
            router=self._router(),
            at=self._clock.now_us(),
        )

    async def _learn(self, lessons: Sequence[Lesson]) -> None:
        await write(
            lessons,
            to=self._inquiries,
            postponed=lambda inquiry: self._lesson(
                inquiry, move=Postpone(self._clock.now_us() + UNSTORABLE_US)
            ),
            stopping=lambda: self._stopping,
        )


def _word(heard: Heard) -> str:
    match heard:
        case Told():
            return "told"
        case Unended():
            return "unended"
        case Silent(reason=reason):
            return reason


def _detail(heard: Heard) -> str:
    match heard:
        case Told(snapshot=snapshot):
            return snapshot.wire.status_code or snapshot.wire.status or ""
        case Unended(status=status):
            return status[:_DETAIL_MAX]
        case Silent(detail=detail):
            return detail[:_DETAIL_MAX]
