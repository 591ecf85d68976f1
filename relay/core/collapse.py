"""Collapse: of several successes under one ``client_ref`` one is told, where a source wants it so.

Owns who is told, who stands back, and what becomes of those who stood back once the one that was told
proves to have been no success. Pure. Knows nothing of rows, or of where events go.

Only runs collapse: Runflow keeps no ``client_ref`` with a batch but with each of its items (``POST
/v1/models/{owner}/{slug}/batches``), so that one which a batch's callback shows is no key of an order.
"""

from enum import Enum
from typing import Final, NamedTuple

import msgspec

from relay.core.callback import Problem
from relay.core.identity import Kind, Outcome, RunKey
from relay.core.run import Known, Publication, Waiting

__all__ = [
    "COLLAPSED",
    "RELEASED",
    "Course",
    "Freed",
    "claim_of",
    "is_collapsed",
    "release",
    "stand_back",
    "weigh",
]

#: Why a success has no event: another one under its ``client_ref`` was told before.
COLLAPSED: Final[Problem] = "collapsed"
#: Why it is asked for: it is to be told after all, and its callback has been forgotten.
RELEASED: Final[Problem] = "released"


class Course(Enum):
    """What becomes of a run that would be published."""

    #: It is told, and the ``client_ref`` stays with whoever has it.
    PUBLISH = "publish"
    #: It is told, and the ``client_ref`` is its own.
    WIN = "win"
    #: It is not told: another success has the ``client_ref``.
    COLLAPSE = "collapse"


class Freed(NamedTuple):
    """What becomes of a run that stood back and no longer has to."""

    known: Known
    #: None where nothing is left that an event could be built from.
    publication: Publication | None
    #: Whether one of two outcomes that were open ends without an event.
    closed: bool


def claim_of(key: RunKey, known: Known) -> str | None:
    """The ``client_ref`` that a run in this state may have for its own; None where it may have none."""
    if key.kind is not Kind.RUN:
        return None
    awaited = known.waiting is not None and RELEASED in known.waiting.reasons
    if known.outcome is not Outcome.SUCCEEDED and not awaited:
        return None
    # An empty one is nobody's key.
    return known.client_ref or None


def is_collapsed(known: Known) -> bool:
    """Whether a run stands back: its end is known, and no event of it was made."""
    return known.outcome is not None and known.revision == 0


def weigh(
    claim: str | None, publication: Publication, *, run: int, winner: int | None
) -> Course:
    """Decide about a run that would be published, and whose ``client_ref`` ``winner`` has.

    Of a run that an event was made of, every revision is told: who has heard of it must hear how it
    goes on. So a winner that was revised away from success and back again is told, and does not get its
    ``client_ref`` back from whoever was released meanwhile.
    """
    if claim is None:
        return Course.PUBLISH
    if winner is None or winner == run:
        return Course.WIN
    return Course.PUBLISH if publication.revision > 1 else Course.COLLAPSE


def stand_back(known: Known) -> Known:
    """What is known of a run that would have been published, and was not."""
    return msgspec.structs.replace(known, revision=0)


def release(known: Known, *, confirmed: bool, is_readable: bool) -> Freed:
    """Decide about a run that stood back, now that its ``client_ref`` is its own.

    Where what it said has been forgotten (``retention.payloads``), the upstream is asked again: it waits
    for the truth as a partial callback would.
    """
    if known.outcome is None:
        raise ValueError("a run that stood back has ended")
    if is_readable:
        publication = Publication(known.outcome, revision=1, confirmed=confirmed)
        return Freed(
            msgspec.structs.replace(known, revision=1), publication, closed=False
        )
    before = known.waiting
    waiting = Waiting(
        before.outcome if before and before.outcome else known.outcome,
        (*(before.reasons if before else ()), RELEASED),
    )
    # A question that was open already is the same question now: one answer ends both.
    after = msgspec.structs.replace(known, outcome=None, waiting=waiting)
    return Freed(after, None, closed=before is not None)
