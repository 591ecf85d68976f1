"""Show: a sweep in the terminal, drawn from its lines. Decides nothing and asks nobody.

While it goes on there is a bar for each source on standard error, and none where that is no terminal; what
it came to goes to standard output.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from relay.operate.actions.sweeping import LISTED_MAX, Found, Line, Seen

__all__ = ["Bars", "listing", "sentence", "so_far", "table"]

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


class Bars:
    """One bar for each source. ``with`` draws them and takes them away again."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[counts]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def draw(self, line: Line) -> None:
        """Show how it stands."""
        if not isinstance(line, Seen | Found):
            return
        if line.source not in self._tasks:
            self._tasks[line.source] = self._progress.add_task(
                line.source, total=1.0, counts=""
            )
        done = 1.0 if isinstance(line, Found) else _share(line)
        self._progress.update(
            self._tasks[line.source], completed=done, counts=_counts(line)
        )


def _counts(line: Seen | Found) -> str:
    pages, runs = _many(line.pages, "page"), _many(line.runs, "run")
    return f"{pages}  {runs}  {line.ours:,} ours  {line.missed:,} missed"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _share(line: Seen) -> float:
    """How much of the window is behind: lists begin with the newest run."""
    if line.since is None or line.reached is None:
        return 0.0
    since, until, reached = map(
        datetime.fromisoformat, (line.since, line.until, line.reached)
    )
    whole = (until - since).total_seconds()
    return min(1.0, max(0.0, (until - reached).total_seconds() / whole)) if whole else 1


def table(found: Sequence[Found]) -> Table:
    """What each source came to, in 80 columns: where windows end is the same for all of them."""
    shown = Table("source", "runs since", "pages", "runs", "ours", "missed")
    shown.add_column("running")
    for column in shown.columns[2:]:
        column.justify = "right"
    if found:
        shown.caption = f"created until {_short(found[0].until)}"
    for one in found:
        counts = (one.pages, one.runs, one.ours, one.missed, one.running)
        shown.add_row(
            one.source if one.state == "done" else f"{one.source} (failed)",
            _short(one.since),
            *(f"{count:,}" for count in counts),
        )
    return shown


def listing(found: Sequence[Found]) -> list[Text]:
    """The runs that are missing, a line each, and how many more there are."""
    lines = []
    for one in found:
        lines += [
            Text(
                f"{one.source}  {run.kind}  {run.id}  {run.outcome or 'still running'}"
            )
            for run in one.missing
        ]
        more = one.missed + one.running - len(one.missing)
        if more > 0:
            lines.append(
                Text(f"{one.source}  … and {more:,} more ({LISTED_MAX} are named)")
            )
    return lines


def sentence(found: Sequence[Found], *, dry: bool, served: bool, shared: bool) -> str:
    """What was found and what happens with it now.

    ``served`` where a relay was asked and goes on; ``shared`` where others may be at the same store.
    """
    missed = sum(one.missed for one in found)
    running = sum(one.running for one in found)
    if not missed + running:
        whole = all(one.state == "done" for one in found)
        return "Nothing more was missed" + (
            "." if whole else ", as far as it was looked."
        )
    parts = []
    if missed:
        ended = "1 run has" if missed == 1 else f"{missed:,} runs have"
        parts.append(f"{ended} ended without the relay hearing of it")
    if running:
        goes = "1 still goes on" if running == 1 else f"{running:,} still go on"
        parts.append(goes)
    what = " and ".join(parts)
    if dry:
        return f"{what}. Nothing was changed: without --dry-run they are asked for."
    asked = f"at most {_rates(found)} a second: {_about(found)}"
    if served:
        return f"{what}. The relay now asks Runflow how each has ended, {asked}."
    if shared:
        return (
            f"{what}. They are remembered: a relay that serves this store asks Runflow how each has"
            f" ended, {asked}; if none runs, as soon as one is started."
        )
    return (
        f"{what}. They are remembered, and no relay runs: once it is started (relay serve) it asks"
        f" Runflow how each has ended, {asked}."
    )


def _rates(found: Sequence[Found]) -> str:
    rates = {f"{one.rate:g}" for one in found if one.rate and one.missed + one.running}
    return " or ".join(sorted(rates, key=float))


def _about(found: Sequence[Found]) -> str:
    """How long asking takes: sources are asked side by side."""
    seconds = max(
        ((one.missed + one.running) / one.rate for one in found if one.rate), default=0
    )
    if seconds <= 1:
        return "about a second"
    if seconds < 2 * _MINUTE_S:
        return f"about {seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"about {seconds / _MINUTE_S:.0f} minutes"
    return f"about {seconds / _HOUR_S:.0f} hours"


def _short(moment: str | None) -> str:
    """To the second: ``2026-03-01 12:00:00Z``."""
    return "" if moment is None else f"{moment[:19].replace('T', ' ')}Z"


def so_far(line: Seen | Found, *, dry: bool) -> str:
    """How far a source has come, where it did not come to its end, and how to go on."""
    kept = "" if dry else " What was found so far is kept."
    on = ""
    if line.reached is not None:
        # The whole second again: runs that were created in it may be on the next page.
        reached = datetime.fromisoformat(line.reached) + timedelta(seconds=1)
        on = f" To go on: --until {reached:%Y-%m-%dT%H:%M:%SZ}"
    return f"{line.source}: {_counts(line)}.{kept}{on}"
