"""Turns: everybody who asks one source's API takes turns.

Owns waiting for a turn as the client's pacer; the pace is shared with whoever asks beside it. Knows nothing of
what is asked.
"""

import asyncio
from typing import Final

from relay.core.pace import HUSH_MAX_S, LIMITED_S, Pace
from relay.runflow import RateLimitedError

__all__ = ["Turns", "pause"]


#: Whoever would have to wait longer for a turn is told so instead, in seconds.
UNHEARD_S: Final = 60.0


class Turns:
    """A pace as a client of :mod:`relay.runflow` keeps it; see :class:`relay.runflow.Pacer`."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    async def turn(self) -> None:
        """Return when it is our turn, and the API may be asked.

        Raises:
            RateLimitedError: it wants to be left in peace for longer than anybody should wait unheard.
        """
        loop = asyncio.get_running_loop()
        await pause(self._pace.wait(loop.time()))
        while (quiet := self._pace.quiet_until - loop.time()) > 0:
            if quiet > UNHEARD_S:
                raise RateLimitedError(
                    f"the API has asked for no request for {quiet:.0f} s",
                    status=429,
                    retry_after=quiet,
                )
            await pause(quiet)

    def hush(self, seconds: float | None) -> None:
        """Whoever asks has to wait, beside us as well."""
        wait = LIMITED_S if seconds is None else min(seconds, HUSH_MAX_S)
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
