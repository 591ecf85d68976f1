"""Accounts: what one group changes in the ledger's counters.

Owns adding up, so that each counter is written once in the commit whose rows it counts. Knows no database.
"""

from collections import Counter, defaultdict
from typing import Final

from relay.core.ledger import DESTINATION_COUNTERS, SOURCE_COUNTERS
from relay.core.run import Known

__all__ = ["FOLDS", "Accounts", "count_waiting"]

#: Statements that take the lines of starts that are over, and those that add them up again.
FOLDS: Final = (
    ("take_source_counts", "add_source_counts"),
    ("take_destination_counts", "add_destination_counts"),
)


class Accounts:
    """The changes of one group, by source and by destination number."""

    def __init__(self) -> None:
        self.sources: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.destinations: defaultdict[int, Counter[str]] = defaultdict(Counter)

    def source_rows(self, incarnation: int) -> list[tuple[int, ...]]:
        """Columns of the sources' counters, in a steady order."""
        return [
            (incarnation, number, *(counts[name] for name in SOURCE_COUNTERS))
            for number, counts in sorted(self.sources.items())
        ]

    def destination_rows(self, incarnation: int) -> list[tuple[int, ...]]:
        """Columns of the destinations' counters, in a steady order."""
        return [
            (incarnation, number, *(counts[name] for name in DESTINATION_COUNTERS))
            for number, counts in sorted(self.destinations.items())
        ]


def count_waiting(counts: Counter[str], before: Known, after: Known) -> None:
    """Count a run that waits, or is held, or has ceased to."""
    for name, held in (("waiting", False), ("held", True)):
        counts[name] += _stands(after, held=held) - _stands(before, held=held)


def _stands(known: Known, *, held: bool) -> bool:
    return known.waiting is not None and known.waiting.held is held
