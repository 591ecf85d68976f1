"""Replaying: works at orders to send again, a step at a time.

Owns when a step is taken, and waiting in between. What a step makes is core's to say, and the store's to
write; who ordered it is nobody's business here.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from relay.core.backlog import LIMIT
from relay.core.errors import (
    InternalError,
    RelayError,
    StoreFailedError,
    UnstorableError,
)
from relay.core.ports import Clock
from relay.core.replay import PAUSE_MAX, ReplayState, Resending
from relay.core.retention import rest_s
from relay.core.route import Router
from relay.core.steady import Watch

__all__ = ["Replayer"]

log: Final = structlog.stdlib.get_logger(__name__)

#: How often it is looked whether another relay, or a command, has ordered something.
POLL_S: Final = 1.0
#: How soon whether a destination has room again; each time in vain it is twice as long, up to the above.
ROOM_S: Final = 0.05
#: After a step that failed: for the order, where it is its own fault, else for all.
TROUBLE_S: Final = 5.0
#: How long a step may stand further ahead than any is put: a relay that lives, and whose clock is ahead of this one,
#: takes it within half of that.
ASTRAY_S: Final = 2 * PAUSE_MAX / 1e6


class Replayer:
    """Makes deliveries as orders say."""

    def __init__(
        self,
        store: Resending,
        *,
        router: Callable[[], Router],
        clock: Clock,
        backlog: int = LIMIT,
    ) -> None:
        self._store = store
        self._router = router
        self._clock = clock
        self._backlog = backlog
        self._wake = asyncio.Event()
        self._stopping = False
        self._room_s = ROOM_S
        self._watch = Watch()
        #: Whether the clock may have been set since orders were last looked over for what that has put off.
        self._is_set = False
        #: A step that stands too far ahead, and since when it was seen there, by the loop's clock.
        self._astray: tuple[int, float] | None = None

    async def run(self) -> None:
        """Take step after step until :meth:`stop`."""
        while not self._stopping:
            # Cleared before the look, so that an order during it is not lost.
            self._wake.clear()
            try:
                wait_s = await self._work()
            except StoreFailedError:
                raise
            except RelayError as error:
                # Full, or away: callbacks come all the same.
                log.warning("replay.postponed", why=str(error))
                wait_s = TROUBLE_S
            await self._pause(wait_s)

    def stop(self) -> None:
        """Let :meth:`run` end after the step that is under way. Idempotent."""
        self._stopping = True
        self._wake.set()

    def hint(self) -> None:
        """Something was ordered."""
        self._wake.set()

    async def _work(self) -> float:
        """Take a step if one is due; gives the seconds until it is worth looking again."""
        router = self._router()
        due, runs = await self._store.next_resend(router, backlog=self._backlog)
        now = self._clock.now_us()
        loop = asyncio.get_running_loop()
        started = loop.time()
        jumped = self._watch.jumped(now, started)
        # Kept while no order runs: one to a destination that is out of the configuration does not run, until
        # it is back.
        self._is_set = self._is_set or jumped
        righted = self._is_astray(due, now, started) or self._is_set
        righted = righted and runs
        if due is None and runs:
            return self._wait_for_room()
        self._room_s = ROOM_S
        if (due is None or due > now) and not righted:
            return POLL_S if due is None else min(POLL_S, (due - now) / 1e6)
        try:
            resent = await self._store.resend(
                router, backlog=self._backlog, righted=righted
            )
        except (InternalError, UnstorableError) as error:
            # A fault with this one order: the others have their turn.
            log.warning("replay.postponed", why=str(error))
            until = now + int(TROUBLE_S * 1e6)
            await self._store.postpone_replay(
                router, until=until, backlog=self._backlog
            )
            return 0.0
        self._is_set = self._is_set and not righted
        if resent is not None and resent.state is not ReplayState.RUNNING:
            log.info("replay.made", replay=resent.replay)
        if resent is not None and resent.made:
            return 0.0
        # Nothing was made of what was looked at: whoever commits meanwhile has the most of the time.
        return rest_s(loop.time() - started)

    def _is_astray(self, due: int | None, now: int, monotonic_s: float) -> bool:
        """Whether nobody takes the next step: the clock was ahead when it was put there, and nobody saw that."""
        if due is None or due <= now + PAUSE_MAX:
            self._astray = None
            return False
        if self._astray is None or self._astray[0] != due:
            self._astray = (due, monotonic_s)
        return monotonic_s - self._astray[1] >= ASTRAY_S

    def _wait_for_room(self) -> float:
        """Who takes a moment is looked at soon, who is held or away more and more seldom."""
        wait_s = self._room_s
        self._room_s = min(POLL_S, 2 * wait_s)
        return wait_s

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0 or self._stopping:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
