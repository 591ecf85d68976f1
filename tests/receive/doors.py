"""A listener by itself, whose every answer a test decides, and waiting for what can be seen."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from relay.receive.listener import Listener, ListenerOptions, Respond

__all__ = ["listening", "until"]


@asynccontextmanager
async def listening(
    respond: Respond, *, stop_timeout_s: float = 2.0, port: int = 0
) -> AsyncIterator[Listener]:
    """A listener at work on a free port."""
    listener = Listener(
        respond,
        options=ListenerOptions(host="127.0.0.1", port=port, header_timeout_s=0.2),
        stop_timeout_s=stop_timeout_s,
    )
    try:
        await listener.start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listener.run())
            try:
                yield listener
            finally:
                listener.stop()
    finally:
        await listener.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that nobody tells of."""
    never = asyncio.Event()
    async with asyncio.timeout(10):
        while not holds():
            try:
                async with asyncio.timeout(0.01):
                    await never.wait()
            except TimeoutError:
                continue
