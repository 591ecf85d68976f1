"""System: time and chance, as the client is given them.

Owns the client's only calls to clocks, sleep and dice, so that a test can hand in scripted ones and
wait for nothing.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

__all__ = ["System"]


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The world outside, by default the machine itself.

    Attributes:
        monotonic: Seconds that only grow; measures waits and limits.
        wall: Seconds since the epoch; reads dates in ``Retry-After``.
        sleep: Waits so many seconds.
        unit: A number in [0, 1); spreads repeats.
    """

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    unit: Callable[[], float] = random.random
