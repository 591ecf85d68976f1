"""Turns: everybody who asks one source's API takes turns.

Owns waiting for a turn as the client's pacer; the pace is shared with whoever asks beside it. Knows nothing of
what is asked.
"""

import asyncio

from relay.core.pace import LIMITED_S, Pace

__all__ = ["Turns", "pause"]


class Turns:
    """A pace as a client of :mod:`relay.runflow` keeps it; see :class:`relay.runflow.Pacer`."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    async def turn(self) -> None:
        """Return when it is our turn, and the API may be asked."""
        loop = asyncio.get_running_loop()
        await pause(self._pace.wait(loop.time()))
        while (quiet := self._pace.quiet_until - loop.time()) > 0:
            await pause(quiet)

    def hush(self, seconds: float | None) -> None:
        """Whoever asks has to wait, beside us as well."""
        wait = LIMITED_S if seconds is None else seconds
        self._pace.hush(asyncio.get_running_loop().time() + wait)


async def pause(seconds: float) -> None:
    """Let so much time pass; none where it is not above zero."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().create_future()
    except TimeoutError:
        pass
