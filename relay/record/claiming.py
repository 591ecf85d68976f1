"""Claiming: which deliveries a courier is given, whatever the store.

Owns sharing a wish out among the queues and sources that have something for it, and which of those leased
go back because they are too large together. Knows no database.
"""

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from relay.core.delivery import Queue
from relay.core.ports import Wish
from relay.core.sharing import Sharing, in_turns

__all__ = ["Claiming", "Share"]


class Share(msgspec.Struct, frozen=True):
    """So many deliveries of one source are to be leased out of one queue."""

    queue: Queue
    source: int
    count: int


class Claiming:
    """One claim, from what waits to what is handed over."""

    def __init__(
        self,
        wish: Wish,
        waiting: Iterable[tuple[Any, ...]],
        *,
        but: Collection[int | None],
        turn: int,
    ) -> None:
        """Columns of ``waiting``: queue, source, when the earliest is due. ``turn`` says who comes first."""
        self._size = wish.size
        due = [(q, s) for q, s, at in waiting if at <= wish.now and s not in but]
        self._sharing = {
            queue: Sharing([s for q, s in due if q == queue], places, turn=turn)
            for queue, places in ((Queue.FIRST, wish.first), (Queue.AGAIN, wish.again))
        }
        self._lines: dict[tuple[Queue, int], list[int]] = {}

    def round(self) -> list[Share]:
        """What to lease next; nothing when the wish is fulfilled as far as it can be."""
        return [
            Share(queue, source, count)
            for queue, sharing in self._sharing.items()
            for source, count in sharing.round()
        ]

    def took(self, share: Share, rows: Iterable[tuple[Any, ...]]) -> None:
        """These deliveries (number) were leased."""
        numbers = [number for (number,) in rows]
        sharing = self._sharing[share.queue]
        sharing.took(share.source, offered=share.count, taken=len(numbers))
        self._lines.setdefault((share.queue, share.source), []).extend(numbers)

    @property
    def leased(self) -> list[tuple[int]]:
        """Everything leased."""
        return [(number,) for line in self._lines.values() for number in line]

    def divide(
        self, weights: Iterable[tuple[Any, ...]]
    ) -> tuple[list[tuple[int]], list[tuple[int]]]:
        """What is handed over, and what goes back: each queue of each source in turn, its oldest first.

        Columns of ``weights``: number of the delivery, bytes. One is handed over in any case.
        """
        weighed: dict[int, int] = dict(weights)
        left = self._size
        taken: set[int] = set()
        for number in in_turns([sorted(line) for line in self._lines.values()]):
            left -= weighed[number]
            if taken and left < 0:
                break
            taken.add(number)
        rest = weighed.keys() - taken
        return [(n,) for n in sorted(taken)], [(n,) for n in sorted(rest)]
