"""Show: what was found, on a terminal.

Owns the table. Decides nothing.
"""

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from relay.cli.selecting import narrow
from relay.core.finding import Finding, Result, summed
from relay.core.timeline import plain

__all__ = ["show_findings"]

_STYLES: Final[dict[Result, str]] = {
    "ok": "green",
    "warning": "yellow",
    "failed": "bold red",
    "unknown": "yellow",
    "skipped": "dim",
}
_SUMS: Final = {
    "ok": ("All of it works.", "green"),
    "failed": ("Not all of it works.", "bold red"),
    "partly": ("What could be told works; not all could be told.", "yellow"),
}


def show_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Draw one row for each, what to do about it below what was found."""
    table = narrow()
    table.add_column("check", overflow="fold", max_width=24)
    table.add_column("result", no_wrap=True)
    table.add_column("found", overflow="fold")
    for one in findings:
        said = Text(plain(one.found))
        if one.remedy:
            said.append(f"\n-> {one.remedy}", style="bold")
        name = f"{one.check} {one.about}".strip()
        # What others have written is never read as markup.
        table.add_row(Text(name), Text(one.result, style=_STYLES[one.result]), said)
    console.print(table)
    words, style = _SUMS[summed(findings)]
    console.print(Text(words, style=style))
