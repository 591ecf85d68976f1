"""Credential: a key with a name and a span of time in which it counts.

Owns that span, for keys that verify what comes in and keys that sign what goes out, and what is known of a key's
use. Knows no scheme.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Credential", "KeyUse"]

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


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What one secret has signed, of the callbacks that are kept. Moments are wall microseconds."""

    source: str
    channel: str
    secret: str
    callbacks: int
    first_seen: int
    #: Of equal bytes that came again, the secret that had signed them first is the one that is remembered.
    last_seen: int
