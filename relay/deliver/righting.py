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
#: Seconds after which looks are taken once more: what was stamped before a jump may be committed after it. Its sender
#: is answered 503 after four, and after a minute where that was asked for (``limits.ack_timeout``).
IN_FLIGHT_S: Final = (6.0, 62.0)


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
        #: When to look once more, by the loop's clock.
        self._once_more: list[float] = []
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
        """Whether to begin: at the start, where the clock was set, and twice more after that."""
        if self._watch.jumped(now, monotonic_s):
            # Nothing is under way at the start.
            waits = IN_FLIGHT_S if self._has_looked else ()
            self._once_more = [monotonic_s + wait for wait in waits]
            self._has_looked = True
            return True
        if not self._once_more or monotonic_s < self._once_more[0]:
            return False
        self._once_more.pop(0)
        return True


def _due(one: Ahead, now: int) -> Amendment:
    written = Step(
        state=State.PENDING, due_at=one.due_at, attempts=one.attempts, reason=None
    )
    due = Step(state=State.PENDING, due_at=now, attempts=one.attempts, reason=None)
    return Amendment(number=one.number, written=written, step=due)
