"""Show: the demo in the terminal, drawn from counts. Decides nothing."""

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from relay.cli.demo.stage import SOURCE, Counts
from relay.core.ledger import DestinationCounts, SourceCounts

__all__ = ["draw"]


def draw(counts: Counts, *, runs: int) -> RenderableType:
    """Where everything stands, as bars."""
    source = counts.ledger.sources.get(SOURCE, SourceCounts())
    bars = Table.grid(padding=(0, 1))
    bars.add_column(no_wrap=True)
    bars.add_column(width=16)
    bars.add_column(justify="right", no_wrap=True)
    bars.add_column(no_wrap=True)
    lines = [
        ("dispatched", counts.dispatched, runs, "at the sandbox"),
        ("ended there", counts.ended, runs, _tries(counts)),
        ("called back", source.first, runs, f"{source.duplicate} duplicates"),
        ("events", source.events, runs, _asked(source, counts)),
        *(
            (f"-> {name}", line.delivered, runs, _remark(name, line, counts))
            for name, line in counts.ledger.destinations.items()
        ),
    ]
    for label, done, of, remark in lines:
        bars.add_row(
            label,
            ProgressBar(total=max(of, 1), completed=min(done, of), width=16),
            f"{done}/{of}",
            Text(remark, style="dim"),
        )
    return Group(bars)


def _tries(counts: Counts) -> str:
    return f"{counts.tries} tries to call back, {counts.tries_lost} lost"


def _asked(source: SourceCounts, counts: Counts) -> str:
    if source.waiting:
        return f"{source.waiting} wait for the API's answer"
    return f"{counts.partial} callbacks were partial, {counts.lost} never came"


def _remark(name: str, line: DestinationCounts, counts: Counts) -> str:
    if name == "endpoint":
        return f"{counts.endpoint} verified, {counts.endpoint_repeats} repeats"
    return f"{line.pending} pending" if line.pending else ""
