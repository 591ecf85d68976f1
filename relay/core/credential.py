"""Credential: a key with a name and a span of time in which it counts.

Owns that span, for keys that verify what comes in and keys that sign what goes out. Knows no scheme.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Credential"]

K_co = TypeVar("K_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential(Generic[K_co]):
    """One entry of a list of secrets. Bounds are wall microseconds; the end is not included."""

    id: str
    key: K_co
    not_before: int | None = None
    not_after: int | None = None

    def is_live(self, now: int) -> bool:
        """Whether it counts at ``now``."""
        return (self.not_before is None or now >= self.not_before) and (
            self.not_after is None or now < self.not_after
        )
