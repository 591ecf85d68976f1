"""Forgetting: passes of retention over the store, one soon after the start and then every hour.

Owns when a step is taken, and resting in between. What may go is core's to say, and how it goes the store's.
"""

import asyncio
from typing import Final

import structlog

from relay.core.errors import RelayError
from relay.core.ports import Clock, Forgetful, Metrics
from relay.core.retention import (
    EVERY_S,
    FIRST_S,
    REASONS,
    Keeping,
    PassStep,
    begin,
    following,
    rest_s,
)

__all__ = ["Forgetting"]

log: Final = structlog.stdlib.get_logger(__name__)


class Forgetting:
    """Walks over the store, a step at a time."""

    def __init__(
        self, store: Forgetful, keeping: Keeping, *, clock: Clock, metrics: Metrics
    ) -> None:
        self._store = store
        self._keeping = keeping
        self._clock = clock
        self._metrics = metrics
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Pass after pass until :meth:`stop`."""
        wait_s = FIRST_S
        while not await self._stopped_within(wait_s):
            await self._pass()
            wait_s = EVERY_S

    def stop(self) -> None:
        """Let :meth:`run` end, also in the middle of a pass."""
        self._stopping.set()

    async def _pass(self) -> None:
        loop = asyncio.get_running_loop()
        forgotten = 0
        step: PassStep | None = begin(self._keeping, self._clock.now_us())
        while step is not None:
            started = loop.time()
            try:
                progress = await self._store.forget(step)
            except RelayError as error:
                # A store that has failed says so itself, and ends the process.
                log.warning("retention.postponed", table=step.table, why=str(error))
                return
            reason = REASONS[step.table]
            if reason is not None and progress.forgotten:
                self._metrics.count(
                    "runflow_relay_forgotten_total", progress.forgotten, reason=reason
                )
            forgotten += progress.forgotten
            step = following(step, progress)
            if await self._stopped_within(rest_s(loop.time() - started)):
                return
        log.info("retention.passed", forgotten=forgotten)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass
        return self._stopping.is_set()
