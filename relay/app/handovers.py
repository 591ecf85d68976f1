"""Handovers: everyone who is told by a commit what it has left to do.

Owns joining those who deliver and those who ask, as the store sees them.
"""

from collections.abc import Callable, Iterable, Sequence

from relay.core.ports import Parcel, Room
from relay.deliver.dispatch import Dispatch

__all__ = ["Handovers"]


class Handovers:
    """The Handover port over couriers and, once there are any, inquirers."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        #: Who is told that runs of some sources wait.
        self.asker: Callable[[Iterable[str]], None] | None = None

    def room(self) -> Room:
        """See :class:`relay.core.ports.Handover`."""
        return self._dispatch.room()

    def hand(self, parcels: Sequence[Parcel], /) -> None:
        """See :class:`relay.core.ports.Handover`."""
        self._dispatch.hand(parcels)

    def hint(self, destinations: Iterable[str], /) -> None:
        """See :class:`relay.core.ports.Handover`."""
        self._dispatch.hint(destinations)

    def question(self, sources: Iterable[str], /) -> None:
        """See :class:`relay.core.ports.Handover`."""
        if self.asker is not None:
            self.asker(sources)
