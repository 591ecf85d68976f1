"""Whereabouts: where events stand that somebody has named, and that an order finds nothing of.

Owns the counts for each destination. Reads only; what is said of them is somebody else's.
"""

from collections.abc import Sequence

import msgspec

from relay.core.deadletter import Letters, UnknownNameError
from relay.core.replay import Selection, What

__all__ = ["Whereabouts", "whereabouts"]


class Whereabouts(msgspec.Struct, frozen=True, kw_only=True):
    """Of some events, how many stand how at one destination."""

    destination: str
    arrived: int
    dead: int
    #: Those that no delivery was ever made of.
    never: int
    #: Those that wait there, or are under way.
    open: int


async def whereabouts(
    letters: Letters, events: Sequence[int], destinations: Sequence[str]
) -> list[Whereabouts]:
    """Look where these events stand.

    Raises:
        MisconfiguredError: the store cannot be read.
        StoreBusyError: it does not answer.
    """
    return [await _at(letters, tuple(events), name) for name in destinations]


async def _at(letters: Letters, events: tuple[int, ...], name: str) -> Whereabouts:
    async def count(what: What) -> int:
        heaps = await letters.heaps(Selection(what=what, events=events), name)
        return sum(heap.count for heap in heaps)

    try:
        arrived, dead = await count("delivered"), await count("dead")
        never = await count("missing")
    except UnknownNameError:
        # New in the configuration: the store has not heard of it.
        arrived, dead, never = 0, 0, len(events)
    left = max(0, len(events) - arrived - dead - never)
    return Whereabouts(
        destination=name, arrived=arrived, dead=dead, never=never, open=left
    )
