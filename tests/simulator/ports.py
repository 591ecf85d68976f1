"""The machine under the relay: clock, dice, the store's thread and checkpoints, all from one seed.

Owns virtual stand-ins for what ``relay.app.system`` takes from the real machine. Knows nothing of what
the relay does with them.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import NoReturn, TypeVar

from relay.core.ports import Checkpoint
from tests.fakes import NOW_US
from tests.record.harness import Stumbled
from tests.simulator.loop import LIFE, Died

__all__ = ["Machine", "Thread", "no_thread"]

R = TypeVar("R")


class Machine:
    """Clock, dice and checkpoints. The clock may be set while everything runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop, dice: Random) -> None:
        self._loop = loop
        self._dice = dice
        self._offset_us = 0
        self._latest = 0
        self.passed: Counter[Checkpoint] = Counter()
        #: What happens at which passing of a checkpoint.
        self.hooks: dict[tuple[Checkpoint, int], Callable[[], None]] = {}

    # --- Clock ------------------------------------------------------------------------------------

    def now_us(self) -> int:
        now = NOW_US + self._offset_us + int(self._loop.time() * 1_000_000)
        self._latest = max(self._latest, now)
        return now

    def jump(self, seconds: float) -> None:
        self._offset_us += int(seconds * 1_000_000)

    def jump_back(self, seconds: float) -> None:
        """Somebody has set it right: whatever now lies ahead is the relay's to deal with."""
        self.jump(-seconds)
        self._latest = self.now_us()

    def set_right(self) -> None:
        """Nothing that was said to be due lies far ahead any more."""
        self._offset_us += max(0, self._latest - self.now_us())

    # --- Dice -------------------------------------------------------------------------------------

    def bytes(self, count: int, /) -> bytes:
        return self._dice.randbytes(count)

    def unit(self) -> float:
        return self._dice.random()

    # --- Checkpoints ------------------------------------------------------------------------------

    def reach(self, name: Checkpoint, /) -> None:
        life = LIFE.get()
        if life is None or not life.alive:
            return
        self.passed[name] += 1
        hook = self.hooks.pop((name, self.passed[name]), None)
        if hook is not None:
            hook()


class Thread:
    """The Executor port: one call after another, each at some moment a little later."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, dice: Random, *, latency: float
    ) -> None:
        """``latency`` is the longest that a call takes, in seconds; most take far less."""
        self._loop = loop
        self._dice = dice
        self._longest = latency
        self._free_at = 0.0

    def stand_still(self, seconds: float) -> None:
        self._free_at = max(self._free_at, self._loop.time() + seconds)

    def run(self, call: Callable[[], R], /) -> Awaitable[R]:
        future: asyncio.Future[R] = self._loop.create_future()
        begin = max(self._loop.time(), self._free_at) + self._latency()
        self._free_at = begin
        self._loop.call_at(begin, self._perform, call, future)
        return future

    def _perform(self, call: Callable[[], R], future: "asyncio.Future[R]") -> None:
        if future.cancelled():
            return
        try:
            result = call()
        except (Died, Stumbled, Exception) as error:  # noqa: BLE001 - it belongs to whoever waits
            self._tell(partial(_fail, future, error))
        else:
            self._tell(partial(_fulfil, future, result))

    def _tell(self, outcome: Callable[[], None]) -> None:
        """Between what was done and its being heard of there may be time for others, or none."""
        if self._dice.random() < 0.5:
            outcome()
        else:
            self._loop.call_later(self._latency(), outcome)

    def _latency(self) -> float:
        return 0.0002 + self._longest * self._dice.random() ** 3


def _fulfil(future: "asyncio.Future[R]", result: R) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[R]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def no_thread(name: str) -> NoReturn:
    """For whoever asks for a thread of their own and never uses it."""
    raise AssertionError(f"{name} needs no thread")
