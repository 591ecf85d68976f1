"""Delivery: one event on its way to one destination, and every move that it can make.

Owns the states, the outcomes of a try, the table that says which state follows, and the arithmetic
of when the next try is due. Knows nothing of how a try is made or where the row is kept.

The default ladder is the example schedule of Standard Webhooks 1.0.0 ("Deliverability and
reliability"); ``Retry-After`` may postpone a try and never bring it forward.
"""

import hashlib
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final, assert_never

import msgspec

__all__ = [
    "DEFAULT_LADDER",
    "Delivered",
    "Failed",
    "Fault",
    "Outcome",
    "Policy",
    "Queue",
    "Refused",
    "Released",
    "State",
    "Step",
    "Tried",
    "backoff_us",
    "follow",
    "longest_wait_us",
]

SECOND: Final = 1_000_000
HOUR: Final = 3600 * SECOND
#: Where there is no ladder, an event that cannot be sent as it is waits as long as a slow probe.
UNLADDERED_WAIT: Final = 30 * SECOND

#: Waits before try 1, 2, 3 ... in microseconds.
DEFAULT_LADDER: Final = tuple(
    seconds * SECOND
    for seconds in (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)


class State(IntEnum):
    """Where a delivery stands. ``PENDING`` and ``HELD`` are open, the others final."""

    PENDING = 0
    DELIVERED = 1
    HELD = 2
    DEAD = 3
    DISCARDED = 4

    @property
    def is_open(self) -> bool:
        """Whether anything can still happen to it."""
        return self in (State.PENDING, State.HELD)


class Fault(Enum):
    """Whose fault a failed try was."""

    #: This event at this destination (a 400, say): it takes a step of its ladder.
    EVENT = "event"
    #: The destination as a whole (refused, timed out, 429, 5xx): it counts towards the gate.
    DESTINATION = "destination"
    #: The destination says that it is no more (410): the gate opens at once.
    GONE = "gone"

    @property
    def is_of_destination(self) -> bool:
        """Whether it says something about the destination rather than about one event."""
        return self is not Fault.EVENT


class Queue(IntEnum):
    """In which of a destination's two queues an open delivery waits; neither waits for the other."""

    #: Never tried, as far as is known.
    FIRST = 0
    #: It has failed before, or is sent once more on purpose.
    AGAIN = 1


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """The destination has it."""

    status: int | None = None
    duration_us: int = 0


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """Not delivered, worth another try.

    ``reason`` is a closed, low-cardinality word (``timeout``, ``status_503``); ``detail`` may be
    longer, is already redacted and capped, and never carries a secret. The destination may have it
    all the same: a try that timed out is not a try that did not arrive.
    """

    reason: str
    fault: Fault
    detail: str = ""
    status: int | None = None
    retry_after_us: int | None = None
    duration_us: int = 0
    excerpt: bytes = b""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Can never be delivered as it is (blocked address, too large): straight to the dead letters."""

    reason: str
    detail: str = ""
    status: int | None = None
    duration_us: int = 0


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """Not tried at all (the process stops, the gate closed): as if it had never been claimed."""

    reason: str = "released"


Outcome = Delivered | Failed | Refused | Released


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How one destination is tried again. All times in microseconds."""

    ladder: tuple[int, ...] = DEFAULT_LADDER
    max_age: int = 7 * 24 * HOUR
    jitter: float = 0.2
    retry_after_max: int = 24 * HOUR
    #: Kafka and files have no ladder: they hold and probe, and nothing but age uses a delivery up.
    laddered: bool = True


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What the decision needs to know of the delivery that was tried."""

    created_at: int
    attempts: int
    #: Stable bytes of this delivery; jitter is derived from them, so it can be explained later.
    seed: bytes


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the delivery."""

    state: State
    due_at: int
    attempts: int
    reason: str | None


def backoff_us(policy: Policy, *, attempt: int, seed: bytes) -> int:
    """Wait before try number ``attempt`` (1 = the first), jitter included.

    After the last step of the ladder its last wait repeats. The jitter is a pure function of the
    seed and the attempt, uniform within ``policy.jitter`` either way.
    """
    base = policy.ladder[min(attempt - 1, len(policy.ladder) - 1)]
    digest = hashlib.blake2b(seed + attempt.to_bytes(4, "big"), digest_size=8).digest()
    unit = int.from_bytes(digest, "big") / (1 << 64)
    return round(base * (1 + policy.jitter * (2 * unit - 1)))


def longest_wait_us(policy: Policy, *, attempts: int, status: int | None) -> int:
    """The longest wait that :func:`follow` can give a delivery that has failed so many times.

    ``status`` is what its last try was answered, if it was: an answer may have asked for a wait.
    """
    if not policy.laddered:
        return UNLADDERED_WAIT
    base = policy.ladder[min(attempts, len(policy.ladder) - 1)]
    wait = round(base * (1 + policy.jitter))
    return wait if status is None else max(wait, policy.retry_after_max)


def follow(
    tried: Tried,
    outcome: Outcome,
    *,
    policy: Policy,
    now: int,
    gate_open: bool,
) -> Step:
    """Decide what follows a try.

    ``now`` is wall time in microseconds; ``gate_open`` says that the destination is known not to
    work, in which case its faults use up no step of the ladder. A destination that says that it is
    gone has its gate open by that.
    """
    match outcome:
        case Delivered():
            return Step(
                state=State.DELIVERED,
                due_at=now,
                attempts=tried.attempts + 1,
                reason=None,
            )
        case Refused(reason=reason):
            return Step(
                state=State.DEAD,
                due_at=now,
                attempts=tried.attempts + 1,
                reason=reason,
            )
        case Released():
            return Step(
                state=State.PENDING, due_at=now, attempts=tried.attempts, reason=None
            )
        case Failed():
            return _after_failure(
                tried, outcome, policy=policy, now=now, gate_open=gate_open
            )
        case _:
            assert_never(outcome)


def _wait(policy: Policy, *, attempt: int, seed: bytes) -> int:
    # Without a ladder and without a wait, an event at fault would be tried in a tight circle: it
    # opens no gate that could slow it down.
    if not policy.laddered:
        return UNLADDERED_WAIT
    return backoff_us(policy, attempt=attempt, seed=seed)


def _after_failure(
    tried: Tried, outcome: Failed, *, policy: Policy, now: int, gate_open: bool
) -> Step:
    if now - tried.created_at >= policy.max_age:
        return Step(
            state=State.DEAD,
            due_at=now,
            attempts=tried.attempts + 1,
            reason="expired",
        )
    blameless = outcome.fault is Fault.GONE or (
        outcome.fault is Fault.DESTINATION and (gate_open or not policy.laddered)
    )
    attempts = tried.attempts if blameless else tried.attempts + 1
    wait = 0 if blameless else _wait(policy, attempt=attempts + 1, seed=tried.seed)
    if outcome.retry_after_us is not None:
        wait = max(wait, min(outcome.retry_after_us, policy.retry_after_max))
    return Step(
        state=State.PENDING,
        due_at=now + wait,
        attempts=attempts,
        reason=outcome.reason,
    )
