"""The sandbox's one wall clock, and its one way of waiting.

Owns where the time of day comes from when nobody passes a clock in. Knows nothing of
runs: what a moment means is decided where it is asked for.
"""

import asyncio
from datetime import UTC, datetime

__all__ = ["pause", "utc_now"]


def utc_now() -> datetime:
    """The time of day in UTC, with microseconds."""
    return datetime.now(UTC)  # noqa: TID251 - the sandbox's own clock, passed in as now


async def pause(delay_s: float) -> None:
    """Wait for so many seconds of the loop's time; nothing may cut it short but cancel.

    Args:
        delay_s: Seconds; zero or less gives the loop one turn.
    """
    over = asyncio.Event()
    timer = asyncio.get_running_loop().call_later(max(0.0, delay_s), over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()
