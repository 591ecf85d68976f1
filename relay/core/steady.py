"""Steady: wall time that no one who sets a clock back can stop.

Owns when the machine's clock is believed. Retries and leases are due at moments; a clock that is set
back by an hour must not make everything wait for an hour.
"""

from collections.abc import Callable
from typing import Final

from relay.core.ports import Clock

__all__ = ["SteadyClock"]

#: Microseconds; what is less is the ordinary adjusting of clocks.
STEP_US: Final = 5_000_000


class SteadyClock:
    """Follows a wall clock, but goes on at its own pace while that one has been set back."""

    def __init__(self, wall: Clock, monotonic: Callable[[], float]) -> None:
        """``monotonic`` gives seconds."""
        self._wall = wall
        self._monotonic = monotonic
        self._seen = wall.now_us()
        self._seen_at = monotonic()

    def now_us(self) -> int:
        """Microseconds since the epoch, UTC, as far as the clock can be believed."""
        wall, at = self._wall.now_us(), self._monotonic()
        passed = self._seen + round((at - self._seen_at) * 1_000_000)
        if passed - wall > STEP_US:
            return passed
        self._seen, self._seen_at = wall, at
        return wall
