"""Numbers: the integer keys of a store, as whoever makes rows sees them.

Owns the shape only; each store counts in its own way.
"""

from collections.abc import Collection, Mapping
from typing import Literal, Protocol

__all__ = ["Numbers", "Table"]

Table = Literal["runs", "receipts", "events", "deliveries"]


class Numbers(Protocol):
    """Who has which integer in a store."""

    @property
    def destinations(self) -> Mapping[str, int]:
        """Numbers of the destinations by name."""
        ...

    @property
    def held(self) -> Collection[int]:
        """Destinations that nothing is sent to."""
        ...

    @property
    def behind(self) -> Collection[int]:
        """Destinations that no deliveries are made for now."""
        ...

    def take(self, table: Table, /) -> int:
        """A number for a new row. Of one run's deliveries, a later one has the larger number."""
        ...

    def source(self, name: str, /) -> int:
        """The number of a source."""
        ...

    def epoch(self, destination: int, /) -> int:
        """The epoch that new deliveries to a destination belong to."""
        ...
