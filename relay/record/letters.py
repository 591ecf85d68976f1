"""Letters: rows of deliveries that have ended, and of orders to send them again, for whoever only looks.

Owns which statements are asked and what their rows mean. An adapter says how one is asked. Knows no database.
"""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from relay.core.deadletter import (
    WANTED_MAX,
    Ended,
    Heap,
    Page,
    Standing,
    UnknownNameError,
    named,
)
from relay.core.delivery import State
from relay.core.identity import RunKey
from relay.core.replay import ReplayState, Selection
from relay.record.codes import OUTCOMES
from relay.record.history import COUNTED_MAX, event_bytes, identity
from relay.record.resending import chosen

__all__ = ["BaseLetters", "not_there"]

Row = Sequence[Any]

#: Later than anything.
_END: Final = (1 << 62, 1 << 62)


def not_there(error: Exception) -> UnknownNameError:
    """What it means that a store cannot be asked for a text or a number: it cannot have it either."""
    return UnknownNameError(
        f"there can be nothing of the kind in a store: {type(error).__name__}"
    )


class BaseLetters(ABC):
    """See :class:`relay.core.deadletter.Letters`."""

    @abstractmethod
    async def ask(self, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement; lists are lists of numbers."""

    async def resolve(self, wanted: Sequence[str], source: str | None) -> list[int]:
        """See :class:`relay.core.deadletter.Letters`."""
        await self._check_source(source)
        found: set[int] = set()
        for text in wanted:
            numbers = await self._events_of(text, source)
            if not numbers:
                raise UnknownNameError(
                    f"there is no event under {text!r}: name an event, a run, a batch or a client_ref"
                )
            found.update(numbers)
            if len(found) >= WANTED_MAX:
                raise UnknownNameError(
                    f"more than {WANTED_MAX:,} events are meant: select by source, time or reason instead"
                )
        return sorted(found)

    async def heaps(
        self, selection: Selection, origin: str | None, *, target: str | None = None
    ) -> list[Heap]:
        """See :class:`relay.core.deadletter.Letters`."""
        values = await self._values(selection, origin)
        values["target"] = None
        if target is not None:
            # Who is new in the configuration has no number yet, and is behind with nothing.
            known = await self._names("read_destinations")
            values["target"] = known.get(target, 0)
        if selection.what == "dead":
            rows = await self.ask("sum_dead", values)
        else:
            values |= await self._span(selection)
            rows = await self.ask("sum_told", values | {"named": origin})
        return [_heap(row) for row in rows if row[2]]

    async def page(
        self,
        selection: Selection,
        origin: str | None,
        *,
        limit: int,
        before: tuple[int, int] | None = None,
    ) -> Page:
        """See :class:`relay.core.deadletter.Letters`."""
        values = await self._values(selection, origin) | {"limit": limit + 1}
        if selection.what != "dead":
            values |= await self._span(selection)
            rows = await self.ask("list_told", values | {"named": origin})
            return Page(items=tuple(_ended(row) for row in rows[:limit]), next=None)
        at, number = before or _END
        rows = await self.ask("list_dead", values | {"at": at, "before": number})
        items = tuple(_ended(row) for row in rows[:limit])
        if len(rows) <= limit or not items:
            return Page(items=items, next=None)
        last = items[-1]
        return Page(items=items, next=(last.settled_at or 0, last.number))

    async def orders(self, number: int | None, *, limit: int = 20) -> list[Standing]:
        """See :class:`relay.core.deadletter.Letters`."""
        rows = await self.ask("list_replays", {"number": number, "limit": limit})
        if not rows and number is not None:
            raise UnknownNameError(f"there is no replay {number}")
        return [
            _standing(row, await self.ask("count_replayed", {"number": row[0]}))
            for row in rows
        ]

    async def event_of(self, delivery: int) -> str | None:
        """See :class:`relay.core.deadletter.Letters`."""
        rows = await self.ask("find_event_of_delivery", {"number": delivery})
        return str(uuid.UUID(bytes=bytes(rows[0][0]))) if rows else None

    async def _values(self, selection: Selection, origin: str | None) -> dict[str, Any]:
        sources = await self._names("read_sources")
        if selection.source is not None:
            named("source", selection.source, sources)
        destinations = await self._names("read_destinations")
        number = None if origin is None else named("destination", origin, destinations)
        return chosen(selection, sources) | {
            "origin": number,
            "missing": selection.what == "missing",
        }

    async def _span(self, selection: Selection) -> dict[str, int]:
        """Between which events all lie that are meant: the rest of them is not walked over."""
        if selection.events is not None:
            span = (min(selection.events), max(selection.events))
        else:
            values = {"since": selection.since, "until": selection.until}
            [span] = await self.ask("find_span", values)
        first, last = span
        return {"low": first or 1, "high": last or 0}

    async def _check_source(self, source: str | None) -> None:
        if source is not None:
            named("source", source, await self._names("read_sources"))

    async def _names(self, statement: str) -> dict[str, int]:
        return {row[1]: row[0] for row in await self.ask(statement, {})}

    async def _events_of(self, text: str, source: str | None) -> list[int]:
        runs: list[Row] = []
        ids = identity(text)
        if ids is not None:
            values = {"run": ids[0], "batch": ids[1], "id": ids[2], "source": source}
            runs = [*await self.ask("find_named_runs", values)]
        stored = event_bytes(text)
        if not runs and stored is not None:
            events = await self.ask("find_event", {"id": stored})
            if events:
                return [row[0] for row in events]
        if not runs and "\0" not in text:
            values = {"client_ref": text, "source": source, "limit": WANTED_MAX}
            runs = [
                *await self.ask("find_runs_of_ref", values | {"counted": COUNTED_MAX})
            ]
        if not runs:
            return []
        values = {"runs": [row[0] for row in runs], "limit": WANTED_MAX}
        return [row[0] for row in await self.ask("find_events_of_runs", values)]


def _ended(row: Row) -> Ended:
    number, event, source, namespace, stored, client_ref, outcome, *rest = row
    revision, destination, generation, attempts, created_at, settled_at, *end = rest
    status, reason, is_kept = end
    return Ended(
        number=number,
        event_id=str(uuid.UUID(bytes=bytes(event))),
        key=RunKey.restore(source, namespace, bytes(stored)),
        client_ref=client_ref,
        outcome=OUTCOMES[outcome],
        revision=revision,
        destination=destination,
        generation=generation,
        attempts=attempts,
        created_at=created_at,
        settled_at=settled_at,
        status=status,
        reason=reason,
        is_kept=bool(is_kept),
    )


def _heap(row: Row) -> Heap:
    destination, reason, count, expired, oldest, newest, first, last, behind = row
    return Heap(
        destination=destination,
        reason=reason,
        count=count,
        expired=expired,
        oldest=oldest,
        newest=newest,
        first=first,
        last=last,
        behind=behind,
    )


def _standing(row: Row, counted: Sequence[Row]) -> Standing:
    number, created_at, by, origin, target, selection, rate, most, expected, *rest = row
    state, created, expired, standing, unrouted, ended_at = rest
    counts = {(State(one), bool(tried)): count for one, tried, count in counted}

    def count(*states: State, tried: bool | None = None) -> int:
        return sum(
            number
            for (state, was_tried), number in counts.items()
            if state in states and tried in (None, was_tried)
        )

    return Standing(
        number=number,
        created_at=created_at,
        by=by,
        origin=origin,
        target=target,
        selection=msgspec.json.decode(selection, type=Selection),
        rate=rate,
        most=most,
        expected=expected,
        state=ReplayState(state),
        # The deliveries are counted a moment after the order was read.
        created=max(created, sum(counts.values())),
        expired=expired,
        standing=standing,
        unrouted=unrouted,
        ended_at=ended_at,
        delivered=count(State.DELIVERED),
        untried=count(State.PENDING, State.HELD, tried=False),
        failing=count(State.PENDING, State.HELD, tried=True),
        dead=count(State.DEAD),
    )
