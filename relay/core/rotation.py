"""Rotation: when an old key stops and a new one begins.

Owns making keys, and the spans of time in which the keys of one destination count while one of them is
replaced. Pure: time and chance are passed in. Knows nothing of how keys are configured.

Sources: Standard Webhooks 1.0.0, "Signature scheme" (several signatures stand side by side, so that
nobody is cut off); Runflow, "Verify callback signatures" (one signature, so that the receiver knows both
secrets before the sender changes).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from relay.core.signing import SEED_BYTES, PrivateKey, StandardKey

__all__ = ["NEW_BYTES", "KeyKind", "Term", "free_id", "new_key", "rotated"]

KeyKind = Literal["v1", "v1a"]
#: Random bytes that a new key of either kind is made of.
NEW_BYTES: Final = SEED_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """The span of one key. Wall microseconds; the end is not included."""

    id: str
    not_before: int | None = None
    not_after: int | None = None


def new_key(kind: KeyKind, chance: bytes) -> StandardKey | PrivateKey:
    """Make a key of ``NEW_BYTES`` random bytes."""
    return StandardKey(chance) if kind == "v1" else PrivateKey(chance)


def free_id(wanted: str, taken: Sequence[str]) -> str:
    """Give ``wanted``, or with a number behind it if another key has that name."""
    names = [wanted, *(f"{wanted}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def rotated(
    terms: Sequence[Term], new: str, *, now: int, overlap: int, together: bool
) -> tuple[Term, ...]:
    """Give the terms with a new key in front, and the end of all others ``overlap`` microseconds from now.

    ``together``: in the overlap all of them sign. Otherwise there is room for one signature, and the new
    key begins when the others end. What has ended already is left out; an earlier end stays.
    """
    end = now + overlap
    old = [
        replace(
            term,
            not_after=end if term.not_after is None else min(end, term.not_after),
        )
        for term in terms
        if term.not_after is None or term.not_after > now
    ]
    begin = None if together or not old else end
    return (Term(id=new, not_before=begin), *old)
