"""The loop of tests: time passes for it only while it may run.

Owns what a test's limits of time are measured by. A machine that stands still for a second, since its core was
taken or all garbage was collected, has not been waited for: such a second counts no more than a turn of the loop
does. Whatever waits for another process or for a disk is waited for in real time, a moment at a time. Knows nothing
of the relay.
"""

import asyncio
import selectors
import time
from typing import Final

__all__ = ["PatientLoop"]

#: What one turn of the loop counts at most, and what one wait of it lasts at most.
TURN_S: Final = 0.005


class _Moments(selectors.DefaultSelector):
    """Waits for a moment at most: who is woken late knows how much of it was waiting."""

    def __init__(self) -> None:
        super().__init__()
        self._now = self._seen = time.monotonic()

    def time(self) -> float:
        return self._now + min(time.monotonic() - self._seen, TURN_S)

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for what was asked for, or less: the loop asks again when nothing has come."""
        self._count()
        found = super().select(TURN_S if timeout is None else min(timeout, TURN_S))
        self._count()
        return found

    def _count(self) -> None:
        seen = time.monotonic()
        self._now += min(seen - self._seen, TURN_S)
        self._seen = seen


class PatientLoop(asyncio.SelectorEventLoop):
    """An event loop that a slow machine does not make late."""

    def __init__(self) -> None:
        self._moments = _Moments()
        super().__init__(self._moments)

    def time(self) -> float:
        """Seconds that it was given; never more than have passed."""
        return self._moments.time()
