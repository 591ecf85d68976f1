"""Run: what is known of one run or batch, and what one more callback makes of it.

Owns the decision that is the heart of the relay: first, duplicate, stale or conflict; event now, or
waiting for the truth. Pure, so order and repetition of callbacks can be tried out by the million.
Knows nothing of rows, routes or the upstream's API.
"""

from enum import Enum

import msgspec

from relay.core.callback import Problem, Reading
from relay.core.identity import Outcome

__all__ = [
    "CLIENT_REF_CONFLICT",
    "NOTHING",
    "NOT_ENRICHED",
    "OUTCOME_CONFLICT",
    "Known",
    "Publication",
    "Ruling",
    "Verdict",
    "Waiting",
    "judge",
]

CLIENT_REF_CONFLICT: Problem = "client_ref_conflict"
OUTCOME_CONFLICT: Problem = "outcome_conflict"
#: Complete, and yet the source wants to know what only the API tells.
NOT_ENRICHED: Problem = "not_enriched"
#: What no further callback settles, only the truth.
_CONFLICTS = frozenset({CLIENT_REF_CONFLICT, OUTCOME_CONFLICT})


class Verdict(Enum):
    """What a receipt is to its run; the ledger counts each."""

    FIRST = "first"
    DUPLICATE = "duplicate"
    #: Speaks of a state that the run has left behind.
    STALE = "stale"
    #: Contradicts what is known: both are kept, and the truth is asked for.
    CONFLICT = "conflict"
    QUARANTINED = "quarantined"
    #: No callback: what the API answered, kept where an event was built from it.
    TOLD = "told"


class Waiting(msgspec.Struct, frozen=True):
    """An opened outcome that is not an event yet: the truth must be asked for."""

    #: The terminal outcome that signed bytes name; None when they name none.
    outcome: Outcome | None
    reasons: tuple[Problem, ...]
    #: Whether the time for an answer has passed; it is still asked for, hours apart.
    held: bool = False


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the relay knows of a run. ``outcome`` and ``revision`` are those of its last event."""

    client_ref: str | None = None
    outcome: Outcome | None = None
    revision: int = 0
    waiting: Waiting | None = None


#: Of a run that was never heard of.
NOTHING = Known()


class Publication(msgspec.Struct, frozen=True):
    """An event to be made from the callback at hand."""

    outcome: Outcome
    revision: int
    confirmed: bool


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from one callback."""

    verdict: Verdict
    known: Known
    publication: Publication | None = None
    #: Whether this callback opened an outcome (ledger, equation b).
    opened: bool = False


def judge(known: Known, reading: Reading) -> Ruling:
    """Decide what ``reading`` is to a run of which ``known`` is known."""
    if known is NOTHING or (known.outcome is None and known.waiting is None):
        return _first(reading)
    if _contradicts_ref(known, reading):
        also = (OUTCOME_CONFLICT,) if _contradicts_outcome(known, reading) else ()
        return _conflict(known, reading, CLIENT_REF_CONFLICT, *also)
    known = _learn_ref(known, reading)
    if reading.is_open:
        return Ruling(verdict=Verdict.STALE, known=known)
    if known.outcome is None:
        return _while_waiting(known, reading)
    if reading.outcome in (None, known.outcome):
        return Ruling(verdict=Verdict.DUPLICATE, known=known)
    return _conflict(known, reading, OUTCOME_CONFLICT)


def _first(reading: Reading) -> Ruling:
    if reading.outcome is None or reading.problems:
        waiting = Waiting(reading.outcome, reading.problems)
        return Ruling(
            verdict=Verdict.FIRST,
            known=Known(client_ref=reading.client_ref, waiting=waiting),
            opened=True,
        )
    return Ruling(
        verdict=Verdict.FIRST,
        known=Known(client_ref=reading.client_ref, outcome=reading.outcome, revision=1),
        publication=Publication(reading.outcome, revision=1, confirmed=True),
        opened=True,
    )


def _while_waiting(known: Known, reading: Reading) -> Ruling:
    """No event yet. A complete callback that contradicts nothing is the truth waited for."""
    waiting = known.waiting
    named = waiting.outcome if waiting else None
    if reading.outcome is None:
        return Ruling(verdict=Verdict.DUPLICATE, known=known)
    if named not in (None, reading.outcome):
        return _conflict(known, reading, OUTCOME_CONFLICT)
    reasons = waiting.reasons if waiting else ()
    contested = not _CONFLICTS.isdisjoint(reasons)
    if reading.problems == (NOT_ENRICHED,) and not contested:
        # Whole but for what callbacks never carry, whatever came before it.
        reasons = reading.problems
    if reading.problems or contested:
        # Held for want of any word on how it ended, which has come now: it is asked anew, with all the time again.
        held = waiting is not None and waiting.held and named is not None
        return Ruling(
            verdict=Verdict.DUPLICATE,
            known=msgspec.structs.replace(
                known, waiting=Waiting(reading.outcome, reasons, held=held)
            ),
        )
    revision = known.revision + 1
    return Ruling(
        verdict=Verdict.DUPLICATE,
        known=Known(
            client_ref=known.client_ref, outcome=reading.outcome, revision=revision
        ),
        publication=Publication(reading.outcome, revision, confirmed=True),
    )


def _conflict(known: Known, reading: Reading, *problems: Problem) -> Ruling:
    """Keep both, ask for the truth. An outcome is opened unless one is waiting already."""
    reasons = (*reading.problems, *problems)
    if known.waiting is None:
        return Ruling(
            verdict=Verdict.CONFLICT,
            known=msgspec.structs.replace(
                known, waiting=Waiting(reading.outcome, reasons)
            ),
            opened=True,
        )
    merged = tuple(dict.fromkeys((*known.waiting.reasons, *reasons)))
    return Ruling(
        verdict=Verdict.CONFLICT,
        known=msgspec.structs.replace(
            known, waiting=Waiting(known.waiting.outcome or reading.outcome, merged)
        ),
    )


def _contradicts_ref(known: Known, reading: Reading) -> bool:
    return (
        known.client_ref is not None
        and reading.client_ref is not None
        and known.client_ref != reading.client_ref
    )


def _contradicts_outcome(known: Known, reading: Reading) -> bool:
    named = known.outcome or (known.waiting.outcome if known.waiting else None)
    return None not in (named, reading.outcome) and named is not reading.outcome


def _learn_ref(known: Known, reading: Reading) -> Known:
    if known.client_ref is None and reading.client_ref is not None:
        return msgspec.structs.replace(known, client_ref=reading.client_ref)
    return known
