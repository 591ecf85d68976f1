"""The harness: a store in a fresh place, and a world around it that does as it is told.

Owns starting, killing and reopening a store, holding its commits, and looking at its rows behind its
back. A second adapter subclasses :class:`StoreHarness` and says how its own are made, left for dead and
looked at; the law and the state machine need no more than this.
"""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from relay.core.courier import settlement
from relay.core.deadletter import Letters
from relay.core.delivery import Delivered, Outcome, Policy, State
from relay.core.errors import RelayError
from relay.core.holding import Posts
from relay.core.identity import Outcome as RunOutcome
from relay.core.ledger import Ledger
from relay.core.ports import (
    Checkpoint,
    Forgetful,
    Inbox,
    Inquiries,
    Outbox,
    Parcel,
    Recorded,
    RefusalLog,
    Settlement,
    Wish,
)
from relay.core.quarantine import Readmitting
from relay.core.receipt import Receipt
from relay.core.replay import Resending
from relay.core.retention import PassStep, begin, following
from relay.core.route import nowhere
from relay.core.timeline import Findings
from relay.record.codes import VERDICTS
from tests.fakes import (
    FakeClock,
    RecordingMetrics,
    ScriptedCheckpoints,
    ScriptedHandover,
)
from tests.record.keeping import DAY_S, KEEPING
from tests.record.revising import revise

__all__ = [
    "DESTINATIONS",
    "Bounds",
    "Delivery",
    "Died",
    "Store",
    "StoreHarness",
    "Stumbled",
    "settle_as",
]

DESTINATIONS = (("lake", "file"), ("orders", "http"))


class Died(BaseException):
    """The process is killed here. No ``except Exception`` may survive it."""


class Stumbled(Exception):  # noqa: N818 - what a checkpoint of a test raises
    """Something nobody expected went wrong here."""


#: What a store's worker may end with. Anything else is a bug that must not be overlooked.
_ENDS = (asyncio.CancelledError, RelayError, Died, Stumbled)


class Store(
    Inbox,
    Outbox,
    Inquiries,
    RefusalLog,
    Forgetful,
    Posts,
    Resending,
    Readmitting,
    Protocol,
):
    """What every adapter is."""

    incarnation: int
    installation: str

    async def open(self, destinations: Sequence[tuple[str, str]]) -> None: ...
    async def run(self) -> None: ...
    def stop(self) -> None: ...
    async def close(self) -> None: ...
    async def register(self, destinations: Sequence[tuple[str, str]]) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What bounds a store; large enough to be in nobody's way."""

    group_size: int = 512
    waiting: int = 4096
    ack_timeout_s: float = 20.0
    refusals_kept: int = 1000


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A delivery's row."""

    number: int
    run: str
    revision: int
    destination: str
    state: State
    attempts: int
    due_at: int
    leased: bool
    reason: str | None


class Hold:
    """A commit that stands before its end until it is let go."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._going = threading.Event()

    def stand(self) -> None:
        """Called on the store's thread."""
        self._loop.call_soon_threadsafe(self._arrived.set)
        self._going.wait(20)

    async def reached(self) -> None:
        """A commit stands."""
        async with asyncio.timeout(10):
            await self._arrived.wait()

    def let_go(self) -> None:
        self._going.set()


class StoreHarness(ABC):
    """One store after another in the same place: each is an incarnation."""

    #: Whether the newest row of each table stays, however old it is.
    spares_newest = False

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.metrics = RecordingMetrics()
        self.handover = ScriptedHandover()
        self.checkpoints = ScriptedCheckpoints()
        self.bounds = Bounds()
        self.destinations = DESTINATIONS
        self.keeping = KEEPING
        #: Who is told of what happens to destinations.
        self.router = nowhere()
        self.store: Store
        self.running: asyncio.Task[None] | None = None

    # --- what an adapter has to say ---------------------------------------------------------------

    @abstractmethod
    def make(self) -> Store:
        """A new store object for the place, with this harness's fakes and bounds."""

    @abstractmethod
    async def abandon(self) -> None:
        """The process is gone: whatever was not on disk is lost, locks and leases stay as they are."""

    @abstractmethod
    async def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Look at the rows behind the store's back."""

    @abstractmethod
    async def execute(self, sql: str, *values: object) -> None:
        """Change the rows behind the store's back, while no store is open."""

    @abstractmethod
    async def next_number(self, table: str) -> int:
        """A number that no row of the table has, nor will be given again."""

    @abstractmethod
    def committed(self, table: str) -> int:
        """How many rows anyone else can see now. Callable on any thread."""

    @abstractmethod
    async def ledger(self) -> Ledger:
        """The account as the counters have it."""

    @abstractmethod
    async def recount(self) -> Ledger:
        """The account as the rows have it."""

    @abstractmethod
    async def find(self, text: str, source: str | None) -> Findings:
        """What a reader of the store finds, while it is served."""

    @abstractmethod
    def leave_full(self, *, full: bool = True) -> None:
        """From now on a limit is reached, or not any more."""

    @abstractmethod
    def letters(self) -> Letters:
        """Who looks at what has ended, while it is served."""

    @abstractmethod
    async def vanish(self) -> None:
        """The tests are over: give everything back."""

    # --- life -------------------------------------------------------------------------------------

    async def open(self) -> Store:
        """Open a store and let it commit."""
        self.store = self.make()
        await self.store.open(self.destinations)
        self.running = asyncio.get_running_loop().create_task(self.store.run())
        return self.store

    async def reopen(self) -> Store:
        """The process dies without closing anything, and another one starts."""
        self.checkpoints.clear()
        await self.finish_running()
        await self.abandon()
        self.handover.forget()
        return await self.open()

    async def restart(self) -> Store:
        """The process ends as it should, and another one starts."""
        await self.close()
        self.handover.forget()
        return await self.open()

    async def close(self) -> None:
        """Stop as the relay does: commit what waits, then close."""
        self.store.stop()
        if self.running is not None:
            with suppress(*_ENDS):
                async with asyncio.timeout(10):
                    await self.running
            self.running = None
        await self.store.close()

    async def finish_running(self) -> None:
        if self.running is not None:
            self.running.cancel()
            with suppress(*_ENDS):
                await self.running
            self.running = None

    async def killed_at(self, point: Checkpoint, job: Coroutine[Any, Any, Any]) -> None:
        """The process dies when a commit reaches this point; whoever waited gets no answer."""

        def die() -> None:
            raise Died

        self.checkpoints.at(point, die)
        with suppress(*_ENDS):
            await job
        self.checkpoints.clear()

    # --- what tests do ----------------------------------------------------------------------------

    @contextmanager
    def held(self) -> Iterator[Hold]:
        """Commits stand before their end for as long as this lasts."""
        hold = Hold()
        self.checkpoints.at("before-commit", hold.stand)
        try:
            yield hold
        finally:
            self.checkpoints.at("before-commit", None)
            hold.let_go()

    @asynccontextmanager
    async def one_group(self) -> AsyncIterator[None]:
        """What is asked for inside shares one commit."""
        with self.held() as hold:
            first = asyncio.get_running_loop().create_task(self.store.register(()))
            await hold.reached()
            yield
        await first

    async def together(self, *jobs: Any) -> list[Any]:
        """Ask for all of these in one group; what failed is among the answers."""
        async with self.one_group():
            answers = asyncio.gather(*jobs, return_exceptions=True)
            # Everyone gets to say what he wants before the group begins.
            for _ in range(3):
                await asyncio.wait([answers], timeout=0)
        return await answers

    async def one(self, receipt: Receipt) -> Recorded:
        """Record a single receipt that can be stored."""
        [recorded] = await self.store.record([receipt])
        assert isinstance(recorded, Recorded)
        return recorded

    async def claim(
        self, destination: str = "lake", limit: int = 100, size: int = 1 << 30
    ) -> list[Parcel]:
        """Up to ``limit`` out of each queue."""
        now = self.clock.now_us()
        wish = Wish(first=limit, again=limit, size=size, now=now)
        return list(await self.store.claim(destination, wish))

    async def settle(
        self, *parcels: Parcel, outcome: Outcome | None = None
    ) -> list[bool]:
        """Settle as a courier would; delivered unless told otherwise."""
        what = settle_as(outcome or Delivered(), *parcels, now=self.clock.now_us())
        return list(await self.store.settle(what))

    async def forget(self) -> Counter[str]:
        """A pass of retention; how many rows of each table it has taken away."""
        forgotten: Counter[str] = Counter()
        async for step, count in self.steps():
            forgotten[step.table] += count
        return +forgotten

    async def steps(self) -> AsyncIterator[tuple[PassStep, int]]:
        """Each step of a pass, and how many rows it has taken away."""
        step: PassStep | None = begin(self.keeping, self.clock.now_us())
        while step is not None:
            progress = await self.store.forget(step)
            yield step, progress.forgotten
            step = following(step, progress)

    def days_pass(self, days: float) -> int:
        """Move the clock on by days, and say what time it is then."""
        return self.clock.advance(seconds=days * DAY_S)

    async def deliver_all(self, destination: str = "lake") -> list[Parcel]:
        """Claim and deliver until nothing is left to claim."""
        done: list[Parcel] = []
        while parcels := await self.claim(destination):
            assert all(await self.settle(*parcels))
            done += parcels
        return done

    async def revise(self, run: str, outcome: RunOutcome, *, to: Sequence[str]) -> None:
        """The API says that a run has ended otherwise; where it was so already, nothing happens."""
        await revise(self.store, run, outcome, to=to, now=self.clock.now_us())

    # --- what tests look at -----------------------------------------------------------------------

    async def audit(self) -> Ledger:
        """The ledger balances, and the rows counted anew give the same."""
        ledger = await self.ledger()
        assert ledger.balance().faults == ()
        assert await self.recount() == ledger
        return ledger

    async def count(self, table: str) -> int:
        [(found,)] = await self.rows(f"SELECT COUNT(*) FROM {table}")  # noqa: S608 - a test's own word
        return int(found)

    async def deliveries(self) -> list[Delivery]:
        found = await self.rows(
            "SELECT d.number, r.id, e.revision, n.name, d.state, d.attempts, d.due_at, d.lease,"
            " d.reason FROM deliveries AS d JOIN events AS e ON e.number = d.event"
            " JOIN runs AS r ON r.number = d.run"
            " JOIN destinations AS n ON n.number = d.destination ORDER BY d.number"
        )
        return [
            Delivery(
                number=number,
                run=bytes(run).decode(),
                revision=revision,
                destination=name,
                state=State(state),
                attempts=attempts,
                due_at=due_at,
                leased=lease is not None,
                reason=reason,
            )
            for number, run, revision, name, state, attempts, due_at, lease, reason in found
        ]

    async def receipts(self) -> list[tuple[str, int]]:
        """Verdict and count of every receipt kept, in order."""
        found = await self.rows("SELECT verdict, count FROM receipts ORDER BY number")
        return [(VERDICTS[verdict].value, count) for verdict, count in found]


def settle_as(outcome: Outcome, *parcels: Parcel, now: int) -> list[Settlement]:
    """What a courier would write of these, the gate closed and the ladder short."""
    policy = Policy(ladder=(0, 5_000_000), jitter=0.0)
    return [
        settlement(parcel, outcome, policy=policy, gate_open=False, now_us=now)
        for parcel in parcels
    ]
