"""Ledger: the equations that must hold whatever happened.

Owns the counters and what they must add up to. Counters are written in the same commit as the rows
they count; a recount of the rows gives the same numbers by another way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

__all__ = [
    "DESTINATION_COUNTERS",
    "SOURCE_COUNTERS",
    "Balance",
    "DestinationCounts",
    "Ledger",
    "SourceCounts",
]

SOURCE_COUNTERS: Final = (
    "receipts", "first", "duplicate", "stale", "conflict", "quarantined",
    "opened", "events", "waiting", "held", "collapsed", "closed", "unrouted",
)  # fmt: skip
DESTINATION_COUNTERS: Final = (
    "created", "delivered", "pending", "held", "dead", "discarded",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCounts:
    """What was received from one source and what became of it."""

    receipts: int = 0
    first: int = 0
    duplicate: int = 0
    stale: int = 0
    conflict: int = 0
    quarantined: int = 0
    opened: int = 0
    events: int = 0
    waiting: int = 0
    held: int = 0
    collapsed: int = 0
    closed: int = 0
    unrouted: int = 0

    def items(self) -> list[tuple[str, int]]:
        """Every counter with its name, in order."""
        return [(name, getattr(self, name)) for name in SOURCE_COUNTERS]

    def faults(self) -> list[str]:
        """Equations (a) and (b) where they do not hold, in words."""
        found = []
        verdicts = (
            self.first + self.duplicate + self.stale + self.conflict + self.quarantined
        )
        if self.receipts != verdicts:
            found.append(f"{self.receipts} receipts, but {verdicts} verdicts")
        ends = self.events + self.waiting + self.held + self.collapsed + self.closed
        if self.opened != ends:
            found.append(f"{self.opened} outcomes opened, but {ends} accounted for")
        if self.unrouted > self.events:
            found.append(f"{self.unrouted} unrouted of {self.events} events")
        return [*found, *_negatives(self)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationCounts:
    """What was due to one destination and what became of it."""

    created: int = 0
    delivered: int = 0
    pending: int = 0
    held: int = 0
    dead: int = 0
    discarded: int = 0

    def items(self) -> list[tuple[str, int]]:
        """Every counter with its name, in order."""
        return [(name, getattr(self, name)) for name in DESTINATION_COUNTERS]

    def behind_a_hold(self) -> "DestinationCounts":
        """The same for a destination that nothing is sent to: what is pending there is held."""
        return replace(self, pending=0, held=self.held + self.pending)

    def faults(self) -> list[str]:
        """Equation (c) where it does not hold, in words."""
        ends = self.delivered + self.pending + self.held + self.dead + self.discarded
        found = []
        if self.created != ends:
            found.append(f"{self.created} deliveries, but {ends} accounted for")
        return [*found, *_negatives(self)]


def _negatives(counts: SourceCounts | DestinationCounts) -> list[str]:
    return [f"{name} is {value}" for name, value in counts.items() if value < 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The whole account, by name of source and of destination."""

    sources: Mapping[str, SourceCounts] = field(default_factory=dict)
    destinations: Mapping[str, DestinationCounts] = field(default_factory=dict)

    def balance(self) -> "Balance":
        """Check every equation."""
        faults = [
            f"source {name}: {fault}"
            for name, counts in self.sources.items()
            for fault in counts.faults()
        ]
        faults += [
            f"destination {name}: {fault}"
            for name, counts in self.destinations.items()
            for fault in counts.faults()
        ]
        return Balance(faults=tuple(faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Whether the account balances, and where not."""

    faults: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """True when every equation holds."""
        return not self.faults
