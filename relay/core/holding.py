"""Holding: a destination that nothing is sent to, because somebody or the relay itself has said so.

Owns what a hold is, which of two holds stands, and how a destination stands as a whole. Knows nothing of
couriers and of where it is kept. A hold is one row: the deliveries behind it stay as they are, and that
they are held is derived from it wherever it is shown.
"""

from collections.abc import Sequence
from typing import Final, Literal, Protocol

import msgspec

from relay.core.audit import Entry
from relay.core.ledger import DestinationCounts

__all__ = [
    "FORGOTTEN",
    "Alarm",
    "Change",
    "Changed",
    "Condition",
    "Hold",
    "HoldKind",
    "Note",
    "Posts",
    "prevailing",
]

#: Why deliveries are dead whose destination has gone, and which an operator has given up.
FORGOTTEN: Final = "forgotten"

#: ``paused`` by a person, or by a run of permanent failures; ``disabled`` by the destination itself (410),
#: or by days of nothing but failures. Either ends by a person's word alone.
HoldKind = Literal["paused", "disabled"]


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing is sent to a destination, and since when."""

    kind: HoldKind
    #: A person's words, or a closed word of the relay's: ``brake``, ``gone``, ``failing``.
    reason: str
    #: A login, or ``relay``.
    by: str
    #: Wall microseconds.
    since: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A destination is to be held, or not any more."""

    destination: str
    #: None to end whatever holds it.
    hold: Hold | None
    #: Written with it where it changes anything.
    entry: Entry


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What a change has come to."""

    before: Hold | None
    after: Hold | None

    @property
    def is_news(self) -> bool:
        """Whether anything is other than it was."""
        return self.before != self.after


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """How tries go, to be remembered beyond this process."""

    destination: str
    #: Since when nothing but failures; None where something works. Wall microseconds.
    failing_since: int | None
    #: The last failure since then; None where none was heard.
    failed_at: int | None = None
    #: When something last worked; None where this process does not know.
    worked_at: int | None = None


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """A destination is on its way to be disabled. Times are wall microseconds."""

    destination: str
    #: Since when nothing but failures.
    since: int
    at: int
    disabled_at: int
    #: Which of the alarms it is, from 1. Each is given once, until something works.
    step: int


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """How a destination stands in the store."""

    name: str
    kind: str
    hold: Hold | None = None
    failing_since: int | None = None
    failed_at: int | None = None
    worked_at: int | None = None
    #: The first event that no delivery was made of, where there were too many.
    behind_from: int | None = None
    #: The account; what waits behind a hold is ``held`` in it.
    counts: DestinationCounts = DestinationCounts()
    #: Of those, what has no deliveries yet.
    behind: int = 0

    @property
    def open(self) -> int:
        """Deliveries that anything can still happen to, be it that they are to be made first."""
        return self.counts.pending + self.counts.held


class Posts(Protocol):
    """Where it is kept how destinations stand."""

    async def change(self, change: Change, /) -> Changed | None:
        """Hold a destination, or end that; None where nobody knows it.

        Raises:
            StoreBusyError: not now.
        """
        ...

    async def abandon(
        self, destination: str, /, *, limit: int, entry: Entry | None
    ) -> int:
        """Let up to so many of its deliveries die that are in nobody's hands (reason `FORGOTTEN`).

        Gives how many did. ``entry`` is written with them.

        Raises:
            StoreBusyError: not now.
        """
        ...

    async def note(self, notes: Sequence[Note], /) -> None:
        """Remember how tries go.

        Raises:
            StoreBusyError: not now.
        """
        ...

    async def alarm(self, alarm: Alarm, /) -> bool:
        """Tell that a destination is on its way to be disabled; gives whether that is news.

        Raises:
            StoreBusyError: not now.
        """
        ...

    async def fall_behind(self, destination: str, /) -> bool:
        """Make no deliveries for it from the next event on; gives whether that is news.

        Raises:
            StoreBusyError: not now.
        """
        ...

    async def fill(self, destination: str, /, *, limit: int) -> bool:
        """Make the deliveries of up to so many events that it is behind with, oldest first.

        Gives whether there may be more of them. When there are none it is not behind any more.

        Raises:
            StoreFullError: some are to be made, and the store or its disk is at its limit.
            StoreBusyError: not now.
        """
        ...

    async def conditions(self) -> Sequence[Condition]:
        """Every destination that was ever known, by name.

        Raises:
            StoreBusyError: not now.
        """
        ...


def prevailing(before: Hold | None, wanted: Hold | None) -> Hold | None:
    """The hold that stands. The first one stays, but a disable takes the place of a pause."""
    if before is None or wanted is None:
        return wanted
    if before.kind == "paused" and wanted.kind == "disabled":
        return wanted
    return before
