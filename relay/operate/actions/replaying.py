"""Replaying: have dead letters, or what arrived, or what a destination never had, sent (again).

Owns the verb: what may be ordered, looking at what would be sent before it is, and making an order of it for
each destination. What becomes of an order is the store's and its worker's.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from relay.core.deadletter import (
    IDS_MAX,
    Ended,
    Heap,
    Letters,
    Standing,
    UnknownNameError,
)
from relay.core.errors import MisconfiguredError, RelayError
from relay.core.identity import Outcome
from relay.core.ports import Clock
from relay.core.replay import (
    NUMBER_MAX,
    RATE_DEFAULT,
    RATE_MAX,
    NewReplay,
    ReplayState,
    Resending,
    Selection,
    What,
)
from relay.core.window import WindowError, window

__all__ = [
    "FIRST_MAX",
    "BadOrderError",
    "Cancelled",
    "NotRunningError",
    "Order",
    "Ordered",
    "Preview",
    "Replaying",
    "preview",
    "selection_of",
]

#: Deliveries that a preview names; all of them are counted.
FIRST_MAX: Final = 10
_STATUS: Final = re.compile(r"[1-5][0-9]{2}", re.ASCII)
_OUTCOMES: Final = tuple(outcome.value for outcome in Outcome)


class BadOrderError(MisconfiguredError):
    """What is ordered cannot be meant."""


class NotRunningError(RelayError):
    """There is no order of this number under way."""


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for. Times are so long ago (``24h``) or ISO 8601."""

    what: What = "dead"
    #: Whose deliveries; None for every destination's dead letters.
    destination: str | None = None
    #: Where to, if not where they were for.
    to: str | None = None
    #: Ids of events, runs or batches, or client_refs: at most `IDS_MAX`.
    wanted: tuple[str, ...] = ()
    source: str | None = None
    reason: str | None = None
    outcome: str | None = None
    since: str | None = None
    until: str | None = None
    #: At most so many for each destination.
    limit: int | None = None
    #: Deliveries a second, for each destination.
    rate: int = RATE_DEFAULT


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What would be sent."""

    selection: Selection
    heaps: tuple[Heap, ...]
    first: tuple[Ended, ...]

    @property
    def found(self) -> int:
        """How many deliveries are meant."""
        return sum(heap.count for heap in self.heaps)

    @property
    def expired(self) -> int:
        """Of these, those that cannot be built any more."""
        return sum(heap.expired for heap in self.heaps)

    @property
    def behind(self) -> int:
        """Of these, those that come after what their destination is behind with, and are left out."""
        return sum(heap.behind for heap in self.heaps)

    @property
    def sendable(self) -> int:
        """How many are left."""
        return self.found - self.expired - self.behind


class Ordered(msgspec.Struct, frozen=True, kw_only=True):
    """What was ordered: a number for each destination."""

    replays: tuple[int, ...]
    found: int


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """What was called off."""

    replay: int


class Replaying:
    """Takes orders."""

    def __init__(
        self,
        letters: Letters,
        resending: Resending,
        *,
        destinations: Callable[[], Sequence[str]],
        ordered: Callable[[], None],
        clock: Clock,
    ) -> None:
        """``destinations`` are those in force; ``ordered`` is called when there is something to do."""
        self._letters = letters
        self._resending = resending
        self._destinations = destinations
        self._ordered = ordered
        self._clock = clock

    async def order(self, order: Order, *, by: str) -> Ordered:
        """Order what is found now.

        Raises:
            BadOrderError: it cannot be meant.
            UnknownNameError: something in it is not known.
            RelayError: it cannot be written now.
        """
        seen = await preview(
            self._letters,
            order,
            now=self._clock.now_us(),
            destinations=self._destinations(),
        )
        parts = [
            NewReplay(
                by=by,
                origin=origin,
                target=order.to or origin,
                selection=seen.selection,
                rate=order.rate,
                most=order.limit,
                expected=sum(heap.count for heap in heaps),
                after=min(heap.first for heap in heaps) - 1,
                upto=max(heap.last for heap in heaps),
            )
            for origin, heaps in _by_destination(seen.heaps)
        ]
        numbers = await self._resending.order_replays(parts) if parts else ()
        self._ordered()
        return Ordered(replays=tuple(numbers), found=seen.found)

    async def cancel(self, replay: int, *, by: str) -> Cancelled:
        """Call an order off; what it has made goes on its way.

        Raises:
            BadOrderError: that is no number of an order.
            UnknownNameError: there never was one of this number.
            NotRunningError: it is not under way any more.
            RelayError: it cannot be written now.
        """
        if not 1 <= replay <= NUMBER_MAX:
            raise BadOrderError(f"no replay can have the number {replay}")
        if not await self._resending.cancel_replay(replay, by=by):
            [order] = await self._letters.orders(replay)
            raise NotRunningError(_over(order))
        return Cancelled(replay=replay)


async def preview(
    letters: Letters, order: Order, *, now: int, destinations: Sequence[str] | None
) -> Preview:
    """Look at what an order would send, as things stand now.

    ``destinations`` are those in force; None where nobody knows them.

    Raises:
        BadOrderError: it cannot be meant.
        UnknownNameError: something in it is not known.
    """
    selection = selection_of(order, now=now)
    origin = order.destination
    if selection.what != "dead":
        origin = origin or order.to
    if order.wanted:
        events = await letters.resolve(order.wanted, order.source)
        selection = msgspec.structs.replace(selection, events=tuple(events))
    heaps = await letters.heaps(selection, origin, target=order.to)
    page = await letters.page(selection, origin, limit=FIRST_MAX)
    seen = Preview(selection=selection, heaps=tuple(heaps), first=page.items)
    if destinations is not None:
        _check(order.to, seen, destinations)
    return seen


def _check(to: str | None, seen: Preview, known: Sequence[str]) -> None:
    targets = {to} if to else {heap.destination for heap in seen.heaps}
    unknown = sorted(targets.difference(known))
    if unknown:
        raise UnknownNameError(
            f"nothing is delivered to {', '.join(unknown)}: the configuration has"
            f" {', '.join(known)}. Send it to one of those: --to NAME"
        )


def _over(order: Standing) -> str:
    if order.state is ReplayState.CANCELLED:
        return f"replay {order.number} has been called off before"
    if not (order.untried or order.failing):
        return f"replay {order.number} is over, and nothing of it is on its way"
    return (
        f"replay {order.number} has made all its deliveries; to hold them:"
        f" relay destinations pause {order.target}"
    )


def selection_of(order: Order, *, now: int) -> Selection:
    """What is selected; what dies after now is not meant.

    Raises:
        BadOrderError: it cannot be meant.
    """
    for wrong, words in (
        (not 1 <= order.rate <= RATE_MAX, f"--rate: from 1 to {RATE_MAX} a second"),
        (
            order.limit is not None and not 1 <= order.limit <= NUMBER_MAX,
            f"--limit: from 1 to {NUMBER_MAX}",
        ),
        (
            len(order.wanted) > IDS_MAX,
            f"{len(order.wanted):,} ids: at most {IDS_MAX} in one order; or select by source, time or reason",
        ),
        (
            order.what == "missing" and not order.to,
            "--backfill: name the destination that is to be filled: --to NAME",
        ),
        (
            order.what == "missing" and order.destination not in (None, order.to),
            "--backfill: events that a destination never had go to that destination: leave out --destination",
        ),
        (
            order.what == "delivered" and not (order.destination or order.to),
            "--delivered: name whose deliveries are meant: --destination NAME",
        ),
        (
            order.what != "dead" and order.reason is not None,
            "--reason: only dead letters have one",
        ),
        (
            order.outcome is not None and order.outcome not in _OUTCOMES,
            f"--outcome: one of {', '.join(_OUTCOMES)}",
        ),
    ):
        if wrong:
            raise BadOrderError(words)
    try:
        since, until = window(order.since, order.until, now=now)
    except WindowError as error:
        raise BadOrderError(f"--{error.field}: {error.message}") from error
    return Selection(
        what=order.what,
        source=order.source,
        reason=_reason(order.reason),
        outcome=order.outcome,
        since=since or 0,
        # The moment itself is still meant.
        until=now + 1 if until is None else min(now + 1, until),
        wanted=order.wanted,
    )


def _reason(text: str | None) -> str | None:
    """As stores have it: a list shows only the number of an answer, and so people write it."""
    return f"status_{text}" if text and _STATUS.fullmatch(text) else text


def _by_destination(heaps: Sequence[Heap]) -> list[tuple[str, list[Heap]]]:
    names = dict.fromkeys(heap.destination for heap in heaps)
    return [
        (name, [heap for heap in heaps if heap.destination == name]) for name in names
    ]
