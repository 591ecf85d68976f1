"""Retention: what may be forgotten, and how gently.

Owns the horizons (what is older than which moment may go), the steps of a pass over the store, and how
long to rest between them. Knows no database: what is still needed by whom is asked there, row by row.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from relay.core.moment import text_of

__all__ = [
    "DEFAULT_KEEPING",
    "EVERY_S",
    "FIRST_S",
    "ORDER",
    "REASONS",
    "ROWS",
    "WEIGHT",
    "Cursor",
    "Horizons",
    "Keeping",
    "Look",
    "PassStep",
    "Progress",
    "Table",
    "begin",
    "following",
    "forgotten_before",
    "forgotten_since",
    "horizons",
    "look",
    "rest_s",
]

_DAY_US: Final = 86_400_000_000
#: A run is forgotten so much later than callbacks of its age are turned down: the upstream's clock, which
#: says when it ended, and ours, which says when it was first heard of, need not agree.
SLACK_US: Final = _DAY_US

#: Seconds from the start to the first pass, and from the end of one to the next.
FIRST_S: Final = 60.0
EVERY_S: Final = 3600.0
#: Rows that one step looks at, and bytes of bodies that it touches (one row in any case).
ROWS: Final = 256
WEIGHT: Final = 8 * 1024 * 1024
#: Of the time that a pass takes, so much is spent resting: whoever commits meanwhile has four fifths.
_REST: Final = 4.0
_REST_MIN_S: Final = 0.01
_REST_MAX_S: Final = 5.0

Table = Literal["receipts", "attempts", "asks", "events", "runs", "pages"]
#: What goes first: nothing may hang on what goes after it. Pages are what the others leave empty.
ORDER: Final[tuple[Table, ...]] = (
    "receipts", "attempts", "asks", "events", "runs", "pages",
)  # fmt: skip
#: Which setting sends a table's rows away, as the metric has it; None where nothing is counted.
REASONS: Final[Mapping[Table, str | None]] = {
    "receipts": "payload",
    "attempts": "attempt",
    "asks": "attempt",
    "events": "attempt",
    "runs": "identity",
    "pages": None,
}

#: How far a pass has come in a table: the last number looked at, and what a store adds of its own.
Cursor = tuple[int, int]
_BEGINNING: Final[Cursor] = (0, 0)


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """How long what is kept, in microseconds."""

    payloads: int = 30 * _DAY_US
    attempts: int = 90 * _DAY_US
    dead_letters: int = 90 * _DAY_US
    identities: int = 5 * 365 * _DAY_US


#: What the settings say unless told otherwise.
DEFAULT_KEEPING: Final = Keeping()


class Horizons(msgspec.Struct, frozen=True, kw_only=True):
    """What came before these moments (wall microseconds) may go, unless somebody needs it."""

    now: int
    payloads: int
    attempts: int
    #: Who died at this moment or later keeps what is needed to be sent once more.
    dead_letters: int
    identities: int

    def of(self, table: Table) -> int:
        """The moment that decides about a table's rows."""
        match table:
            case "receipts":
                return self.payloads
            case "attempts" | "asks" | "events":
                return self.attempts
            case "runs":
                return self.identities
            case _:
                # Free pages are given back whenever there are any.
                return self.now


def horizons(keeping: Keeping, now: int) -> Horizons:
    """What may go at ``now`` (wall microseconds)."""
    return Horizons(
        now=now,
        payloads=now - keeping.payloads,
        attempts=now - keeping.attempts,
        dead_letters=now - keeping.dead_letters,
        identities=now - keeping.identities - SLACK_US,
    )


def forgotten_before(keeping: Keeping, now: int) -> int:
    """A run that ended before this moment may have been forgotten: nobody knows whether it is a repeat."""
    return now - keeping.identities


def forgotten_since(keeping: Keeping, now: int) -> str:
    """The same as a text of :mod:`relay.core.moment`, all of which are as long: they compare as times do."""
    return text_of(forgotten_before(keeping, now))


class PassStep(msgspec.Struct, frozen=True, kw_only=True):
    """One small piece of a pass."""

    table: Table
    after: Cursor
    horizons: Horizons

    @property
    def before(self) -> int:
        """Rows that are older than this moment may go."""
        return self.horizons.of(self.table)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What a step has done."""

    forgotten: int = 0
    #: Where to go on in this table; None when it has been looked through.
    after: Cursor | None = None
    #: Whether somebody else forgets just now, or holds what should go: enough for this pass.
    given_way: bool = False


class Look(msgspec.Struct, frozen=True):
    """What a step found ahead."""

    #: The last number to be judged in this step.
    upto: int
    #: Whether any of them is old enough.
    is_due: bool
    #: Whether the table has been looked through with this.
    is_last: bool


def begin(keeping: Keeping, now: int) -> PassStep:
    """The first step of a pass."""
    return PassStep(table=ORDER[0], after=_BEGINNING, horizons=horizons(keeping, now))


def following(step: PassStep, progress: Progress) -> PassStep | None:
    """The step after this one; None when the pass is over."""
    if progress.given_way:
        return None
    if progress.after is not None:
        return msgspec.structs.replace(step, after=progress.after)
    rest = ORDER[ORDER.index(step.table) + 1 :]
    if not rest:
        return None
    return msgspec.structs.replace(step, table=rest[0], after=_BEGINNING)


def look(step: PassStep, rows: Sequence[tuple[int, int, int]]) -> Look:
    """Judge the next rows of a table (number, moment, bytes), which came in about this order.

    The first stretch without anything old is the last. One that is from the future alone is not: a clock that
    once stood wrong must not keep everything for ever.
    """
    taken: list[tuple[int, int]] = []
    weight = 0
    for number, moment, size in rows:
        weight += size
        if taken and weight > WEIGHT:
            break
        taken.append((number, moment))
    is_due = any(moment < step.before for _, moment in taken)
    is_young = any(step.before <= moment <= step.horizons.now for _, moment in taken)
    return Look(
        upto=taken[-1][0] if taken else step.after[0],
        is_due=is_due,
        is_last=(len(taken) == len(rows) < ROWS) or (is_young and not is_due),
    )


def rest_s(took_s: float) -> float:
    """How long to leave the store alone after a step that took so long."""
    return min(_REST_MAX_S, max(_REST_MIN_S, took_s * _REST))
