"""Ordered: what a store is told by people, as jobs that ride with the next group commit.

Owns handing orders to send again, and what is read once more, to the group. What a job does is an adapter's.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

from relay.core.audit import Entry
from relay.core.backlog import LIMIT
from relay.core.ports import Handover, Recorded
from relay.core.receipt import Receipt
from relay.core.replay import NewReplay, Resent
from relay.core.route import Router
from relay.record.grouping import Grouper
from relay.record.jobs import Cancel, Job, Order, Postpone, Record, Resend

__all__ = ["OrderedStore"]


class OrderedStore(ABC):
    """Resending and Readmitting in one."""

    _grouper: Grouper[Job]
    _handover: Handover

    @abstractmethod
    def _tell_others(self, destinations: set[str]) -> None:
        """Let other users of the store know that deliveries wait for these."""

    @abstractmethod
    async def next_resend(
        self, router: Router, /, *, backlog: int = LIMIT
    ) -> tuple[int | None, bool]:
        """See :class:`relay.core.replay.Resending`."""

    async def order_replays(self, orders: Sequence[NewReplay], /) -> Sequence[int]:
        """See :class:`relay.core.replay.Resending`."""
        return cast("Sequence[int]", await self._grouper.submit(Order(orders)))

    async def cancel_replay(self, number: int, /, *, by: str) -> bool:
        """See :class:`relay.core.replay.Resending`."""
        return bool(await self._grouper.submit(Cancel(number, by)))

    async def postpone_replay(
        self, router: Router, /, *, until: int, backlog: int = LIMIT
    ) -> None:
        """See :class:`relay.core.replay.Resending`."""
        await self._grouper.submit(Postpone(router, until, backlog))

    async def resend(
        self, router: Router, /, *, backlog: int = LIMIT, righted: bool = False
    ) -> Resent | None:
        """See :class:`relay.core.replay.Resending`."""
        answer = await self._grouper.submit(Resend(router, backlog, righted))
        resent = cast("Resent | None", answer)
        if resent is not None and resent.made:
            self._handover.hint({resent.destination})
            self._tell_others({resent.destination})
        return resent

    async def readmit(
        self, receipts: Sequence[Receipt], /, *, entry: Entry
    ) -> Sequence[Recorded]:
        """See :class:`relay.core.quarantine.Readmitting`."""
        return cast(
            "Sequence[Recorded]", await self._grouper.submit(Record(receipts, entry))
        )
