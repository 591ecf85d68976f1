"""Chance: what becomes of each run and of its callbacks, by seed.

Owns how a `Fate` follows from the shares that were asked for. Pure: the same seed, number and faults give the
same fate whatever else happens and whenever.
"""

import random
from dataclasses import replace
from typing import Final, Literal

from relay.sandbox.fate import Copy, Evaluation, Fate, Flaw, Outcome, Revision
from relay.sandbox.faults import PARTIAL_FIELDS, Faults

__all__ = ["batch_fate", "child_fate", "fate", "stream"]

_SPELLINGS: Final = {
    "both": ("cancelled", "canceled"),
    "cancelled": ("cancelled",),
    "canceled": ("canceled",),
}
_ISSUES: Final = (
    ("anatomy", "hands"),
    ("anatomy", "face"),
    ("text", "spelling"),
    ("product", "shape"),
)
_ENDS: Final = tuple(Outcome)


def stream(seed: int, place: int | str, aspect: str) -> random.Random:
    """The dice of one aspect of one run, or of one place.

    Each aspect has its own, so that more of one fault does not change the others.

    Args:
        seed: The sandbox's.
        place: The run's number in the order of creation, from 1; or the name of what is no run.
        aspect: What is decided by them.
    """
    return random.Random(f"{seed}/{place}/{aspect}")  # noqa: S311 - faults, not secrets


def fate(seed: int, number: int | str, faults: Faults, *, tries_max: int) -> Fate:
    """What becomes of the run with this number.

    Args:
        seed: The sandbox's.
        number: The run's place in the order of creation, from 1.
        faults: The shares.
        tries_max: How many tries a delivery has; the last is never dropped.
    """
    outcome = _outcome(stream(seed, number, "outcome").random(), faults)

    def happens(aspect: str) -> bool:
        return _happens(seed, number, aspect, faults)

    return Fate(
        outcome=outcome,
        cancelled=stream(seed, number, "spelling").choice(_SPELLINGS[faults.spelling]),
        span=stream(seed, number, "span").random(),
        flaw=_flaw(seed, number, faults, outcome),
        copies=_copies(seed, number, faults, outcome, tries_max),
        delay_s=_lateness(seed, number, faults) if happens("delay") else 0.0,
        overtaken=happens("reorder"),
        empty=outcome.gives and happens("empty_output"),
        stale_reads=faults.stale_reads if happens("stale") else 0,
        link_s=faults.link_seconds,
        revision=_revision(seed, number, faults, outcome, tries_max),
        evaluation=_evaluation(seed, number) if happens("evaluated") else None,
    )


def batch_fate(seed: int, number: int, faults: Faults, *, tries_max: int) -> Fate:
    """What becomes of a batch's callback. Its end is that of its runs, so it says the truth."""
    made = fate(seed, f"batch-{number}", faults, tries_max=tries_max)
    flaw = made.flaw
    return replace(
        made,
        outcome=Outcome.SUCCEEDED,
        flaw=flaw and replace(flaw, field=flaw.field.replace("run_id", "batch_id")),
        copies=tuple(
            replace(copy, outcome=None, client_ref="absent") for copy in made.copies
        ),
        empty=False,
        stale_reads=0,
        revision=None,
        evaluation=None,
    )


def child_fate(made: Fate) -> Fate:
    """The same for a run of a batch: it ends once, so that the batch is done when all its runs are."""
    return replace(made, revision=None)


def _happens(seed: int, number: int | str, aspect: str, faults: Faults) -> bool:
    share: float = getattr(faults, aspect)
    # most faults are not asked for, and dice take time to make
    return share > 0 and stream(seed, number, aspect).random() < share


def _lateness(seed: int, number: int | str, faults: Faults) -> float:
    return stream(seed, number, "lateness").random() * faults.delay_seconds


def _outcome(throw: float, faults: Faults) -> Outcome:
    below = 0.0
    for outcome in (Outcome.FAILED, Outcome.CANCELLED, Outcome.PARTIAL_SUCCEEDED):
        below += getattr(faults, outcome.value)
        if throw < below:
            return outcome
    return Outcome.SUCCEEDED


def _flaw(
    seed: int, number: int | str, faults: Faults, outcome: Outcome
) -> Flaw | None:
    if outcome.gives and _happens(seed, number, "null_output", faults):
        return Flaw("output", absent=False)
    if faults.partial <= 0:
        return None
    dice = stream(seed, number, "partial")
    # a null output is no flaw where null may be the truth
    asked = faults.partial_fields.split(",")
    lacking = [
        name
        for name in PARTIAL_FIELDS
        if name in asked and (name != "output" or outcome.gives)
    ]
    if dice.random() >= faults.partial or not lacking:
        return None
    return Flaw(dice.choice(lacking), absent=dice.random() < 0.5)


def _copies(
    seed: int, number: int | str, faults: Faults, outcome: Outcome, tries_max: int
) -> tuple[Copy, ...]:
    dice = stream(seed, number, "copies")
    named, doubled, same = dice.random() < 0.5, dice.random(), dice.random() < 0.5
    if faults.client_ref != "both":
        named, same = faults.client_ref == "always", True
    key = _key(stream(seed, number, "keys").random(), faults)
    drops = stream(seed, number, "drop")
    lost = _happens(seed, number, "lose", faults)

    def copy(*, names: bool) -> Copy:
        tries = frozenset(
            n for n in range(1, tries_max) if drops.random() < faults.drop
        )
        every = frozenset(range(tries_max + 1))  # with a nought: even the last
        return Copy(
            client_ref="named" if names else "absent",
            dropped=every if lost else tries,
            key=key,
        )

    first = copy(names=named)
    if _happens(seed, number, "contradict", faults):
        against = stream(seed, number, "contradicting")
        pair = [first, replace(copy(names=named), outcome=_other(against, outcome))]
        against.shuffle(pair)
        return tuple(pair)
    if _happens(seed, number, "client_ref_conflict", faults):
        second = replace(copy(names=True), client_ref="other")
        return replace(first, client_ref="named"), second
    if _happens(seed, number, "conflict", faults):
        conflicting = stream(seed, number, "conflicting")
        first = replace(first, outcome=_other(conflicting, outcome))
    if doubled >= faults.double:
        return (first,)
    second = copy(names=named if same else not named)
    return first, replace(second, outcome=first.outcome)


def _key(throw: float, faults: Faults) -> Literal["current", "old", "wrong"]:
    if throw < faults.wrong_secret:
        return "wrong"
    return "old" if throw < faults.wrong_secret + faults.old_secret else "current"


def _other(dice: random.Random, outcome: Outcome) -> Outcome:
    return dice.choice([end for end in _ENDS if end is not outcome])


def _revision(
    seed: int, number: int | str, faults: Faults, outcome: Outcome, tries_max: int
) -> Revision | None:
    if faults.revise + faults.revise_silently <= 0:
        return None
    dice = stream(seed, number, "revise")
    throw, another = dice.random(), _other(dice, outcome)
    if throw < faults.revise:
        drops = (n for n in range(1, tries_max) if dice.random() < faults.drop)
        copy = Copy(client_ref="absent", dropped=frozenset(drops))
        return Revision(outcome=another, copies=(copy,))
    if throw < faults.revise + faults.revise_silently:
        return Revision(outcome=another, copies=())
    return None


def _evaluation(seed: int, number: int | str) -> Evaluation:
    dice = stream(seed, number, "evaluation")
    passed = dice.choice((True, True, False, None))
    score = round(dice.random(), 3)
    if passed is not False:
        return Evaluation(passed=passed, score=score)
    category, subcategory = dice.choice(_ISSUES)
    return Evaluation(
        passed=False, score=score, category=category, subcategory=subcategory
    )
