"""Steady: what a wall clock that was wrong has put off for longer than anything has to wait.

Owns what a jump of the clock is, and how far ahead a delivery can be due. A clock that ran ahead and was put
right must not make anything wait until it is there again. Pure: both clocks' times are passed in.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from relay.core.delivery import Policy, Queue, longest_wait_us

__all__ = ["STEP_US", "Ahead", "Foresight", "Watch", "put_off"]

#: Microseconds; what is less is the ordinary adjusting of clocks.
STEP_US: Final = 5_000_000


class Ahead(msgspec.Struct, frozen=True):
    """A delivery that nobody has claimed and that is not due yet."""

    queue: Queue
    #: The store's number of the source.
    source: int
    due_at: int
    number: int
    attempts: int
    #: What its last try was answered; None where it has had none, or no answer.
    status: int | None
    #: When that was, wall microseconds; None unless that time has not come yet.
    tried_at: int | None


class Foresight(Protocol):
    """Who can say what is not due yet."""

    async def look_ahead(
        self, destination: str, after: Ahead | None, /, *, now: int, limit: int
    ) -> Sequence[Ahead]:
        """Unclaimed deliveries that are due later than ``now``, wall microseconds, from the place of ``after`` on.

        By queue and source, then by when they are due. Fewer than ``limit`` may come before the last one
        does; none come only after it.

        Raises:
            StoreBusyError: the store does not answer.
        """
        ...


class Watch:
    """Compares a wall clock with a monotonic one, from look to look."""

    def __init__(self) -> None:
        self._seen: tuple[int, float] | None = None

    def jumped(self, wall_us: int, monotonic_s: float) -> bool:
        """Whether the wall clock was set since the last look; True for the first, as nobody knows."""
        seen, self._seen = self._seen, (wall_us, monotonic_s)
        if seen is None:
            return True
        passed = round((monotonic_s - seen[1]) * 1_000_000)
        return abs(wall_us - seen[0] - passed) > STEP_US


def put_off(waiting: Iterable[Ahead], *, policy: Policy, now: int) -> list[Ahead]:
    """Those that wait only because a clock was ahead.

    One that was never tried waits for nothing, being due when it is made. One that was tried was not tried in
    the future, nor does it wait for longer than any wait that it can have been given.
    """
    return [one for one in waiting if _is_put_off(one, policy, now)]


def _is_put_off(one: Ahead, policy: Policy, now: int) -> bool:
    if one.queue is Queue.FIRST:
        return one.due_at > now
    # The clock of whoever wrote it may be a little ahead.
    latest = now + STEP_US
    if one.tried_at is not None and one.tried_at > latest:
        return True
    longest = longest_wait_us(policy, attempts=one.attempts, status=one.status)
    return one.due_at > latest + longest
