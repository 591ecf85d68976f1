"""Show: what would be sent again, how orders stand, and what one came to. Decides nothing and asks nobody."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from rich.console import Console

from relay.cli.replay.bars import counts
from relay.cli.selecting import document_of, heap_table, letter_table, narrow
from relay.cli.standings import Line
from relay.core.deadletter import Standing
from relay.core.moment import text_of
from relay.core.replay import ReplayState, Selection
from relay.core.timeline import plain
from relay.core.timeline.words import clock, joined
from relay.operate.actions.replaying import Order, Ordered, Preview

__all__ = [
    "document",
    "orders_document",
    "outcome_lines",
    "preview_document",
    "show_orders",
    "show_preview",
]

#: What a selection is called where it is asked for, in the head of a column, and of one and of many.
WHATS: Final = {"dead": "dead", "delivered": "delivered", "missing": "backfill"}
_HEADS: Final = {"dead": "dead", "delivered": "had arrived", "missing": "never had"}
_ONE: Final = {
    "dead": "1 dead letter",
    "delivered": "1 that had arrived",
    "missing": "1 that it never had",
}
_MANY: Final = {
    "dead": "dead letters",
    "delivered": "that had arrived",
    "missing": "that it never had",
}
_WHOSE: Final = {"dead": " of ", "delivered": " at ", "missing": " of "}
#: Destinations that a sentence names.
_NAMED_MAX: Final = 4
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
    hindered: Sequence[Line]


def show_preview(
    console: Console, order: Order, seen: Preview, closed: Sequence[Line], *, now: int
) -> None:
    """What would be sent, if anything: how many, the first ones, and where nothing can be sent to at ``now``."""
    is_dead = order.what == "dead"
    console.print(heap_table(seen.heaps, head=_HEADS[order.what], now=now))
    console.print()
    head, number = ("died", "number") if is_dead else ("when", "event")
    console.print(
        letter_table(seen.first, seen.heaps, head=head, number=number, now=now)
    )
    if seen.found > len(seen.first):
        more = seen.found - len(seen.first)
        console.print(f"… and {more:,} more", soft_wrap=True)
    for line in (*_sentences(order, seen), *_advices(closed)):
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
    made = _made(order, seen)
    bound = (
        ""
        if made == seen.sendable
        else f" (of {seen.sendable:,}: --limit {order.limit})"
    )
    yield f"{made:,} would be sent {_where(order, seen)}, {order.rate:,} a second{bound}."
    for heap in seen.heaps:
        if heap.reason == "too_large" and order.to in (None, heap.destination):
            yield (
                f"{heap.count:,} are larger than {plain(heap.destination)} takes, and die again unless its"
                " `max_bytes` was raised."
            )
    if order.what == "missing":
        yield "Routes decide which of them: only what they take there now is sent."


def _made(order: Order, seen: Preview) -> int:
    """How many are sent, where each destination has at most so many of them."""
    each: Counter[str] = Counter()
    for heap in seen.heaps:
        each[heap.destination] += heap.count - heap.expired - heap.behind
    return sum(
        count if order.limit is None else min(order.limit, count)
        for count in each.values()
    )


def _where(order: Order, seen: Preview) -> str:
    names = list(dict.fromkeys(heap.destination for heap in seen.heaps))
    if order.to is not None:
        again = "again " if names == [order.to] and order.what != "missing" else ""
        return f"{again}to {plain(order.to)}"
    if len(names) > _NAMED_MAX:
        return f"again to where they were for ({len(names):,} destinations)"
    return f"again to {joined([plain(name) for name in names])}"


def _advices(hindered: Sequence[Line]) -> list[str]:
    """Why nothing is sent to some destinations, and what ends that."""
    return [str(line.standing.advice) for line in hindered if line.standing.advice]


def _hindered_documents(hindered: Sequence[Line]) -> list[dict[str, object]]:
    """The same for programs."""
    return [
        {
            "destination": line.condition.name,
            "state": line.standing.state,
            "advice": line.standing.advice,
        }
        for line in hindered
    ]


def preview_document(
    order: Order, seen: Preview, closed: Sequence[Line]
) -> dict[str, object]:
    """The same for programs."""
    return {
        "what": WHATS[order.what],
        "to": order.to,
        "found": seen.found,
        "forgotten": seen.expired,
        "behind": seen.behind,
        "sendable": seen.sendable,
        "hindered": _hindered_documents(closed),
        "groups": [
            {
                "destination": heap.destination,
                "reason": heap.reason,
                "count": heap.count,
                "forgotten": heap.expired,
                "first": text_of(heap.oldest),
                "last": text_of(heap.newest),
            }
            for heap in seen.heaps
        ],
        "first": [document_of(one) for one in seen.first],
    }


def show_orders(console: Console, orders: Sequence[Standing], *, now: int) -> None:
    """How orders stand."""
    if not orders:
        console.print("Nothing was ever ordered to be sent again.")
        return
    table = narrow()
    table.add_column("replay", justify="right", no_wrap=True)
    table.add_column("to", overflow="fold")
    table.add_column("state", no_wrap=True)
    for name in ("made", "delivered", "waiting", "failed again"):
        table.add_column(name, justify="right", no_wrap=True)
    for order in orders:
        failed = order.failing + order.dead
        numbers = (order.created, order.delivered, order.untried, failed)
        table.add_row(
            str(order.number),
            plain(order.target),
            _STATES[order.state],
            *(f"{count:,}" for count in numbers),
        )
    console.print(table)
    for order in orders:
        console.print(_ordered(order, now), soft_wrap=True)
        for line in (*_left_out(order), *_failed(order)):
            console.print(line, soft_wrap=True)


def _ordered(order: Standing, now: int) -> str:
    what = order.selection.what
    found = _ONE[what] if order.expected == 1 else f"{order.expected:,} {_MANY[what]}"
    whose = "" if order.origin == order.target else _WHOSE[what] + plain(order.origin)
    return (
        f"replay {order.number} was ordered {clock(order.created_at, now)} by {plain(order.by)}:"
        f" {found}{whose}, {order.rate:,} a second"
    )


def orders_document(orders: Sequence[Standing]) -> dict[str, object]:
    """The same for programs."""
    return {"replays": [_order_document(order) for order in orders]}


def _order_document(order: Standing) -> dict[str, object]:
    return {
        "number": order.number,
        "created_at": text_of(order.created_at),
        "by": order.by,
        "from": order.origin,
        "to": order.target,
        "selection": _selection_document(order.selection),
        "rate": order.rate,
        "limit": order.most,
        "state": order.state.name.lower(),
        "found": order.expected,
        "created": order.created,
        "forgotten": order.expired,
        "on_its_way": order.standing,
        "unrouted": order.unrouted,
        "delivered": order.delivered,
        "waiting": order.untried,
        "failing": order.failing,
        "dead": order.dead,
        "ended_at": None if order.ended_at is None else text_of(order.ended_at),
    }


def _selection_document(chosen: Selection) -> dict[str, object]:
    """What was asked for; what was left open is left out."""
    said = {
        "source": chosen.source,
        "reason": chosen.reason,
        "outcome": chosen.outcome,
        "since": text_of(chosen.since) if chosen.since else None,
        "until": text_of(chosen.until),
        "wanted": list(chosen.wanted) or None,
    }
    given = {name: value for name, value in said.items() if value is not None}
    return {"what": WHATS[chosen.what], **given}


def document(told: _Told) -> dict[str, object]:
    """What was ordered and what it came to, for programs."""
    return {
        "found": told.ordered.found,
        "served": not told.is_alone,
        "interrupted": told.interrupted,
        "hindered": _hindered_documents(told.hindered),
        **orders_document(told.orders),
    }


def outcome_lines(
    numbers: Sequence[int],
    orders: Sequence[Standing],
    *,
    alone: bool,
    interrupted: bool,
    hindered: Sequence[Line],
) -> Iterator[str]:
    """What it came to, why the rest waits, and how to look again."""
    for order in orders:
        yield f"replay {order.number} to {plain(order.target)}: {counts(order)}."
        yield from _left_out(order)
        yield from _failed(order)
    yield from _advices(hindered)
    named = " ".join(str(number) for number in numbers)
    if alone:
        yield (
            "No relay runs here: they are sent when one is started (relay serve)."
            f" Then: relay replay --status {named}"
        )
    elif interrupted or any(not order.is_settled for order in orders):
        yield _going_on(orders, named, waits=bool(hindered))


def _going_on(orders: Sequence[Standing], named: str, *, waits: bool) -> str:
    running = [one.number for one in orders if one.state is ReplayState.RUNNING]
    how = "It goes on then" if waits else "It goes on"
    again = f"{how}. To look again: relay replay --status {named}"
    if not running:
        return again
    ends = " ".join(f"--cancel {number}" for number in running)
    return f"{again}; to make no more of them: relay replay {ends}"


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
