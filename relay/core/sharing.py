"""Sharing: many who want the same get as much of it as each other.

Owns dealing a number of places out, and taking turns. Who wants what, and for what, it does not know.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from typing import Generic, TypeVar

__all__ = ["Sharing", "in_turns"]

T = TypeVar("T")


class Sharing(Generic[T]):
    """Deals ``places`` out, round after round, until none is left or nobody wants more."""

    def __init__(self, names: Sequence[T], places: int, *, turn: int) -> None:
        """``turn`` says who comes first, so that somebody else does each time."""
        first = turn % len(names) if names else 0
        self._hungry = [*names[first:], *names[:first]]
        self._left = places

    def round(self) -> list[tuple[T, int]]:
        """Who is to be given how many next; nobody when all is dealt."""
        if not self._hungry or self._left < 1:
            return []
        share, over = divmod(self._left, len(self._hungry))
        return [
            (name, share + (place < over))
            for place, name in enumerate(self._hungry)
            if share or place < over
        ]

    def took(self, name: T, *, offered: int, taken: int) -> None:
        """Somebody has taken so many of those offered; who took fewer wants no more."""
        self._left -= taken
        if taken < offered:
            self._hungry.remove(name)


def in_turns(lines: Sequence[Sequence[T]]) -> Iterator[T]:
    """The first of each line, then the second of each, and so on."""
    nobody = object()
    rounds: Iterator[tuple[T | object, ...]] = zip_longest(*lines, fillvalue=nobody)
    for one in chain.from_iterable(rounds):
        if one is not nobody:
            yield one  # type: ignore[misc]  # whatever is not nobody is one of theirs
