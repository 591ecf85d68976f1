"""Health: what a destination's tries say about it in the long run, and when the relay stops by itself.

Owns the two ways in which the relay holds a destination unasked: it is *disabled* when it says that it is
gone (410), or after days of nothing but failures, and *paused* (the brake) when one delivery after the
other fails for a reason that no later try mends, so that a wrong deploy over there does not empty the
backlog into the dead letters. Pure: time is passed in. Whether it works at this moment is the gate's.

Standard Webhooks 1.0.0 ("Deliverability and reliability") asks for a disable after multiple days; 410 is
its sign that an endpoint wants no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from relay.core.delivery import (
    HOUR,
    SECOND,
    Delivered,
    Failed,
    Fault,
    Outcome,
    Queue,
    Refused,
    Released,
)
from relay.core.holding import Condition, HoldKind, Note
from relay.core.steady import STEP_US

__all__ = [
    "BRAKE",
    "DISABLE_AFTER",
    "Health",
    "HealthPolicy",
    "Ruling",
    "Unwell",
    "adopt",
    "judge_health",
    "note_of",
]

#: Why the relay holds a destination by itself.
Unwell = Literal["gone", "failing", "brake"]

DISABLE_AFTER: Final = 5 * 24 * HOUR
BRAKE: Final = 50
#: Shares of that time after which somebody is warned.
_WARNINGS: Final = (0.2, 0.6, 0.8)
#: A silence longer than the longest wait of the ladder says nothing: what fails after it begins anew.
_SILENCE: Final = 36 * HOUR
#: So long a process has to hear failures itself, whatever it was told of those before its time.
_OWN: Final = HOUR
#: So long it must have failed to be remembered, and so often it is remembered that it works.
_NOTED: Final = 60 * SECOND
#: So often it is remembered that it still fails: whoever starts next must know a silence when there was one.
_AGAIN: Final = HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPolicy:
    """When the relay stops by itself."""

    #: After so many microseconds of nothing but failures; None for never.
    disable_after: int | None = DISABLE_AFTER
    #: After so many permanent failures in a row; None for never.
    brake: int | None = BRAKE


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What one process has heard of a destination. Times are wall microseconds."""

    #: The first failure since the last success, in whatever process.
    failing_since: int | None = None
    #: The first and the last failure since then that this process has heard of.
    heard_since: int | None = None
    failed_at: int | None = None
    #: When it last worked, as far as this process has seen; it may have failed since.
    worked_at: int | None = None
    #: Permanent failures in a row.
    refused: int = 0
    warned: int = 0

    @property
    def is_well(self) -> bool:
        """Whether nothing has failed since something worked."""
        return self.failing_since is None and not self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What follows from a try."""

    health: Health
    #: Why the destination is to be held, where it is.
    unwell: Unwell | None = None
    #: Which warning is due, from 1; None for none.
    warning: int | None = None

    @property
    def kind(self) -> HoldKind:
        """How it is to be held."""
        return "paused" if self.unwell == "brake" else "disabled"


def judge_health(
    health: Health,
    outcomes: Sequence[Outcome],
    *,
    queue: Queue = Queue.FIRST,
    policy: HealthPolicy,
    now: int,
) -> Ruling:
    """What the tries of one call out of ``queue`` say, all of which ended at ``now``.

    A delivery counts once for the brake, however often it is tried: by its first try, or by the refusal
    that ends it.
    """
    for outcome in outcomes:
        if isinstance(outcome, Delivered):
            health = Health(worked_at=now)
        elif not isinstance(outcome, Released):
            if isinstance(outcome, Failed) and outcome.fault is Fault.GONE:
                return Ruling(health=_failed(health, now), unwell="gone")
            health = _failed(health, now)
            # A fault of the destination says nothing about the events, one way or the other.
            if isinstance(outcome, Refused) or (
                queue is Queue.FIRST and outcome.fault is Fault.EVENT
            ):
                health = replace(health, refused=health.refused + 1)
    if policy.brake is not None and health.refused >= policy.brake:
        return Ruling(health=health, unwell="brake")
    return _ruled(health, policy, now)


def adopt(health: Health, condition: Condition, *, now: int) -> Health:
    """Believe what other processes, and those before this one, have written down.

    What was written by a clock that was ahead says nothing.
    """
    since = _past(condition.failing_since, now)
    worked_at = _past(condition.worked_at, now)
    if health.failing_since is None:
        if since is None or health.worked_at is not None:
            return health
        failed_at = _past(condition.failed_at, now)
        return replace(health, failing_since=since, failed_at=failed_at)
    if worked_at is not None and worked_at > health.failing_since:
        return Health(worked_at=health.worked_at)
    if since is None or since >= health.failing_since or _is_over(since, health):
        return health
    return replace(health, failing_since=since)


def note_of(health: Health, condition: Condition, *, now: int) -> Note | None:
    """What is to be written down of it, which is seldom anything."""
    since, worked_at = health.failing_since, health.worked_at
    written = condition.failing_since
    if since is not None:
        last = health.failed_at
        if _is_wrong(condition, health, since, now):
            return Note(
                destination=condition.name,
                failing_since=since,
                failed_at=last,
                # It has worked until then at the latest.
                worked_at=min(worked_at or since, since),
            )
        told = since == written and (
            last is None or _is_told(last, condition.failed_at or since, _AGAIN)
        )
        if told or now - since < _NOTED:
            return None
        return Note(destination=condition.name, failing_since=since, failed_at=last)
    if worked_at is None:
        return None
    before = condition.worked_at
    if written is None and before is not None and _is_told(worked_at, before, _NOTED):
        return None
    return Note(destination=condition.name, failing_since=None, worked_at=worked_at)


def _is_told(at: int, written: int, enough: int) -> bool:
    """Whether a moment is as good as written down. The clock of whoever wrote may be a little ahead."""
    return -STEP_US <= at - written < enough


def _is_wrong(condition: Condition, health: Health, since: int, now: int) -> bool:
    """Whether what is written would be believed some day, and is no longer so, however new the failure is.

    It has worked since that failure; or a clock that was ahead has written when it worked.
    """
    written, worked_at = condition.failing_since, condition.worked_at
    if worked_at is not None and _past(worked_at, now) is None:
        return True
    return written is not None and written < since and _is_over(written, health)


def _past(at: int | None, now: int) -> int | None:
    """A moment, unless it is still to come. The clock of whoever wrote it may be a little ahead."""
    return None if at is None or at > now + STEP_US else at


def _is_over(since: int, health: Health) -> bool:
    """Whether this process has seen it work after that failure."""
    return health.worked_at is not None and health.worked_at > since


def _failed(health: Health, now: int) -> Health:
    last = health.failed_at
    if _past(health.failing_since, now) is None or (
        last is not None and now - last > _SILENCE
    ):
        return replace(
            health, failing_since=now, heard_since=now, failed_at=now, warned=0
        )
    heard = now if health.heard_since is None else health.heard_since
    return replace(health, heard_since=heard, failed_at=now)


def _ruled(health: Health, policy: HealthPolicy, now: int) -> Ruling:
    after, since, heard = policy.disable_after, health.failing_since, health.heard_since
    if after is None or since is None or heard is None:
        return Ruling(health=health)
    lasted = now - since
    if lasted >= after and now - heard >= min(_OWN, after // 10):
        return Ruling(health=health, unwell="failing")
    due = sum(lasted >= share * after for share in _WARNINGS)
    if due > health.warned:
        return Ruling(health=replace(health, warned=due), warning=due)
    return Ruling(health=health)
