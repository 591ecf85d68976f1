"""Thread: an event loop of the store's own, beside the one that receives and sends.

Owns the thread. Making rows takes milliseconds a group; on the loop that answers callbacks every group
would hold all others up for as long.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["LoopThread"]

R = TypeVar("R")


class LoopThread:
    """Runs coroutines on a loop in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
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
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
