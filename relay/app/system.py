"""System: the real clock, dice, threads and checkpoints.

Owns the only calls to the operating system's time and chance. Everything else is handed these, or
scripted ones.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from threading import Thread
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
    """One thread, one call after another.

    The thread is a daemon, which those of ``concurrent.futures`` cannot be: the interpreter joins
    them when it exits, so that a disk call that never comes back would keep the process for ever.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        #: Calls in their order; None after the last.
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._closed = False

    def run(self, call: Callable[[], R], /) -> Awaitable[R]:
        """Run ``call`` on the thread. Cancelled before its turn, it never runs."""
        if self._closed:
            raise RuntimeError(f"the thread {self._name} has been closed")
        if self._thread is None:
            self._thread = Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        future: Future[R] = Future()
        self._calls.put(partial(_fulfil, future, call))
        return asyncio.wrap_future(future)

    def close(self) -> None:
        """Let the thread end when its last call has. Does not wait: that would block the loop."""
        self._closed = True
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            # Whatever it holds must not stay for as long as no other comes.
            del call


def _fulfil(future: Future[R], call: Callable[[], R]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
        future.set_exception(error)
        # The error's traceback holds this frame: together they would wait for the collector.
        del future
    else:
        future.set_result(result)


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
