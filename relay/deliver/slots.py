"""Slots: how many calls of one destination are under way, and which queue the next one is out of.

Owns the places, who waits for one, and the turns of the rate. Must not know what a call is about. The
arithmetic is core's: :mod:`relay.core.flow` and :mod:`relay.core.pace`.
"""

import asyncio
from collections import deque
from typing import Final

from relay.core.delivery import Queue
from relay.core.flow import Flow
from relay.core.pace import Pace
from relay.deliver.ready import Ready

__all__ = ["Slots"]

#: Of the calls under way at once, one part in so many may be of what has failed before.
AGAIN_PART: Final = 2
#: Seconds of rest that may be made up for at once, where there is a rate.
BURST_S: Final = 0.1


class Slots:
    """``most`` places, as many of them in use as the destination bears."""

    def __init__(self, ready: Ready, *, most: int, rate: float | None) -> None:
        """``rate`` is in calls a second; None: as many as the destination takes."""
        self._ready = ready
        self._flow = Flow(most)
        self._pace = Pace(rate, burst_s=BURST_S) if rate else None
        self._alarm: asyncio.TimerHandle | None = None
        self._idle: deque[asyncio.Future[None]] = deque()
        #: Calls under way out of each queue; probes have no slot.
        self._first = 0
        self._again = 0
        #: The queue that the last call was out of.
        self._last = Queue.AGAIN

    @property
    def width(self) -> int:
        """How many calls may be under way now."""
        return self._flow.width

    def rest_s(self) -> float:
        """How long no call may start, because of the rate; 0 where one may."""
        if self._pace is None:
            return 0.0
        return self._pace.until(asyncio.get_running_loop().time())

    def spend(self) -> None:
        """A call starts that has no slot: it takes a turn of the rate all the same."""
        if self._pace is not None:
            self._pace.wait(asyncio.get_running_loop().time())

    def next(self) -> Queue | None:
        """Take a place; gives the queue that the call is out of, None where none may start now."""
        width = self._flow.width
        if not self._ready or self._first + self._again >= width:
            return None
        first = self._ready.count(Queue.FIRST)
        again = len(self._ready) - first
        # What has failed before has a share of the places, and every other turn at the most.
        if (
            again
            and self._again < max(1, width // AGAIN_PART)
            and (not first or self._last is Queue.FIRST)
        ):
            queue = Queue.AGAIN
        elif first:
            queue = Queue.FIRST
        else:
            return None
        if self._pace is not None and not self._in_time(self._pace):
            return None
        self._last = queue
        if queue is Queue.FIRST:
            self._first += 1
        else:
            self._again += 1
        return queue

    def ended(
        self, queue: Queue, *, began: float, now: float, strained: bool | None
    ) -> None:
        """Give a place back; ``strained`` is None where nothing was learnt of the destination."""
        full = self._first + self._again >= self._flow.width
        if queue is Queue.FIRST:
            self._first -= 1
        else:
            self._again -= 1
        if strained is not None:
            self._flow.ended(began=began, now=now, strained=strained, full=full)

    def restart(self, now: float) -> None:
        """The destination works again."""
        self._flow.restart(now)

    def empty(self) -> None:
        """Nothing is under way, and nobody waits: those who did are gone."""
        self._first = self._again = 0
        self._idle.clear()

    # --- waiting for a place -----------------------------------------------------------------------

    async def wait(self) -> None:
        """Wait until it is worth asking for a place again."""
        waiter = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        await waiter

    def wake(self) -> None:
        """Let one who waits ask, where there may be something for him."""
        if not self._idle or not self._ready:
            return
        if self._first + self._again >= self._flow.width:
            return
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def wake_all(self) -> None:
        """Let everyone see that it is over."""
        if self._alarm is not None:
            self._alarm.cancel()
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)

    def _in_time(self, pace: Pace) -> bool:
        """Take a turn of the rate; where it is not yet time, somebody is woken when it is."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        wait = pace.until(now)
        if wait <= 0:
            pace.wait(now)
            return True
        if self._alarm is None:
            self._alarm = loop.call_later(wait, self._ring)
        return False

    def _ring(self) -> None:
        self._alarm = None
        self.wake()
