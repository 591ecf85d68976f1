"""Worker: the courier that empties one destination's backlog.

Owns the tasks that send, what becomes of the gate after each call, and what that does to all that waits.
Decides nothing itself. Knows nothing of how a try is made, how its outcome is written, or when the store
is asked.

Fresh parcels come straight from the commit that made them; everything else is polled.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from relay.core.courier import judge_gate, strains
from relay.core.delivery import Failed, Fault, Outcome, Policy, Queue, Released
from relay.core.gate import Gate, GatePolicy
from relay.core.ports import (
    Checkpoints,
    Clock,
    Metrics,
    Outbox,
    Parcel,
    Sender,
)
from relay.deliver.polling import Poller
from relay.deliver.ready import Ready
from relay.deliver.settling import Attempt, Settler
from relay.deliver.slots import Slots

__all__ = ["Courier", "CourierOptions"]

log: Final = structlog.stdlib.get_logger(__name__)

#: Probes under way at once: a fresh event and one that has failed before.
PROBES_MAX: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CourierOptions:
    """What bounds one destination."""

    policy: Policy
    gate: GatePolicy
    #: Parcels held in memory, waiting for a slot.
    ready_max: int = 1000
    #: Bytes of the receipts behind parcels held in memory, those being tried included.
    ready_bytes: int = 64 * 1024 * 1024
    #: Calls a second; None: as many as the destination takes.
    rate: float | None = None
    #: Whether events of one run go one after the other.
    ordered: bool = True


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
        told: Callable[[Queue, Sequence[Outcome]], None] | None = None,
    ) -> None:
        """``told`` hears what each call to the sender came to, and out of which queue it was."""
        self.name = name
        self._told = told
        self._sender = sender
        self._clock = clock
        self._checkpoints = checkpoints
        self._metrics = metrics
        self.gate = Gate(policy=options.gate)
        self._peace_max = options.policy.retry_after_max
        self._ready = Ready(
            most=options.ready_max,
            bytes_most=options.ready_bytes,
            prepare=sender.prepare,
        )
        self._slots = Slots(self._ready, most=sender.concurrency, rate=options.rate)
        #: Parcels whose try is under way; a crash of this worker gives them back.
        self._trying: dict[int, Parcel] = {}
        #: Probes under way, by the queue that they are out of.
        self._probes: dict[Queue, asyncio.Task[None]] = {}
        self._settler = Settler(
            name,
            outbox=outbox,
            policy=options.policy,
            metrics=metrics,
            written=self._written,
        )
        self._poller = Poller(
            name,
            desk=self,
            ready=self._ready,
            outbox=outbox,
            clock=clock,
            policy=options.policy,
            ordered=options.ordered,
            probes_max=min(PROBES_MAX, sender.concurrency),
        )
        self._tasks: asyncio.TaskGroup
        self._stopping = False
        #: Whether nothing is to be tried, whatever is due.
        self._held = False
        self._tasks_left = 0

    # --- what the commit and the poller see -------------------------------------------------------

    @property
    def room(self) -> int:
        """How many fresh parcels could be taken now."""
        return 0 if self._is_shut else self._ready.room

    @property
    def held(self) -> bool:
        """Whether nothing may be tried, not even a probe."""
        return self._held

    @property
    def probing(self) -> Collection[Queue]:
        """Of which queues a probe is under way."""
        return self._probes.keys()

    def hand(self, parcel: Parcel, /) -> None:
        """Take a parcel leased to this process; back it goes when no try may follow."""
        if self._is_shut:
            self._give_back([parcel])
            return
        self._ready.add(parcel)
        self._slots.wake()

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
            self._give_back(self._ready.clear())
        else:
            self.gate = self.gate.knocked(asyncio.get_running_loop().time())
            self._poller.look()

    def hint(self) -> None:
        """Something waits in the store."""
        self._poller.hint()

    def probe(self, parcel: Parcel, /) -> None:
        """Try one parcel while the destination does not work."""
        if self._stopping or self._held:
            self._give_back([parcel])
            return
        self._ready.hold(parcel)
        self._slots.spend()
        self._tasks_left += 1
        self._probes[parcel.queue] = self._tasks.create_task(
            self._until_last(lambda: self._probe(parcel))
        )

    def rest_s(self) -> float:
        """How long no try may start, because of the rate; 0 where one may."""
        return self._slots.rest_s()

    # --- life -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver until :meth:`stop`; then finish what is under way and give the rest back."""
        self._metrics.gauge("runflow_relay_destination_up", 1, destination=self.name)
        slots = self._sender.concurrency
        self._tasks_left = slots + 1
        self._slots.empty()
        self._probes.clear()
        # After a crash: what was being tried may have arrived; it goes again with the same id.
        self._give_back([*self._trying.values()])
        self._trying.clear()
        self._ready.recount()
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._settler.run())
            self._tasks.create_task(self._until_last(self._poller.run))
            for _ in range(slots):
                self._tasks.create_task(self._until_last(self._slot))

    def stop(self) -> None:
        """Start no further try. Idempotent."""
        self._stopping = True
        self._poller.stop()
        self._slots.wake_all()

    async def leave(self) -> None:
        """After :meth:`run` has ended, however it did: hold nothing any more.

        Where it was cut short, or crashed while it stopped, outcomes are unwritten and tries without an
        outcome, and nobody else may claim those. A try that was cut short may have arrived.

        Raises:
            RelayError: the store does not take it; only a next start frees what is leased then.
        """
        self._give_back([*self._trying.values()])
        self._trying.clear()
        self._give_back(self._ready.clear())
        self._metrics.gauge("runflow_relay_destination_up", None, destination=self.name)
        await self._settler.write_rest()

    async def _until_last(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work of a task that sends; the last to end gives back what none has tried."""
        try:
            await work()
        finally:
            self._tasks_left -= 1
            if self._tasks_left == 0:
                self._give_back(self._ready.clear())
                self._settler.finish()

    # --- slots ------------------------------------------------------------------------------------

    async def _slot(self) -> None:
        while not self._stopping:
            queue = self._slots.next()
            if queue is None:
                await self._slots.wait()
                continue
            parcels = self._ready.take(queue, self._sender.batch)
            self._poller.drained()
            # Whoever is woken for one parcel sees to it that the next finds its slot.
            self._slots.wake()
            await self._deliver(parcels, queue, probe=False)
            self._poller.drained()

    # --- a call -----------------------------------------------------------------------------------

    async def _probe(self, parcel: Parcel) -> None:
        try:
            await self._deliver([parcel], parcel.queue, probe=True)
        finally:
            self._probes.pop(parcel.queue, None)
            self._poller.probed()

    async def _deliver(
        self, parcels: Sequence[Parcel], queue: Queue, *, probe: bool
    ) -> None:
        for parcel in parcels:
            self._trying[parcel.number] = parcel
        loop = asyncio.get_running_loop()
        began = loop.time()
        outcomes = await self._try(parcels)
        self._checkpoints.reach("after-send")
        before, now = self.gate, loop.time()
        self.gate = judge_gate(
            before,
            outcomes,
            now_s=now,
            probe=probe,
            queue=queue,
            peace_max_us=self._peace_max,
        )
        if not probe:
            strained = strains(outcomes, queue)
            self._slots.ended(queue, began=began, now=now, strained=strained)
        self._settle(parcels, outcomes)
        if self._told is not None:
            self._told(queue, outcomes)
        for parcel in parcels:
            del self._trying[parcel.number]
            self._ready.let_go(parcel)
        if self.gate.open != before.open:
            self._gate_moved(outcomes, now)
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

    def _gate_moved(self, outcomes: Sequence[Outcome], now: float) -> None:
        self._metrics.gauge(
            "runflow_relay_destination_up", not self.gate.open, destination=self.name
        )
        if self.gate.open:
            failed = next((o for o in outcomes if isinstance(o, Failed)), None)
            reason = failed.reason if failed else ""
            log.warning("destination.down", destination=self.name, reason=reason)
            self._give_back(self._ready.clear())
        else:
            log.info("destination.up", destination=self.name)
            self._slots.restart(now)
        self._poller.look()

    def _give_back(self, parcels: Sequence[Parcel]) -> None:
        """Return parcels to the store, untried."""
        self._settle(parcels, [Released()] * len(parcels))

    def _settle(self, parcels: Sequence[Parcel], outcomes: Sequence[Outcome]) -> None:
        gate, now = self.gate, self._clock.now_us()
        self._settler.add(
            Attempt(parcel, outcome, gate, now)
            for parcel, outcome in zip(parcels, outcomes, strict=True)
        )

    def _written(self) -> None:
        self._poller.written()
