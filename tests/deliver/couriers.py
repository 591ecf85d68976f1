"""What the tests of the courier share: a scripted way out, a watched store, and a courier in between.

The store is the real one. Tests wait for what they watch, never for time.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from relay.core.delivery import (
    Delivered,
    Failed,
    Fault,
    Outcome,
    Policy,
    Queue,
    State,
)
from relay.core.errors import StoreFullError
from relay.core.gate import GatePolicy
from relay.core.ports import (
    Amendment,
    Outbox,
    Parcel,
    Room,
    Sender,
    Settlement,
    Wish,
)
from relay.core.steady import Ahead
from relay.deliver.dispatch import Dispatch
from relay.deliver.worker import Courier, CourierOptions
from tests.fakes import ScriptedHandover
from tests.record.harness import Delivery
from tests.record.receipts import callback, routed
from tests.record.sqlite_harness import SqliteHarness

__all__ = [
    "BUSY",
    "NAME",
    "NO",
    "Bench",
    "ScriptedSender",
    "Watch",
    "WatchedOutbox",
    "names",
    "record",
    "refusing",
    "settled",
]

#: The destination that is delivered to.
NAME = "orders"
#: The destination as a whole does not work.
BUSY = Failed(reason="status_503", fault=Fault.DESTINATION, status=503)
SHORT = Policy(ladder=(0, 5_000_000), jitter=0.0)
#: It works, and does not want this event.
NO = Failed(reason="status_400", fault=Fault.EVENT, status=400)


class Watch:
    """Lets a test wait until something holds; told whenever anything may have changed."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()

    async def tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(holds)


class ScriptedSender:
    """Answers as it is told, holds what it is given for as long as it is told, and remembers."""

    def __init__(self, watch: Watch, *, concurrency: int = 4, batch: int = 1) -> None:
        self.concurrency = concurrency
        self.batch = batch
        self.answer: Callable[[Parcel], Outcome] = lambda _: Delivered(status=204)
        self.calls: list[list[Parcel]] = []
        self.under_way = 0
        self.most_at_once = 0
        self._going = asyncio.Event()
        self._going.set()
        self._watch = watch

    @property
    def sent(self) -> list[Parcel]:
        return [parcel for call in self.calls for parcel in call]

    @property
    def runs(self) -> list[str]:
        return [parcel.letter.facts.key.id for parcel in self.sent]

    def hold(self) -> None:
        self._going.clear()

    def let_go(self) -> None:
        self._going.set()

    def prepare(self, parcels: Iterable[Parcel], /) -> None:
        """See :class:`relay.core.ports.Sender`: every call carries many."""

    async def send(self, parcels: Sequence[Parcel], /) -> Sequence[Outcome]:
        self.calls.append(list(parcels))
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await self._watch.tell()
        try:
            await self._going.wait()
            return [self.answer(parcel) for parcel in parcels]
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        pass


class WatchedOutbox:
    """The store's outbox; counts what it is asked, and can be made to wait or to fail."""

    def __init__(
        self, watch: Watch, store: Callable[[], Outbox], now: Callable[[], int]
    ) -> None:
        self._now = now
        self.claims = 0
        #: Claims that gave nothing: a commit, and nothing in it.
        self.in_vain = 0
        #: Looks that found nothing to claim, and whatever the store was asked.
        self.looks = 0
        self.asked = 0
        self._claims_then = 0
        self.settled: list[Settlement] = []
        self.amended: list[Amendment] = []
        self.postponed = 0
        #: What the next settlements raise.
        self.errors: list[Exception] = []
        self.claiming = asyncio.Event()
        self.claiming.set()
        self._watch = watch
        self._store = store

    async def claim(self, destination: str, wish: Wish, /) -> Sequence[Parcel]:
        found = await self._store().claim(destination, wish)
        self.claims += 1
        self.in_vain += not found
        self.asked += 1
        await self._watch.tell()
        await self.claiming.wait()
        return found

    async def settle(self, settlements: Sequence[Settlement], /) -> Sequence[bool]:
        if self.errors:
            self.postponed += isinstance(self.errors[0], StoreFullError)
            await self._watch.tell()
            raise self.errors.pop(0)
        written = await self._store().settle(settlements)
        self.settled += settlements
        await self._watch.tell()
        return written

    async def amend(self, amendments: Sequence[Amendment], /) -> None:
        await self._store().amend(amendments)
        self.amended += amendments
        await self._watch.tell()

    async def look_ahead(
        self, destination: str, after: Ahead | None, /, *, now: int, limit: int
    ) -> Sequence[Ahead]:
        return await self._store().look_ahead(destination, after, now=now, limit=limit)

    async def next_due(
        self, destination: str, queue: Queue | None = None, /
    ) -> int | None:
        found = await self._store().next_due(destination, queue)
        self.asked += 1
        # Of what is due the courier makes a claim first, and looks again.
        nothing_is_due = found is None or found > self._now()
        self.looks += nothing_is_due or self.claims > self._claims_then
        self._claims_then = self.claims
        await self._watch.tell()
        return found


class _Desk(ScriptedHandover):
    """Hands on to the couriers that are employed, as in the relay."""

    def __init__(self, dispatch: Dispatch) -> None:
        super().__init__()
        self._dispatch = dispatch

    def room(self) -> Room:
        return self._dispatch.room()

    def hand(self, parcels: Sequence[Parcel], /) -> None:
        self.handed.extend(parcels)
        self._dispatch.hand(parcels)

    def hint(self, destinations: Iterable[str], /) -> None:
        self._dispatch.hint(destinations)


class Bench(SqliteHarness):
    """A real store, a courier, and a scripted sender; :meth:`start` lets it work."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.watch = Watch()
        self.dispatch = Dispatch()
        self.handover = _Desk(self.dispatch)
        self.sender = ScriptedSender(self.watch)
        self.outbox = WatchedOutbox(self.watch, lambda: self.store, self.clock.now_us)
        self.courier: Courier
        self.work: asyncio.Task[None] | None = None

    def employ(
        self,
        *,
        ready_max: int = 100,
        ready_bytes: int = 1 << 20,
        faults_to_open: int = 3,
        probe_s: float = 0.01,
        policy: Policy = SHORT,
        gate: GatePolicy | None = None,
        rate: float | None = None,
        ordered: bool = True,
        sender: Sender | None = None,
    ) -> Courier:
        """Make the courier; what is committed from now on may be handed to it."""
        #: What its tries came to, as whoever watches over it is told.
        self.told: list[Outcome] = []
        self.courier = Courier(
            NAME,
            sender=sender or self.sender,
            outbox=self.outbox,
            clock=self.clock,
            checkpoints=self.checkpoints,
            metrics=self.metrics,
            options=CourierOptions(
                policy=policy,
                gate=gate
                or GatePolicy(
                    faults_to_open=faults_to_open,
                    probe_first_s=probe_s,
                    probe_last_s=probe_s,
                ),
                ready_max=ready_max,
                ready_bytes=ready_bytes,
                rate=rate,
                ordered=ordered,
            ),
            told=lambda _, outcomes: self.told.extend(outcomes),
        )
        self.dispatch.employ([self.courier])
        return self.courier

    def start(self) -> None:
        self.work = asyncio.get_running_loop().create_task(self.courier.run())

    async def looked(self) -> None:
        """The courier has asked the store what there is, and found nothing to claim."""
        before = self.outbox.looks
        await self.watch.until(lambda: self.outbox.looks > before)

    async def asks_nothing(self) -> bool:
        """Whether the courier leaves the store alone, however many commits go by."""
        before = self.outbox.asked
        for _ in range(5):
            # What is asked for by now is answered before one of these at the latest.
            await self.store.claim("nobody", Wish(first=1, size=1, now=0))
        return self.outbox.asked == before

    async def finished(self) -> None:
        """The courier was asked to stop, and does."""
        self.courier.stop()
        assert self.work is not None
        async with asyncio.timeout(10):
            await self.work
        self.work = None

    async def dismiss(self) -> None:
        if self.work is not None:
            self.work.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self.work
            self.work = None

    async def at(self, state: State) -> list[str]:
        """Runs whose delivery is in this state."""
        return [found.run for found in await self.to_orders() if found.state is state]

    async def to_orders(self) -> list[Delivery]:
        return [found for found in await self.deliveries() if found.destination == NAME]

    async def vanish(self) -> None:
        await self.dismiss()
        await super().vanish()


_ROUTE = routed(NAME, known=["lake"])


async def record(bench: Bench, *runs: str, source: str = "acme") -> None:
    now = bench.clock.now_us()
    found = [callback(run, router=_ROUTE, source=source, at=now) for run in runs]
    await bench.store.record(found)


def names(count: int) -> list[str]:
    return [f"run_{number:03}" for number in range(count)]


def refusing(*runs: str, with_: Outcome) -> Callable[[Parcel], Outcome]:
    """Answers so for these runs, and takes all others."""

    def answer(parcel: Parcel) -> Outcome:
        return with_ if parcel.letter.facts.key.id in runs else Delivered(status=204)

    return answer


async def settled(bench: Bench, count: int) -> None:
    await bench.watch.until(lambda: len(bench.outbox.settled) >= count)
