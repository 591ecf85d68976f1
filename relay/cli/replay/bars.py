"""Bars: how an order goes on, on standard error while it is watched.

Owns one bar for each destination, how long the rest will take, and a line for each that nothing can be sent
to. Draws nothing where standard error is no terminal. Asks nobody.
"""

from collections.abc import Iterable, Sequence
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from relay.core.deadletter import Standing
from relay.core.replay import ReplayState
from relay.core.timeline import plain

__all__ = ["Bars", "counts", "made_at_most"]


class Bars:
    """One bar for each destination. ``with`` draws them and takes them away again."""

    def __init__(self, *, shown: bool) -> None:
        console = Console(stderr=True)
        self._progress = _Noted(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[counts]}", markup=False),
            TimeRemainingColumn(compact=True),
            TextColumn("left", markup=False),
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

    def draw(self, orders: Sequence[Standing], notes: Sequence[str]) -> None:
        """Show how they stand, and under them why one waits."""
        self._progress.notes = notes
        for order in orders:
            if order.number not in self._tasks:
                self._tasks[order.number] = self._progress.add_task(
                    plain(order.target), total=1.0, counts=""
                )
            left_out = order.looked_at - order.created
            tried = order.created - order.untried + left_out
            total = max(1, made_at_most(order))
            self._progress.update(
                self._tasks[order.number],
                completed=min(1.0, tried / total),
                counts=_short_counts(order),
            )


class _Noted(Progress):
    """Bars, and lines under them."""

    notes: Sequence[str] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is drawn."""
        yield from super().get_renderables()
        for note in self.notes:
            yield Text(note)


def made_at_most(order: Standing) -> int:
    """How many an order makes, as far as is known."""
    if order.state is not ReplayState.RUNNING:
        return order.looked_at
    most = order.most or order.expected
    return max(order.created, min(most, order.expected))


def counts(order: Standing) -> str:
    """What became of an order until now."""
    failed = order.dead + order.failing
    parts = [f"{order.created:,} of {made_at_most(order):,} made"]
    parts.append(f"{order.delivered:,} delivered")
    parts.append(f"{failed:,} failed again")
    parts.append(f"{order.untried:,} waiting")
    return "  ".join(parts)


def _short_counts(order: Standing) -> str:
    """The same, so that it fits beside a bar."""
    failed = order.dead + order.failing
    parts = [f"{order.created:,}/{made_at_most(order):,} made"]
    parts.append(f"{order.delivered:,} delivered")
    if failed:
        parts.append(f"{failed:,} failed")
    parts.append(f"{order.untried:,} wait")
    return "  ".join(parts)
