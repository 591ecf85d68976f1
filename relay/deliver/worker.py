"""Worker: the loop that empties one destination's backlog.

Owns which parcels are in memory, how many tries run at once, and when the store is asked for more.
Decides nothing itself. Knows nothing of how a try is made, or of how its outcome is written.

Fresh parcels come straight from the commit that made them; everything else (retries, what a dead
process left, what found no room) is polled. A hint makes the poll happen sooner; the poll is the truth.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import structlog

from relay.core.courier import judge_gate
from relay.core.delivery import Failed, Fault, Outcome, Policy, Released
from relay.core.errors import StoreBusyError, StoreFullError
from relay.core.gate import Gate, GatePolicy
from relay.core.ports import (
    Checkpoints,
    Clock,
    Metrics,
    Outbox,
    Parcel,
    Sender,
)
from relay.deliver.settling import Attempt, Settler

__all__ = ["Courier", "CourierOptions"]

log: Final = structlog.stdlib.get_logger(__name__)

#: The store is asked at least this often, whatever the hints say.
POLL_S: Final = 1.0
#: What became due this long ago should have been claimed; also the shortest time between polls.
OVERDUE_S: Final = 0.05
#: Parcels asked of the store in one claim.
CLAIM_MAX: Final = 256
#: Parcels that are prepared together.
AHEAD: Final = 32
#: Bytes of receipts behind them; what is larger is built when it is its turn.
AHEAD_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CourierOptions:
    """What bounds one destination."""

    policy: Policy
    gate: GatePolicy
    #: Parcels held in memory, waiting for a slot.
    ready_max: int = 1000
    #: Bytes of the receipts behind parcels held in memory, those being tried included.
    ready_bytes: int = 64 * 1024 * 1024


class Courier:
    """Delivers to one destination: slots that send, a poller that claims, a settler that writes."""

    def __init__(
        self,
        name: str,
        *,
        sender: Sender,
        outbox: Outbox,
        clock: Clock,
        checkpoints: Checkpoints,
        metrics: Metrics,
        options: CourierOptions,
        told: Callable[[Sequence[Outcome]], None] | None = None,
    ) -> None:
        """``told`` hears what each call to the sender came to."""
        self.name = name
        self._told = told
        self._sender = sender
        self._outbox = outbox
        self._clock = clock
        self._checkpoints = checkpoints
        self._metrics = metrics
        self._options = options
        self.gate = Gate(policy=options.gate)
        self._ready: deque[Parcel] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        #: Parcels whose try is under way; a crash of this worker gives them back.
        self._trying: dict[int, Parcel] = {}
        self._bytes_left = options.ready_bytes
        #: How many of those in front are prepared.
        self._prepared = 0
        self._settler = Settler(
            name,
            outbox=outbox,
            policy=options.policy,
            metrics=metrics,
            written=self._written,
        )
        self._poll_wake = asyncio.Event()
        #: Whether more waits in the store than was last claimed.
        self._backlog = False
        #: Whether something there is overdue behind an earlier event of its run.
        self._blocked = False
        self._stopping = False
        #: Whether nothing is to be tried, whatever is due.
        self._held = False
        self._tasks_left = 0

    # --- what the commit sees ---------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many fresh parcels could be taken now."""
        if self._is_shut or self._bytes_left <= 0:
            return 0
        return max(0, self._options.ready_max - len(self._ready))

    def hand(self, parcel: Parcel) -> None:
        """Take a parcel leased to this process; back it goes when no try may follow."""
        if self._is_shut:
            self._give_back([parcel])
            return
        self._bytes_left -= parcel.size
        self._ready.append(parcel)
        self._wake_slot()

    @property
    def _is_shut(self) -> bool:
        """Whether nothing but a probe may be tried."""
        return self.gate.open or self._stopping or self._held

    def hold(self, *, held: bool) -> None:
        """Try nothing more, not even a probe, and give back what waits in memory; or go on."""
        if held == self._held:
            return
        self._held = held
        if held:
            self._give_back_ready()
        else:
            self._backlog = True
            self._poll_wake.set()

    def hint(self) -> None:
        """Something waits in the store."""
        self._backlog = True
        # While the gate is open the next probe is due when it is due.
        if not self.gate.open:
            self._poll_wake.set()

    # --- life -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver until :meth:`stop`; then finish what is under way and give the rest back."""
        self._metrics.gauge("runflow_relay_destination_up", 1, destination=self.name)
        slots = self._sender.concurrency
        self._tasks_left = slots + 1
        self._idle.clear()
        # After a crash: what was being tried may have arrived; it goes again with the same id.
        self._give_back([*self._trying.values()])
        self._trying.clear()
        held = sum(parcel.size for parcel in self._ready)
        self._bytes_left = self._options.ready_bytes - held
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._settler.run())
            tasks.create_task(self._until_last(self._poller))
            for _ in range(slots):
                tasks.create_task(self._until_last(self._slot))

    def stop(self) -> None:
        """Start no further try. Idempotent."""
        self._stopping = True
        self._poll_wake.set()
        while self._idle:
            _wake(self._idle.popleft())

    async def leave(self) -> None:
        """After :meth:`run` has ended, however it did: hold nothing any more.

        Where it was cut short, or crashed while it stopped, outcomes are unwritten and tries without an
        outcome, and nobody else may claim those. A try that was cut short may have arrived.

        Raises:
            RelayError: the store does not take it; only a next start frees what is leased then.
        """
        self._give_back([*self._trying.values()])
        self._trying.clear()
        self._give_back_ready()
        await self._settler.write_rest()

    async def _until_last(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work of a task that sends; the last to end gives back what none has tried."""
        try:
            await work()
        finally:
            self._tasks_left -= 1
            if self._tasks_left == 0:
                self._give_back_ready()
                self._settler.finish()

    # --- slots ------------------------------------------------------------------------------------

    async def _slot(self) -> None:
        while not self._stopping:
            if not self._ready:
                await self._wait_for_parcels()
                continue
            parcels = self._take()
            self._ask_for_more()
            await self._deliver(parcels, probe=False)
            self._ask_for_more()

    def _ask_for_more(self) -> None:
        """Have the poller claim, where there is a backlog and half of what may be held is free."""
        if (
            self._backlog
            and len(self._ready) <= self._options.ready_max // 2
            and self._bytes_left > self._options.ready_bytes // 2
        ):
            self._poll_wake.set()

    def _take(self) -> Sequence[Parcel]:
        """The next parcels for one call, prepared."""
        count = min(self._sender.batch, len(self._ready))
        if self._prepared < count:
            self._prepared = max(count, self._ahead())
            self._sender.prepare(islice(self._ready, self._prepared))
        self._prepared -= count
        return [self._ready.popleft() for _ in range(count)]

    def _ahead(self) -> int:
        """How many of those in front are worth preparing together: small ones only."""
        size = 0
        for number, parcel in enumerate(islice(self._ready, AHEAD)):
            size += parcel.size
            if size > AHEAD_BYTES:
                return number
        return min(AHEAD, len(self._ready))

    async def _wait_for_parcels(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        await waiter

    def _wake_slot(self) -> None:
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _deliver(self, parcels: Sequence[Parcel], *, probe: bool) -> None:
        for parcel in parcels:
            self._trying[parcel.number] = parcel
        outcomes = await self._try(parcels)
        self._checkpoints.reach("after-send")
        before = self.gate
        now_s = asyncio.get_running_loop().time()
        self.gate = judge_gate(before, outcomes, now_s=now_s, probe=probe)
        self._settle(parcels, outcomes)
        if self._told is not None:
            self._told(outcomes)
        for parcel in parcels:
            del self._trying[parcel.number]
            self._bytes_left += parcel.size
        if self.gate.open != before.open:
            self._gate_moved(outcomes)
        await self._settler.make_room()

    async def _try(self, parcels: Sequence[Parcel]) -> Sequence[Outcome]:
        try:
            return await self._sender.send(parcels)
        except Exception as error:
            log.exception("sender.crashed", destination=self.name)
            failed = Failed(
                reason="internal", fault=Fault.DESTINATION, detail=type(error).__name__
            )
            return [failed] * len(parcels)

    def _gate_moved(self, outcomes: Sequence[Outcome]) -> None:
        self._metrics.gauge(
            "runflow_relay_destination_up", not self.gate.open, destination=self.name
        )
        if self.gate.open:
            reason = next((o.reason for o in outcomes if isinstance(o, Failed)), "")
            log.warning("destination.down", destination=self.name, reason=reason)
            self._give_back_ready()
        else:
            log.info("destination.up", destination=self.name)
            self.hint()
        self._poll_wake.set()

    def _give_back_ready(self) -> None:
        """Return what waits in memory to the store, untried."""
        parcels = list(self._ready)
        self._ready.clear()
        self._bytes_left += sum(parcel.size for parcel in parcels)
        self._prepared = 0
        self._give_back(parcels)

    def _give_back(self, parcels: Sequence[Parcel]) -> None:
        self._settle(parcels, [Released()] * len(parcels))

    def _settle(self, parcels: Sequence[Parcel], outcomes: Sequence[Outcome]) -> None:
        gate_open, now = self.gate.open, self._clock.now_us()
        self._settler.add(
            Attempt(parcel, outcome, gate_open, now)
            for parcel, outcome in zip(parcels, outcomes, strict=True)
        )

    # --- poller -----------------------------------------------------------------------------------

    async def _poller(self) -> None:
        while not self._stopping:
            # Cleared before the look, so that a hint during it is not lost.
            self._poll_wake.clear()
            wait = POLL_S if self._held else await self._poll()
            if wait > 0 and not self._stopping:
                try:
                    async with asyncio.timeout(wait):
                        await self._poll_wake.wait()
                except TimeoutError:
                    pass

    async def _poll(self) -> float:
        """Claim what may be claimed; seconds until it is worth asking again."""
        now = asyncio.get_running_loop().time()
        if self.gate.open:
            if not self.gate.may_probe(now):
                return (self.gate.probe_at or now) - now
            parcels = await self._claim(1)
            if parcels:
                self._bytes_left -= parcels[0].size
                await self._deliver(parcels, probe=True)
                return 0.0
            return POLL_S
        free = min(CLAIM_MAX, self._options.ready_max - len(self._ready))
        few = free < max(1, min(CLAIM_MAX, self._options.ready_max) // 2)
        if few or self._bytes_left <= self._options.ready_bytes // 2:
            return POLL_S
        # Forgotten before the look, so that a hint during it is not.
        self._backlog = False
        parcels = await self._claim(free)
        for parcel in parcels:
            self.hand(parcel)
        if len(parcels) == free or self._bytes_left <= 0:
            self._backlog = True
            return 0.0
        return await self._until_due()

    async def _until_due(self) -> float:
        """Seconds until something is due; a store that is away is asked again with the next poll."""
        try:
            due = await self._outbox.next_due(self.name)
        except (StoreBusyError, StoreFullError):
            return POLL_S
        return self._until(due)

    def _until(self, due: int | None) -> float:
        """Seconds until it is worth asking again, at most a poll."""
        wait = POLL_S if due is None else (due - self._clock.now_us()) / 1e6
        # What is overdue and yet could not be claimed stands behind an earlier event of its run;
        # the settlement of that one wakes the poller.
        self._blocked = wait < -OVERDUE_S
        return POLL_S if self._blocked else min(POLL_S, max(OVERDUE_S, wait))

    async def _claim(self, limit: int) -> Sequence[Parcel]:
        try:
            parcels = await self._outbox.claim(
                self.name,
                limit=limit,
                size=self._bytes_left,
                now=self._clock.now_us(),
            )
        except (StoreBusyError, StoreFullError):
            return []
        if self._held:
            # The hold came meanwhile.
            self._give_back(parcels)
            return []
        return parcels

    def _written(self) -> None:
        """Outcomes are on disk: what stood behind them may be claimed now."""
        if self._blocked:
            self._poll_wake.set()


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
