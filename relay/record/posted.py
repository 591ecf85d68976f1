"""Posted: how destinations stand is changed, as jobs that ride with the next group commit.

Owns handing changes to the group, saying by which routes they are told, and letting couriers know of what was
told. What a job does is an adapter's.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import cast

from relay.core.audit import Entry
from relay.core.holding import Alarm, Change, Changed, Note
from relay.core.route import Router
from relay.record.jobs import Abandon, Alert, Alter, Remember, Telling, Told
from relay.record.ordered import OrderedStore

__all__ = ["PostedStore"]


class PostedStore(OrderedStore):
    """Posts, as far as it is about changes."""

    installation: str
    _router: Callable[[], Router]

    @abstractmethod
    async def _fall_behind(self, destination: str, telling: Telling) -> Told:
        """Make no deliveries for it from the next event on; the answer is whether that is news."""

    async def change(self, change: Change, /) -> Changed | None:
        """See :class:`relay.core.holding.Posts`."""
        job = Alter(change, self._telling())
        told = cast("Told", await self._grouper.submit(job, urgent=True))
        return cast("Changed | None", self._hint(told))

    async def alarm(self, alarm: Alarm, /) -> bool:
        """See :class:`relay.core.holding.Posts`."""
        job = Alert(alarm, self._telling())
        told = cast("Told", await self._grouper.submit(job, urgent=True))
        return bool(self._hint(told))

    async def fall_behind(self, destination: str, /) -> bool:
        """See :class:`relay.core.holding.Posts`."""
        return bool(self._hint(await self._fall_behind(destination, self._telling())))

    def _telling(self) -> Telling:
        return Telling(self._router(), self.installation)

    def _hint(self, told: Told) -> object:
        """Let whoever delivers know of what was told, and give the answer."""
        if told.stored_for:
            names = {*told.stored_for}
            self._handover.hint(names)
            self._tell_others(names)
        return told.answer

    async def abandon(
        self, destination: str, /, *, limit: int, entry: Entry | None
    ) -> int:
        """See :class:`relay.core.holding.Posts`."""
        job = Abandon(destination, limit, entry)
        return cast("int", await self._grouper.submit(job, urgent=True))

    async def note(self, notes: Sequence[Note], /) -> None:
        """See :class:`relay.core.holding.Posts`."""
        await self._grouper.submit(Remember(notes), urgent=True)
