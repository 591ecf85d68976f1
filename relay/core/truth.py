"""Truth: what the upstream's own answer makes of a run.

Owns the second door beside :func:`relay.core.run.judge`: an answer of the API ends an inquiry, makes the
event that was missing, or revises the one that was wrong; and what to do when no answer comes in time.
Pure. Knows nothing of how the upstream is asked, or of when.
"""

from typing import Literal, NamedTuple

import msgspec

from relay.core.callback import Reading
from relay.core.identity import Outcome
from relay.core.likeness import same_moment, same_output
from relay.core.run import (
    NOT_ENRICHED,
    OUTCOME_CONFLICT,
    Known,
    Publication,
)

__all__ = ["Finding", "OnUnconfirmed", "Unconfirmed", "give_up", "learn"]

OnUnconfirmed = Literal["publish", "hold"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from an answer."""

    known: Known
    publication: Publication | None = None
    #: Whether the answer opened an outcome that nothing had opened before (ledger, equation b).
    opened: bool = False
    #: Whether an opened outcome ends without an event: it was not true, or nothing new.
    closed: bool = False
    #: What the answer says differently from the last event, by field; empty on a first event.
    changes: tuple[str, ...] = ()


def learn(known: Known, told: Reading, last: Reading | None) -> Finding:
    """Decide what a terminal answer of the API is to a run of which ``known`` is known.

    ``told`` is the answer, filled up with what a callback said where it is silent; ``last`` is what the
    run's last event was built from, None where there is none (any more).
    """
    if told.outcome is None:
        raise ValueError("a terminal answer names an outcome")
    changes = () if known.outcome is None else _changes(known, told, last)
    client_ref = told.client_ref if told.client_ref is not None else known.client_ref
    if known.outcome is not None and not changes:
        return Finding(
            known=msgspec.structs.replace(known, client_ref=client_ref, waiting=None),
            closed=known.waiting is not None,
        )
    revision = known.revision + 1
    return Finding(
        known=Known(client_ref=client_ref, outcome=told.outcome, revision=revision),
        publication=Publication(told.outcome, revision, confirmed=True),
        opened=known.waiting is None,
        changes=changes,
    )


class Unconfirmed(NamedTuple):
    """What becomes of a run that the API did not confirm in time."""

    known: Known
    publication: Publication | None
    #: Whether to ask again, hours later.
    in_doubt: bool


def give_up(known: Known, on_unconfirmed: OnUnconfirmed) -> Unconfirmed:
    """Decide what follows when the API has not answered within the deadline.

    Only a run of which signed bytes name one outcome, and which has no event yet, is published: of two
    outcomes that contradict each other neither is more likely, and the one that went out stands.
    """
    waiting = known.waiting
    if waiting is None:
        return Unconfirmed(known, None, in_doubt=False)
    named = waiting.outcome
    contested = OUTCOME_CONFLICT in waiting.reasons
    if (
        on_unconfirmed == "hold"
        or named is None
        or contested
        or known.outcome is not None
    ):
        held = msgspec.structs.replace(waiting, held=True)
        return Unconfirmed(
            msgspec.structs.replace(known, waiting=held), None, in_doubt=True
        )
    # What was asked for only to be richer is whole without it.
    confirmed = waiting.reasons == (NOT_ENRICHED,)
    revision = known.revision + 1
    return Unconfirmed(
        Known(client_ref=known.client_ref, outcome=named, revision=revision),
        Publication(named, revision, confirmed=confirmed),
        in_doubt=not confirmed,
    )


def _changes(known: Known, told: Reading, last: Reading | None) -> tuple[str, ...]:
    """What makes a new revision: another outcome, or other content of the same one."""
    if told.outcome is not known.outcome:
        return ("status",)
    found = []
    if told.client_ref is not None and told.client_ref != known.client_ref:
        found.append("client_ref")
    if last is None:
        return tuple(found)
    if told.outcome is Outcome.OTHER and _word(told) != _word(last):
        found.append("status")
    if not same_moment(told.completed_at, last.completed_at):
        found.append("completed_at")
    if not same_output(told.output, last.output):
        found.append("output")
    if told.failure is not None and told.failure != last.failure:
        found.append("failure")
    # Whichever callback came first, an answer ends in the same event: what the last one lacked is news.
    found += [
        name
        for name in ("created_at", "duration_ms", "metadata")
        if getattr(last, name) is None and getattr(told, name) is not None
    ]
    return tuple(found)


def _word(reading: Reading) -> str:
    return (reading.status_raw or "").strip().lower()
