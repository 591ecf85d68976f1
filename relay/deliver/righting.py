"""Righting: what a clock that was ahead has put off is due now.

Owns looking for it, at the start and when the wall clock was set, a part at a time. What is too far ahead is
core's to say, and when a look is taken the poller's. Leases are left alone: what is claimed is in hand.
"""

import asyncio
from typing import Final

import structlog

from relay.core.delivery import Policy, State, Step
from relay.core.errors import StoreBusyError, StoreFullError
from relay.core.ports import Amendment, Clock, Outbox
from relay.core.steady import Ahead, Watch, put_off

__all__ = ["Righter"]

log: Final = structlog.stdlib.get_logger(__name__)

#: Deliveries looked at in one part.
LOOK_ROWS: Final = 500
#: Seconds after which a look is taken once more: what was stamped before a jump may be committed after it, and
#: its sender is answered 503 after four.
IN_FLIGHT_S: Final = 6.0


class Righter:
    """Looks over what one destination's deliveries wait for."""

    def __init__(
        self, destination: str, *, outbox: Outbox, clock: Clock, policy: Policy
    ) -> None:
        self._destination = destination
        self._outbox = outbox
        self._clock = clock
        self._policy = policy
        self._watch = Watch()
        self._looking = False
        self._has_looked = False
        #: When to look once more, by the loop's clock; None for not at all.
        self._once_more_at: float | None = None
        #: How far the look has come.
        self._after: Ahead | None = None
        self._righted = 0

    async def look(self) -> bool:
        """Look at a part of what waits, where that is called for; whether more is to be looked at at once.

        A store that is away or full is asked again with the next call.
        """
        now = self._clock.now_us()
        if self._is_called_for(now, asyncio.get_running_loop().time()):
            self._looking, self._after, self._righted = True, None, 0
        if not self._looking:
            return False
        try:
            waiting = await self._outbox.look_ahead(
                self._destination, self._after, now=now, limit=LOOK_ROWS
            )
            wrong = put_off(waiting, policy=self._policy, now=now)
            if wrong:
                await self._outbox.amend([_due(one, now) for one in wrong])
        except (StoreBusyError, StoreFullError):
            return False
        self._righted += len(wrong)
        if waiting:
            self._after = waiting[-1]
            return True
        self._looking = False
        if self._righted:
            log.warning(
                "deliveries.righted",
                destination=self._destination,
                deliveries=self._righted,
            )
        return False

    def _is_called_for(self, now: int, monotonic_s: float) -> bool:
        """Whether to begin: at the start, where the clock was set, and once more soon after that."""
        if self._watch.jumped(now, monotonic_s):
            # Nothing is under way at the start.
            self._once_more_at = monotonic_s + IN_FLIGHT_S if self._has_looked else None
            self._has_looked = True
            return True
        at = self._once_more_at
        if at is None or monotonic_s < at:
            return False
        self._once_more_at = None
        return True


def _due(one: Ahead, now: int) -> Amendment:
    written = Step(
        state=State.PENDING, due_at=one.due_at, attempts=one.attempts, reason=None
    )
    due = Step(state=State.PENDING, due_at=now, attempts=one.attempts, reason=None)
    return Amendment(number=one.number, written=written, step=due)
