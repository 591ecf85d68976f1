"""Selecting: the options by which deliveries are selected, and how they are shown in a line.

Owns what ``relay dead`` and ``relay replay`` have in common. Asks nobody.
"""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from relay.core.deadletter import Ended, Heap
from relay.core.moment import text_of
from relay.core.timeline import plain

__all__ = [
    "OfSource",
    "Outcome",
    "Reason",
    "Since",
    "Until",
    "document_of",
    "heap_table",
    "letter_table",
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
        help="Only what died of this (`status_410`, `too_large`, ...).",
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


def short(moment_us: int | None) -> str:
    """To the second: ``2026-03-01 12:00:00Z``."""
    if moment_us is None:
        return ""
    return f"{text_of(moment_us)[:19].replace('T', ' ')}Z"


def heap_table(heaps: Sequence[Heap], *, head: str) -> Table:
    """How many there are, by destination and reason."""
    table = Table("destination", "reason", head, "expired", "first", "last")
    for column in table.columns[2:4]:
        column.justify = "right"
    for heap in heaps:
        table.add_row(
            plain(heap.destination),
            plain(heap.reason or ""),
            f"{heap.count:,}",
            f"{heap.expired:,}",
            short(heap.oldest),
            short(heap.newest),
        )
    return table


def letter_table(items: Sequence[Ended], *, head: str) -> Table:
    """Some of them, a line each."""
    table = Table(head, "number", "run", "destination", "reason")
    table.columns[0].no_wrap = True
    # An id that is cut off cannot be asked for.
    table.columns[2].overflow = "fold"
    table.columns[1].justify = "right"
    for one in items:
        table.add_row(
            short(one.created_at if one.settled_at is None else one.settled_at),
            str(one.number),
            plain(one.key.id),
            plain(one.destination),
            _end_of(one),
        )
    return table


def _end_of(one: Ended) -> str:
    words = one.reason or ("" if one.generation else "never had it")
    return words if one.is_kept else f"{words} (expired)".strip()


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
