"""Show: what would be sent again, how that goes on, and what it came to. Decides nothing and asks nobody.

While it goes on there is a bar for each destination on standard error, and none where that is no terminal.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Protocol, Self

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from relay.cli.selecting import document_of, heap_table, letter_table, short
from relay.core.deadletter import Standing
from relay.core.moment import text_of
from relay.core.replay import ReplayState
from relay.core.timeline import plain
from relay.operate.actions.replaying import Order, Ordered, Preview

__all__ = [
    "Bars",
    "document",
    "orders_document",
    "outcome_lines",
    "preview_document",
    "show_orders",
    "show_preview",
]

_NOUNS: Final = {"dead": "dead", "delivered": "delivered", "missing": "never sent"}
_STATES: Final = {
    ReplayState.RUNNING: "running",
    ReplayState.DONE: "all made",
    ReplayState.CANCELLED: "cancelled",
}


class _Told(Protocol):
    """What was ordered, and how it stands."""

    ordered: Ordered
    orders: Sequence[Standing]
    is_alone: bool
    interrupted: bool


class Bars:
    """One bar for each destination. ``with`` draws them and takes them away again."""

    def __init__(self, *, shown: bool) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[counts]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not (shown and console.is_terminal),
        )
        self._tasks: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def draw(self, orders: Sequence[Standing]) -> None:
        """Show how they stand."""
        for order in orders:
            if order.number not in self._tasks:
                self._tasks[order.number] = self._progress.add_task(
                    plain(order.target), total=1.0, counts=""
                )
            left_out = order.looked_at - order.created
            tried = order.created - order.untried + left_out
            total = max(1, _expected(order))
            self._progress.update(
                self._tasks[order.number],
                completed=min(1.0, tried / total),
                counts=_counts(order),
            )


def _expected(order: Standing) -> int:
    if order.state is not ReplayState.RUNNING:
        return order.looked_at
    most = order.most or order.expected
    return min(most, order.expected)


def _counts(order: Standing) -> str:
    parts = [f"{order.created:,} of {_expected(order):,} made"]
    parts.append(f"{order.delivered:,} delivered")
    failed = order.dead + order.failing
    parts.append(f"{failed:,} failed again")
    parts.append(f"{order.untried:,} waiting")
    return "  ".join(parts)


def show_preview(console: Console, order: Order, seen: Preview) -> None:
    """What would be sent: how many, and the first ones."""
    noun = _NOUNS[order.what]
    if not seen.found:
        console.print("There is nothing to send.")
        return
    console.print(heap_table(seen.heaps, head=noun))
    console.print(letter_table(seen.first, head="died" if noun == "dead" else "when"))
    if seen.found > len(seen.first):
        more = seen.found - len(seen.first)
        console.print(f"… and {more:,} more", soft_wrap=True)
    for line in _sentences(order, seen):
        console.print(line, soft_wrap=True)


def _sentences(order: Order, seen: Preview) -> Iterator[str]:
    if seen.expired:
        yield (
            f"{seen.expired:,} cannot be sent any more: the callback that they are built from has"
            " been forgotten (`retention.payloads`, `retention.dead_letters`)."
        )
    if seen.behind:
        yield (
            f"{seen.behind:,} left out: the destination is behind, and has not come to them yet. What routes"
            " took there comes by itself; look again when it has caught up (relay destinations)."
        )
    if not seen.sendable:
        yield "There is nothing left to send."
        return
    each = (
        "" if order.limit is None else f", at most {order.limit:,} for each destination"
    )
    where = f"to {plain(order.to)}" if order.to else "to where they were for"
    yield f"{seen.sendable:,} would be sent {where}, {order.rate:,} a second{each}."
    if order.what == "missing":
        yield "Routes decide which of them: only what they take there now is sent."


def preview_document(order: Order, seen: Preview) -> dict[str, object]:
    """The same for programs."""
    return {
        "what": order.what,
        "to": order.to,
        "found": seen.found,
        "expired": seen.expired,
        "behind": seen.behind,
        "sendable": seen.sendable,
        "groups": [
            {
                "destination": heap.destination,
                "reason": heap.reason,
                "count": heap.count,
                "expired": heap.expired,
                "first": text_of(heap.oldest),
                "last": text_of(heap.newest),
            }
            for heap in seen.heaps
        ],
        "first": [document_of(one) for one in seen.first],
    }


def show_orders(console: Console, orders: Sequence[Standing]) -> None:
    """How orders stand."""
    if not orders:
        console.print("Nothing was ever ordered to be sent again.")
        return
    table = Table("replay", "to", "state", "made", "delivered", "waiting")
    table.add_column("failed again")
    table.columns[2].no_wrap = True
    for column in (table.columns[0], *table.columns[3:]):
        column.justify = "right"
    for order in orders:
        failed = order.failing + order.dead
        counts = (order.created, order.delivered, order.untried, failed)
        table.add_row(
            str(order.number),
            plain(order.target),
            _STATES[order.state],
            *(f"{count:,}" for count in counts),
        )
    console.print(table)
    for order in orders:
        console.print(_ordered(order), soft_wrap=True)
        for line in (*_left_out(order), *_failed(order)):
            console.print(line, soft_wrap=True)


def _ordered(order: Standing) -> str:
    what = _NOUNS[order.selection.what]
    whose = "" if order.origin == order.target else f" of {plain(order.origin)}"
    return (
        f"replay {order.number} was ordered {short(order.created_at)} by {plain(order.by)}:"
        f" {order.expected:,} {what}{whose}, {order.rate:,} a second"
    )


def orders_document(orders: Sequence[Standing]) -> dict[str, object]:
    """The same for programs."""
    return {"replays": [_order_document(order) for order in orders]}


def _order_document(order: Standing) -> dict[str, object]:
    selection = msgspec.structs.replace(order.selection, events=None)
    return {
        "number": order.number,
        "created_at": text_of(order.created_at),
        "by": order.by,
        "from": order.origin,
        "to": order.target,
        "selection": selection,
        "rate": order.rate,
        "limit": order.most,
        "state": order.state.name.lower(),
        "found": order.expected,
        "created": order.created,
        "expired": order.expired,
        "on_its_way": order.standing,
        "unrouted": order.unrouted,
        "delivered": order.delivered,
        "waiting": order.untried,
        "failing": order.failing,
        "dead": order.dead,
        "ended_at": None if order.ended_at is None else text_of(order.ended_at),
    }


def document(told: _Told) -> dict[str, object]:
    """What was ordered and what it came to, for programs."""
    return {
        "found": told.ordered.found,
        "served": not told.is_alone,
        "interrupted": told.interrupted,
        **orders_document(told.orders),
    }


def outcome_lines(
    numbers: Sequence[int],
    orders: Sequence[Standing],
    *,
    alone: bool,
    interrupted: bool,
) -> Iterator[str]:
    """What it came to, and how to look again."""
    for order in orders:
        yield f"replay {order.number} to {plain(order.target)}: {_counts(order)}."
        yield from _left_out(order)
        yield from _failed(order)
    named = " ".join(str(number) for number in numbers)
    if alone:
        yield (
            "No relay runs here: they are sent when one is started (relay serve)."
            f" Then: relay replay --status {named}"
        )
    elif interrupted or any(not order.is_settled for order in orders):
        yield (
            f"It goes on. To look again: relay replay --status {named}; to end it:"
            f" relay replay --cancel {numbers[0] if numbers else 'N'}"
        )


def _failed(order: Standing) -> Iterator[str]:
    if order.failing:
        yield (
            f"  {order.failing:,} failed again and are tried on: relay replay --status {order.number}"
        )
    if order.dead:
        yield f"  {order.dead:,} died again: relay dead --destination {plain(order.target)}"


def _left_out(order: Standing) -> Iterator[str]:
    for count, words in (
        (
            order.expired,
            "cannot be built any more: their callbacks have been forgotten",
        ),
        (
            order.standing,
            "are on their way already, or the destination is behind and has not come to them yet",
        ),
        (order.unrouted, "are not taken there by any route"),
    ):
        if count:
            yield f"  replay {order.number} left out {count:,}: they {words}"
