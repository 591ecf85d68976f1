"""Polling: when the store is asked for more, and for what.

Owns the loop that claims what does not come straight from a commit (retries, what a dead process left,
what found no room), and the probes of a destination that does not work. Must not know how a try is
made. A hint makes the next look come sooner; the look is the truth.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from relay.core.delivery import Policy, Queue
from relay.core.errors import StoreBusyError, StoreFullError
from relay.core.gate import Gate
from relay.core.ports import Clock, Outbox, Parcel, Wish
from relay.deliver.ready import Ready
from relay.deliver.righting import Righter

__all__ = ["Desk", "Poller"]

#: The store is asked at least this often, whatever the hints say.
POLL_S: Final = 1.0
#: While memory is full, others than those in it are looked for at least this often.
NEWCOMERS_S: Final = 0.5
#: What became due this long ago should have been claimed; also the shortest time between polls.
OVERDUE_S: Final = 0.05


class Desk(Protocol):
    """Whom the parcels are for."""

    @property
    def gate(self) -> Gate:
        """Whether the destination works."""
        ...

    @property
    def held(self) -> bool:
        """Whether nothing may be tried, not even a probe."""
        ...

    @property
    def probing(self) -> Collection[Queue]:
        """Of which queues a probe is under way."""
        ...

    def hand(self, parcel: Parcel, /) -> None:
        """Take a parcel leased to this process."""
        ...

    def probe(self, parcel: Parcel, /) -> None:
        """Try this one while the destination does not work."""
        ...

    def rest_s(self) -> float:
        """How long no try may start, because of the rate; 0 where one may."""
        ...


class Poller:
    """Claims deliveries of one destination."""

    def __init__(
        self,
        destination: str,
        *,
        desk: Desk,
        ready: Ready,
        outbox: Outbox,
        clock: Clock,
        policy: Policy,
        ordered: bool,
        probes_max: int,
    ) -> None:
        """``probes_max`` probes may be under way at once, of one queue one."""
        self._righter = Righter(destination, outbox=outbox, clock=clock, policy=policy)
        self._destination = destination
        self._desk = desk
        self._ready = ready
        self._outbox = outbox
        self._clock = clock
        self._ordered = ordered
        self._probes_max = probes_max
        self._wake = asyncio.Event()
        self._stopping = False
        #: Queues of which more waits in the store than was last claimed.
        self._backlog: set[Queue] = set()
        #: Whether something there is overdue behind an earlier event of its run.
        self._blocked = False
        #: When sources that have nothing in memory may be looked for again, by the loop's clock.
        self._newcomers_at = 0.0
        #: Seconds between two such looks; longer where the last ones were in vain.
        self._newcomers_s = OVERDUE_S

    # --- what makes it look ------------------------------------------------------------------------

    def hint(self) -> None:
        """Something fresh waits in the store."""
        self._backlog.add(Queue.FIRST)
        self._wake.set()

    def look(self) -> None:
        """Something may wait in the store in either queue."""
        self._backlog.update(Queue)
        self._wake.set()

    def probed(self) -> None:
        """A probe has ended."""
        self._wake.set()

    def drained(self) -> None:
        """There is more room in memory than there was."""
        if self._backlog and any(map(self._ready.is_half_empty, self._backlog)):
            self._wake.set()

    def written(self) -> None:
        """Outcomes are on disk: what stood behind them may be claimed now."""
        if self._blocked:
            self._wake.set()

    def stop(self) -> None:
        """Look no more."""
        self._stopping = True
        self._wake.set()

    # --- the loop ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look again and again, until :meth:`stop`."""
        while not self._stopping:
            # Cleared before the look, so that a hint during it is not lost.
            self._wake.clear()
            more = await self._righter.look()
            wait = POLL_S if self._desk.held else await self._poll()
            wait = 0.0 if more else wait
            if wait > 0 and not self._stopping:
                try:
                    async with asyncio.timeout(wait):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    async def _poll(self) -> float:
        """Claim what may be claimed; seconds until it is worth asking again."""
        if self._desk.gate.open:
            return await self._poll_for_probes()
        first, again = (self._ready.wants(queue) for queue in Queue)
        rest = POLL_S if first else await self._look_for_newcomers()
        if not first and not again:
            return rest
        if not self._backlog:
            # Nobody has said that anything waits. Looking costs a read, claiming in vain a commit.
            wait = await self._due_s()
            if wait > 0:
                # What stood behind an earlier event has been taken by somebody else.
                self._blocked = False
                return min(POLL_S, max(OVERDUE_S, wait))
        return await self._fetch(first, again)

    async def _fetch(self, first: int, again: int) -> float:
        """Claim so many of each queue; seconds until it is worth asking again."""
        wishes = ((Queue.FIRST, first), (Queue.AGAIN, again))
        # What is asked for is forgotten before the claim, so that a hint during it is not. Of what is not
        # asked for nobody knows: room for it may come during the claim, and that must not go unheard.
        self._backlog = {queue for queue, wanted in wishes if not wanted}
        parcels = await self._claim(first=first, again=again)
        for parcel in parcels:
            self._desk.hand(parcel)
        for queue, wanted in wishes:
            came = sum(parcel.queue is queue for parcel in parcels)
            if came == wanted or self._ready.bytes_left <= 0:
                self._backlog.add(queue)
        if parcels and self._backlog:
            return 0.0
        return await self._until_due(asked_for_all=bool(first and again))

    async def _look_for_newcomers(self) -> float:
        """Memory is full of some sources: what waits of others must not wait for all of that.

        Gives the seconds until it is worth looking again.
        """
        now = asyncio.get_running_loop().time()
        free = self._ready.room_for_newcomers
        if free < 1:
            return POLL_S
        if now < self._newcomers_at:
            # A hint may have come meanwhile.
            return self._newcomers_at - now
        parcels = await self._claim(first=free, but=self._ready.sources)
        for parcel in parcels:
            self._desk.hand(parcel)
        rest = OVERDUE_S if parcels else min(NEWCOMERS_S, 2 * self._newcomers_s)
        self._newcomers_s = rest
        self._newcomers_at = now + rest
        return POLL_S

    async def _poll_for_probes(self) -> float:
        """While the destination does not work one delivery at a time is tried, a fresh one if there is any."""
        now = asyncio.get_running_loop().time()
        desk = self._desk
        waits = []
        for queue in Queue:
            if queue in desk.probing or len(desk.probing) >= self._probes_max:
                continue
            wait = max(desk.gate.wait_s(now, queue), desk.rest_s())
            if wait <= 0:
                # As above: while nothing of this queue is due there is nothing to commit.
                due = await self._due_s(queue)
                wait = 0.0 if due <= 0 else min(POLL_S, max(OVERDUE_S, due))
            if wait > 0:
                waits.append(wait)
                continue
            first = queue is Queue.FIRST
            parcels = await self._claim(first=int(first), again=int(not first))
            for parcel in parcels:
                desk.probe(parcel)
            waits.append(POLL_S)
        return min(waits, default=POLL_S)

    async def _due_s(self, queue: Queue | None = None) -> float:
        """Seconds until something is due, of one queue or any; a store that is away is asked with the next poll."""
        try:
            due = await self._outbox.next_due(self._destination, queue)
        except (StoreBusyError, StoreFullError):
            return POLL_S
        return POLL_S if due is None else (due - self._clock.now_us()) / 1e6

    async def _until_due(self, *, asked_for_all: bool) -> float:
        """Seconds until it is worth asking again, after a claim."""
        wait = await self._due_s()
        # What is overdue and yet could not be claimed stands behind an earlier event of its run, whose
        # settlement wakes the poller; or it finds no room in memory, and then room does.
        self._blocked = asked_for_all and wait < -OVERDUE_S
        return POLL_S if wait < -OVERDUE_S else min(POLL_S, max(OVERDUE_S, wait))

    async def _claim(
        self, *, first: int = 0, again: int = 0, but: Collection[str] = ()
    ) -> Sequence[Parcel]:
        wish = Wish(
            first=first,
            again=again,
            size=max(1, self._ready.bytes_left),
            now=self._clock.now_us(),
            ordered=self._ordered,
            but=but,
        )
        try:
            return await self._outbox.claim(self._destination, wish)
        except (StoreBusyError, StoreFullError):
            return []
