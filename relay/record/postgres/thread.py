"""Thread: an event loop of the store's own, beside the one that receives and sends.

Owns the thread. Making rows takes milliseconds a group; on the loop that answers callbacks every group
would hold all others up for as long.
"""

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

__all__ = ["LoopThread"]

R = TypeVar("R")

#: How long a connection that was closed may take to say goodbye when its loop ends: TLS waits for an answer.
GOODBYE_S: Final = 5.0
LOOK_S: Final = 0.005


class LoopThread:
    """Runs coroutines on a loop in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run ``work`` there to its end, even when nobody waits for it any more."""
        done = asyncio.run_coroutine_threadsafe(work, self._loop)
        return await asyncio.shield(asyncio.wrap_future(done))

    def call(self, work: Callable[[], None]) -> None:
        """Have a call made there soon; nobody waits for it."""
        self._loop.call_soon_threadsafe(work)

    def close(self) -> None:
        """End the thread, and what still runs there with it. Does not wait."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._wind_up()
            self._loop.close()

    def _wind_up(self) -> None:
        """End what runs there, and let connections close that were told to."""
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        until = self._loop.time() + GOODBYE_S
        while self._is_busy() and self._loop.time() < until:
            self._loop.call_later(LOOK_S, self._loop.stop)
            self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    def _is_busy(self) -> bool:
        # One file is the loop's own, by which others wake it.
        return len(self._selector.get_map()) > 1 or bool(asyncio.all_tasks(self._loop))
