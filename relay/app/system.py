"""System: the real clock, dice, threads and checkpoints.

Owns the only calls to the operating system's time and chance. Everything else is handed these, or
scripted ones.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from relay.core.ports import Checkpoint, Checkpoints, Clock, Dice

__all__ = ["NoCheckpoints", "System", "SystemClock", "SystemDice", "ThreadExecutor"]

R = TypeVar("R")


class SystemClock:
    """Wall time of the machine."""

    def now_us(self) -> int:
        """Microseconds since the epoch."""
        return time.time_ns() // 1000


class SystemDice:
    """Chance of the operating system."""

    def bytes(self, count: int, /) -> bytes:
        """Unpredictable bytes."""
        return secrets.token_bytes(count)

    def unit(self) -> float:
        """A number in [0, 1)."""
        return random.SystemRandom().random()


class NoCheckpoints:
    """What production has: nothing happens on the way."""

    def reach(self, name: Checkpoint, /) -> None:
        """Go on."""


class ThreadExecutor:
    """One thread, one call after another."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    def run(self, call: Callable[[], R], /) -> Awaitable[R]:
        """Run ``call`` on the thread."""
        return asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        """Let the thread end when its last call has. Does not wait: that would block the loop."""
        self._pool.shutdown(wait=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The outside world as the relay is given it."""

    clock: Clock
    dice: Dice
    checkpoints: Checkpoints

    @classmethod
    def real(cls) -> "System":
        """The machine itself."""
        return cls(clock=SystemClock(), dice=SystemDice(), checkpoints=NoCheckpoints())
