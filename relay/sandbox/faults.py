"""What becomes of each run, and what goes wrong with its callback: chance, by seed.

Owns the shares a user may ask for (`Faults`) and the fate of a run that follows from
them (`Fate`). Pure: the same seed, number and shares give the same fate whatever else
happens and whenever. Knows nothing of time, HTTP or how a payload is written.
"""

import random
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final, Literal

__all__ = ["NO_FAULTS", "Copy", "Fate", "Faults", "Flaw", "Outcome", "fate", "stream"]


class Outcome(StrEnum):
    """How a run ends; the value is the ``status_code`` with the enums' spelling."""

    SUCCEEDED = "succeeded"
    PARTIAL_SUCCEEDED = "partial_succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def event(self) -> str:
        """The callback's ``event``: success is ``run.completed``, two l's always."""
        return "run.completed" if self is Outcome.SUCCEEDED else f"run.{self.value}"


class Flaw(StrEnum):
    """What a partial callback lacks."""

    NO_OUTPUT = "no_output"
    NULL_OUTPUT = "null_output"
    NO_STATUS = "no_status"
    NULL_STATUS = "null_status"
    NO_COMPLETED_AT = "no_completed_at"
    NULL_COMPLETED_AT = "null_completed_at"

    @property
    def field(self) -> str:
        """The field of the payload that is absent or null."""
        return self.value.split("_", 1)[1]

    @property
    def absent(self) -> bool:
        """Whether the field is left out (else it is there and null)."""
        return self.value.startswith("no_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The shares (0 to 1) of what goes wrong, and of the ways in which runs end.

    Attributes:
        drop: Of single tries to deliver, how many are lost: counted, never sent. The
            last try of a delivery is never lost, so that every callback can arrive.
        double: Of callbacks, how many are sent a second time after the first is settled:
            the same bytes, or a body built afresh (``client_ref`` comes or goes).
        partial: Of callbacks, how many lack a field that a consumer needs (or have it
            null). Every try and copy of such a callback lacks the same.
        failed: Of runs, how many fail.
        cancelled: Of runs, how many are cancelled.
        partial_succeeded: Of runs, how many succeed in part.
        spelling: How a cancelled run's status is spelt; the documents have both.
    """

    drop: float = 0.0
    double: float = 0.0
    partial: float = 0.0
    failed: float = 0.0
    cancelled: float = 0.0
    partial_succeeded: float = 0.0
    spelling: Literal["both", "cancelled", "canceled"] = "both"

    def __post_init__(self) -> None:
        """Refuse what is no share.

        Raises:
            ValueError: A share is outside 0 to 1, the outcomes exceed the whole, or the
                spelling is a third one.
        """
        for field in fields(self):
            share = getattr(self, field.name)
            if isinstance(share, int | float) and not 0 <= share <= 1:
                raise ValueError(
                    f"{field.name} must be a share from 0 to 1, not {share}"
                )
        if self.failed + self.cancelled + self.partial_succeeded > 1 + 1e-9:
            raise ValueError(
                "failed, cancelled and partial_succeeded exceed 1 together"
            )
        if self.spelling not in _SPELLINGS:
            raise ValueError(f"spelling must be both or one of {_SPELLINGS['both']}")


_SPELLINGS: Final = {
    "both": ("cancelled", "canceled"),
    "cancelled": ("cancelled",),
    "canceled": ("canceled",),
}
NO_FAULTS: Final = Faults()


@dataclass(frozen=True, slots=True)
class Copy:
    """One delivery of a run's callback.

    Attributes:
        client_ref: Whether the body names ``client_ref`` (the documents disagree).
        dropped: The numbers of the tries, from 1, that are lost.
    """

    client_ref: bool
    dropped: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """All that chance decides of one run before it begins.

    Attributes:
        outcome: How it ends.
        status: The same as the record and the callback spell it.
        span: Where its length lies between the shortest (0) and the longest (1).
        flaw: What its callback lacks; None where it is whole.
        copies: Its deliveries, one or two.
    """

    outcome: Outcome
    status: str
    span: float
    flaw: Flaw | None
    copies: tuple[Copy, ...]


def stream(seed: int, number: int, aspect: str) -> random.Random:
    """The dice of one aspect of one run.

    Each aspect has its own, so that more of one fault does not change the others.

    Args:
        seed: The sandbox's.
        number: The run's place in the order of creation, from 1.
        aspect: What is decided by them.
    """
    return random.Random(f"{seed}/{number}/{aspect}")  # noqa: S311 - faults, not secrets


def fate(seed: int, number: int, faults: Faults, *, tries_max: int) -> Fate:
    """What becomes of the run with this number.

    Args:
        seed: The sandbox's.
        number: The run's place in the order of creation, from 1.
        faults: The shares.
        tries_max: How many tries a delivery has; the last is never dropped.
    """
    outcome = _outcome(stream(seed, number, "outcome").random(), faults)
    spelling = stream(seed, number, "spelling").choice(_SPELLINGS[faults.spelling])
    return Fate(
        outcome=outcome,
        status=spelling if outcome is Outcome.CANCELLED else outcome.value,
        span=stream(seed, number, "span").random(),
        flaw=_flaw(stream(seed, number, "partial"), outcome, faults.partial),
        copies=_copies(seed, number, faults, tries_max),
    )


def _outcome(throw: float, faults: Faults) -> Outcome:
    below = 0.0
    for outcome in (Outcome.FAILED, Outcome.CANCELLED, Outcome.PARTIAL_SUCCEEDED):
        below += getattr(faults, outcome.value)
        if throw < below:
            return outcome
    return Outcome.SUCCEEDED


def _flaw(dice: random.Random, outcome: Outcome, share: float) -> Flaw | None:
    if dice.random() >= share:
        return None
    flaws = list(Flaw)
    if outcome is not Outcome.SUCCEEDED:
        # a null output is no flaw where null may be the truth
        flaws = [flaw for flaw in flaws if flaw.field != "output"]
    return dice.choice(flaws)


def _copies(seed: int, number: int, faults: Faults, tries_max: int) -> tuple[Copy, ...]:
    dice = stream(seed, number, "copies")
    named, doubled, same = dice.random() < 0.5, dice.random(), dice.random() < 0.5
    names = [named]
    if doubled < faults.double:
        names.append(named if same else not named)
    drops = stream(seed, number, "drop")
    return tuple(
        Copy(
            name,
            frozenset(n for n in range(1, tries_max) if drops.random() < faults.drop),
        )
        for name in names
    )
