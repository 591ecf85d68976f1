"""Selecting: the options by which deliveries are selected, and how they are shown in a line.

Owns what ``relay dead`` and ``relay replay`` have in common. Asks nobody.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from relay.core.deadletter import Ended, Heap
from relay.core.moment import text_of
from relay.core.timeline import plain

__all__ = [
    "AGED",
    "OfSource",
    "Outcome",
    "Reason",
    "Since",
    "Until",
    "brief",
    "document_of",
    "heap_table",
    "letter_table",
    "narrow",
    "short",
]

OfSource = Annotated[
    str | None, typer.Option("--source", metavar="NAME", help="Only of this source.")
]
Reason = Annotated[
    str | None,
    typer.Option(
        "--reason",
        metavar="WORD",
        help="Only what died of this (`expired`, `too_large`, ...); of what expired also by its last try"
        " (`status_422` or 422, `timeout`, ...).",
    ),
]
Outcome = Annotated[
    str | None,
    typer.Option(
        "--outcome",
        metavar="WORD",
        help="Only runs that ended so: succeeded, failed, cancelled, partial_succeeded or other.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="WHEN",
        help="Died since: so long ago (30m, 24h, 7d) or a time (2026-03-01T12:00:00Z)."
        " What did not die is taken by when its event was made.",
    ),
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="WHEN", help="Died, or was made, before."),
]

#: Died of age: what was last heard of it is its status.
AGED: Final = "expired"


def short(moment_us: int | None) -> str:
    """To the second: ``2026-03-01 12:00:00Z``."""
    if moment_us is None:
        return ""
    return f"{text_of(moment_us)[:19].replace('T', ' ')}Z"


def heap_table(heaps: Sequence[Heap], *, head: str, now: int) -> Table:
    """How many there are, by destination and reason."""
    has_reasons = any(heap.reason for heap in heaps)
    lacks_some = any(heap.expired for heap in heaps)
    table = narrow("destination")
    table.columns[0].overflow = "fold"
    if has_reasons:
        table.add_column("reason", no_wrap=True)
    table.add_column(head, justify="right", no_wrap=True)
    if lacks_some:
        table.add_column("forgotten", justify="right", no_wrap=True)
    for name in ("first", "last"):
        table.add_column(name, no_wrap=True)
    for heap in heaps:
        row = [plain(heap.destination)]
        row += [plain(heap.reason or "")] if has_reasons else []
        row.append(f"{heap.count:,}")
        row += [f"{heap.expired:,}"] if lacks_some else []
        table.add_row(*row, brief(heap.oldest, now), brief(heap.newest, now))
    return table


def letter_table(
    items: Sequence[Ended], heaps: Sequence[Heap], *, head: str, number: str, now: int
) -> Table:
    """Some of them, a line each. What all ``heaps`` have in common is said of these, and not once more."""
    several = len({heap.destination for heap in heaps}) > 1
    ends = [_end_of(one) for one in items]
    differ = len(set(ends)) > 1 or len({heap.reason for heap in heaps}) > 1
    is_told = differ or any(end != (heaps[0].reason or "") for end in ends)
    table = narrow()
    table.add_column(head, no_wrap=True)
    table.add_column(number, justify="right", no_wrap=True)
    # An id that is cut off cannot be asked for.
    table.add_column("run", no_wrap=True, overflow="fold")
    if several:
        table.add_column("to", overflow="fold")
    if is_told:
        table.add_column("reason", no_wrap=True)
    for one, end in zip(items, ends, strict=True):
        moment = one.created_at if one.settled_at is None else one.settled_at
        row = [brief(moment, now), str(one.number), plain(one.key.id)]
        row += [plain(one.destination)] if several else []
        table.add_row(*row, *([end] if is_told else []))
    return table


def narrow(*heads: str) -> Table:
    """A table without lines between its columns: ids and reasons fit into 80 columns so."""
    return Table(
        *heads, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False
    )


def brief(moment_us: int, now_us: int) -> str:
    """A moment in as little room as it takes: ``12:00:00`` today, ``03-01 12:00`` this year, else the day."""
    day, _, time = text_of(moment_us).partition("T")
    today = text_of(now_us)[:10]
    if day == today:
        return time[:8]
    return f"{day[5:]} {time[:5]}" if day[:4] == today[:4] else day


def _end_of(one: Ended) -> str:
    words = plain(one.reason or "")
    if one.reason == AGED and one.status is not None:
        words = f"{words} ({one.status})"
    return words if one.is_kept else f"{words} (forgotten)".strip()


def document_of(one: Ended) -> dict[str, object]:
    """The same for programs."""
    key = one.key
    return {
        "number": one.number,
        "event_id": one.event_id,
        "source": key.source,
        "kind": key.kind.value,
        "run_id": key.id,
        "client_ref": one.client_ref,
        "outcome": one.outcome.value,
        "revision": one.revision,
        "destination": one.destination,
        "generation": one.generation,
        "attempts": one.attempts,
        "created_at": text_of(one.created_at),
        "settled_at": None if one.settled_at is None else text_of(one.settled_at),
        "status": one.status,
        "reason": one.reason,
        "replayable": one.is_kept,
    }
