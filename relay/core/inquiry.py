"""Inquiry: asking the upstream how one run ended, and every move that this can make.

Owns what the upstream can answer, when it is asked again, and what follows when the time is up. Pure:
time is passed in, jitter is derived from the run. Knows nothing of how it is asked, or where the
inquiry is kept.

Backoff is exponential with full jitter, as Runflow's page on errors asks (1, 2, 4 ... capped at 32 s).
"""

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import msgspec

from relay.core.delivery import HOUR, SECOND
from relay.core.identity import Outcome, RunKey
from relay.core.moment import moment_us
from relay.core.route import Router
from relay.core.snapshot import Snapshot
from relay.core.truth import OnUnconfirmed

__all__ = [
    "AGAIN_AFTER",
    "NEVER",
    "NO_CALLBACK",
    "OTHER_OUTCOME",
    "AskPolicy",
    "Asked",
    "Conclude",
    "Ended",
    "GiveUp",
    "Heard",
    "Inquiry",
    "InquiryState",
    "Lesson",
    "Let",
    "Postpone",
    "Release",
    "Sighting",
    "Silent",
    "Told",
    "Unended",
    "after_redelivery",
    "next_move",
    "wants_redelivery",
]

#: Waits after an ask without an answer, in microseconds.
BACKOFF_FIRST: Final = 1 * SECOND
BACKOFF_MAX: Final = 32 * SECOND
#: A run that goes on is looked at more and more seldom.
WATCH_MAX: Final = 10 * 60 * SECOND
#: How long a callback that was asked for once more may be on its way.
REDELIVERY_WAIT: Final = 120 * SECOND
#: Why a run is watched that a sweep has seen and nobody has told of.
NO_CALLBACK: Final = "no_callback"
#: And one that has an event, of which the list says something else.
OTHER_OUTCOME: Final = "other_outcome"
#: When what is left to a person is due, wall microseconds.
NEVER: Final = 1 << 62
#: How long who is not to be asked about now is left, until somebody may be asked again.
UNASKED: Final = 10 * 60 * SECOND
#: When a run that could not be confirmed in time is asked for again, after the deadline.
AGAIN_AFTER: Final = (1 * HOUR, 6 * HOUR, 24 * HOUR, 72 * HOUR)


class InquiryState(IntEnum):
    """What an inquiry is about; stores keep the number."""

    #: An outcome was opened, and no event made: the truth is being asked for.
    WAITING = 1
    #: The same after the deadline: asked again hours apart, then left to a person.
    HELD = 2
    #: An event went out unconfirmed; it is asked for hours apart, then left as it is.
    DOUBTFUL = 3
    #: Seen by a sweep: running, or ended without a callback so far.
    WATCHED = 4


class Inquiry(msgspec.Struct, frozen=True, kw_only=True):
    """One claimed inquiry in this process's hands. Times are wall microseconds."""

    #: The store's number of the run.
    run: int
    #: The lease under which it was claimed; concluding compares it.
    lease: int
    key: RunKey
    state: InquiryState
    #: The outcome that signed bytes name, and why it is not believed yet.
    outcome: Outcome | None
    reasons: tuple[str, ...]
    opened_at: int
    #: Asks made so far; after the deadline, those made hours apart.
    asks: int
    #: Bodies of the run's callbacks.
    bodies: tuple[bytes, ...] = ()


class Told(msgspec.Struct, frozen=True):
    """The API says how it ended."""

    snapshot: Snapshot


class Unended(msgspec.Struct, frozen=True):
    """The API says that it goes on."""

    status: str


class Silent(msgspec.Struct, frozen=True, kw_only=True):
    """No answer that could be believed.

    ``reason`` is a closed word (``not_found``, ``rate_limited``, ``timeout`` ...); ``of_source`` says that
    it is a fault of the API as a whole, or of our access to it, and not of this run.
    """

    reason: str
    of_source: bool
    detail: str = ""
    status: int | None = None
    retry_after_us: int | None = None


Heard = Told | Unended | Silent


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One ask, as it is remembered."""

    at: int
    duration_us: int
    #: ``told``, ``unended``, or the reason of a silence.
    answer: str
    status: int | None = None
    detail: str = ""


class Conclude(msgspec.Struct, frozen=True):
    """The truth is known."""

    snapshot: Snapshot


class Postpone(msgspec.Struct, frozen=True):
    """Ask again then. What counts has been asked; the rest is as if it had not."""

    due_at: int
    counts: bool = True


class Ended(msgspec.Struct, frozen=True):
    """What was watched has just ended: its callback may be on its way until then."""

    outcome: Outcome
    due_at: int


class GiveUp(msgspec.Struct, frozen=True):
    """The deadline has passed: publish unconfirmed or hold, and ask again then."""

    due_at: int


class Let(msgspec.Struct, frozen=True):
    """Ask no more; it stays as it is."""


class Release(msgspec.Struct, frozen=True):
    """It was not asked at all (the process stops, the API went away): as if it had never been claimed."""


Move = Conclude | Postpone | Ended | GiveUp | Let


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPolicy:
    """How one source is asked. Times in microseconds."""

    #: Without anybody to ask, every deadline has passed.
    asks: bool = True
    #: How long an opened outcome waits for the truth.
    deadline: int = 15 * 60 * SECOND
    on_unconfirmed: OnUnconfirmed = "publish"
    #: Whether the upstream is asked to send a callback that never came once more, before it is asked how
    #: the run ended.
    redeliver: bool = False
    #: How long the callback of a run that has ended may be on its way.
    grace: int = 300 * SECOND
    #: How soon a run that goes on is looked at again, at first.
    watch_every: int = 30 * SECOND
    #: How long a run that goes on is watched.
    watch_for: int = 7 * 24 * HOUR


def next_move(inquiry: Inquiry, heard: Heard, policy: AskPolicy, *, now: int) -> Move:
    """Decide what follows an answer, or the lack of one, at ``now``."""
    if isinstance(heard, Told):
        return _told(inquiry, heard.snapshot, policy, now)
    if not policy.asks:
        return _unasked(inquiry, now)
    match inquiry.state:
        case InquiryState.WAITING:
            return _before_deadline(inquiry, heard, policy, now)
        case InquiryState.WATCHED:
            return _watching(inquiry, heard, policy, now)
        case _:
            return _hours_later(inquiry, heard, now)


def _unasked(inquiry: Inquiry, now: int) -> Move:
    """Nobody may be asked. That can change: what has no event yet is kept until then."""
    match inquiry.state:
        case InquiryState.WAITING:
            return GiveUp(now)
        case InquiryState.DOUBTFUL:
            return Let()
        case _:
            return Postpone(now + UNASKED, counts=False)


def _told(inquiry: Inquiry, snapshot: Snapshot, policy: AskPolicy, now: int) -> Move:
    if inquiry.state is not InquiryState.WATCHED or inquiry.outcome is not None:
        return Conclude(snapshot)
    ended = moment_us(snapshot.wire.completed_at)
    late = now if ended is None else min(ended, now) + policy.grace
    if late > now or policy.redeliver:
        return Ended(snapshot.outcome, max(late, now))
    return Conclude(snapshot)


def wants_redelivery(inquiry: Inquiry, policy: AskPolicy) -> bool:
    """Whether to ask for the signed original first: of what has ended without one, and once."""
    return (
        policy.redeliver
        and NO_CALLBACK in inquiry.reasons
        and inquiry.state is InquiryState.WATCHED
        and inquiry.outcome is not None
        and inquiry.asks == 0
    )


def after_redelivery(inquiry: Inquiry, silence: Silent | None, *, now: int) -> Postpone:
    """When to ask how it ended, should the callback still not have come.

    Where the API as a whole did not answer, the callback is asked for again.
    """
    if silence is not None and silence.of_source:
        return Postpone(now + _wait(inquiry, silence, BACKOFF_MAX), counts=False)
    return Postpone(now + REDELIVERY_WAIT)


def _before_deadline(
    inquiry: Inquiry, heard: Unended | Silent, policy: AskPolicy, now: int
) -> Move:
    deadline = inquiry.opened_at + policy.deadline
    if now >= deadline:
        return GiveUp(now + AGAIN_AFTER[0])
    wait = _wait(inquiry, heard, BACKOFF_MAX)
    # Once more at the deadline itself: who was too early by a second is not left for an hour.
    return Postpone(min(now + wait, max(deadline, now + SECOND)))


def _hours_later(inquiry: Inquiry, heard: Unended | Silent, now: int) -> Move:
    if isinstance(heard, Silent) and heard.of_source and heard.retry_after_us:
        # The API has not been asked at all, so to say.
        return Postpone(now + heard.retry_after_us, counts=False)
    if inquiry.asks + 1 >= len(AGAIN_AFTER):
        return Let()
    return Postpone(now + AGAIN_AFTER[inquiry.asks + 1] - AGAIN_AFTER[inquiry.asks])


def _watching(
    inquiry: Inquiry, heard: Unended | Silent, policy: AskPolicy, now: int
) -> Move:
    if now - inquiry.opened_at >= policy.watch_for:
        return Let()
    if isinstance(heard, Unended):
        wait = min(policy.watch_every << min(inquiry.asks, 10), WATCH_MAX)
        return Postpone(now + max(wait // 2, round(wait * _unit(inquiry))))
    return Postpone(now + _wait(inquiry, heard, WATCH_MAX))


def _wait(inquiry: Inquiry, heard: Unended | Silent, longest: int) -> int:
    base = min(BACKOFF_FIRST << min(inquiry.asks, 20), longest)
    # Full jitter, but never at once: an API that answers instantly would be asked in a circle.
    wait = max(base // 4, round(base * _unit(inquiry)))
    if isinstance(heard, Silent) and heard.retry_after_us is not None:
        wait = max(wait, heard.retry_after_us)
    return wait


def _unit(inquiry: Inquiry) -> float:
    """A number in [0, 1) that is the same for the same ask on every machine."""
    key = inquiry.key
    seed = f"{key.source}\n{key.kind.value}\n{key.id}\n{inquiry.asks}".encode()
    digest = hashlib.blake2b(seed, digest_size=8).digest()
    return int.from_bytes(digest, "big") / (1 << 64)


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """What one ask came to, to be written if the lease still holds."""

    inquiry: Inquiry
    asked: Asked | None
    #: What an event is built from; None where no answer was believed.
    document: bytes | None = None
    #: What becomes of the inquiry without one.
    move: Postpone | Ended | GiveUp | Let | Release = Release()
    on_unconfirmed: OnUnconfirmed = "publish"
    #: Whether it stands back behind an earlier success under its ``client_ref``.
    collapses: bool = False
    #: The routes in force.
    router: Router
    at: int


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """A run or batch that a sweep has come upon, to be asked for where the relay has no event of it."""

    key: RunKey
    #: How it ended, as the list has it; None while it goes on.
    outcome: Outcome | None
    #: When to ask.
    due_at: int
    at: int
