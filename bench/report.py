"""Report: legs become medians, a table for people and a file for machines.

Owns which figures are shown and how they are put together. Must not know how they came about.

A leg that is void counts for nothing, and neither does the other one of its pair. The share is the
median of the pairs' own shares, never the quotient of two medians: the machine's speed drifts, and
only neighbours can be compared.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec
from rich.console import Console
from rich.table import Table

from bench.kinds import GOALS
from bench.legs import Leg
from bench.machine import Machine

__all__ = ["Pair", "Result", "results", "show", "write"]


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The relay's leg and the echo's leg just before it."""

    echo: Leg
    relay: Leg

    @property
    def counts(self) -> bool:
        """Whether both legs stand."""
        return not self.echo.faults and not self.relay.faults

    @property
    def share(self) -> float:
        """The relay's rate as a share of the echo's."""
        return self.relay.rate / self.echo.rate

    @property
    def share_by_cpu(self) -> float:
        """The same by CPU time: what the echo spends on an answer of what the relay spends on an event.

        Other work on the core hardly moves it. Below :attr:`share`, the relay saved time by doing less
        of its work while the load ran; above it, it waited.
        """
        return self.echo.cpu_us / self.relay.cpu_us


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Medians over the pairs of one kind that count."""

    kind: str
    goal: float
    pairs: int
    counted: int
    share: float = 0.0
    share_lowest: float = 0.0
    share_highest: float = 0.0
    share_by_cpu: float = 0.0
    echo_rate: float = 0.0
    rate: float = 0.0
    answered_per_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    cpu_us: float = 0.0
    echo_cpu_us: float = 0.0
    relay_core: float = 0.0
    load_core: float = 0.0
    others: float = 0.0
    peak_mib: float = 0.0


def results(pairs: Sequence[Pair]) -> list[Result]:
    """One result for each kind, in the order in which they first ran."""
    names = dict.fromkeys(pair.relay.kind for pair in pairs)
    return [_result(name, [p for p in pairs if p.relay.kind == name]) for name in names]


def _result(kind: str, pairs: Sequence[Pair]) -> Result:
    good = [pair for pair in pairs if pair.counts]
    goal = GOALS[kind]
    if not good:
        return Result(kind=kind, goal=goal, pairs=len(pairs), counted=0)
    legs = [pair.relay for pair in good]
    shares = [pair.share for pair in good]
    return Result(
        kind=kind,
        goal=goal,
        pairs=len(pairs),
        counted=len(good),
        share=median(shares),
        share_lowest=min(shares),
        share_highest=max(shares),
        share_by_cpu=median(pair.share_by_cpu for pair in good),
        echo_rate=median(pair.echo.rate for pair in good),
        rate=median(leg.rate for leg in legs),
        answered_per_s=median(leg.answered_per_s for leg in legs),
        p50_ms=median(leg.p50_ms for leg in legs),
        p99_ms=median(leg.p99_ms for leg in legs),
        cpu_us=median(leg.cpu_us for leg in legs),
        echo_cpu_us=median(pair.echo.cpu_us for pair in good),
        relay_core=median(leg.relay_core for leg in legs),
        load_core=median(leg.load_core for leg in legs),
        others=median(leg.others for leg in legs),
        peak_mib=max(leg.peak_mib for leg in legs),
    )


def show(console: Console, machine: Machine, found: Sequence[Result]) -> None:
    """Print the table and the machine."""
    console.print()
    console.print(_table(found))
    console.print(machine.line, highlight=False, soft_wrap=True)


def _table(found: Sequence[Result]) -> Table:
    table = Table(title="medians over the pairs that count", expand=False)
    table.add_column("kind")
    for head in (
        "pairs", "echo/s", "relay/s", "% of echo", "from..to", "by CPU", "goal", "acked/s",
        "p50 ms", "p99 ms", "CPU us", "echo CPU us", "relay core", "others", "load core",
        "peak MiB",
    ):  # fmt: skip
        table.add_column(head, justify="right")
    for it in found:
        if it.counted:
            table.add_row(*_cells(it))
        else:
            table.add_row(it.kind, f"0/{it.pairs}", "[bold red]void[/]")
    return table


def _cells(it: Result) -> list[str]:
    colour = "green" if it.share >= it.goal else "yellow"
    return [
        it.kind,
        f"{it.counted}/{it.pairs}",
        f"{it.echo_rate:,.0f}",
        f"{it.rate:,.0f}",
        f"[{colour}]{it.share:.1%}[/]",
        f"{it.share_lowest:.0%}..{it.share_highest:.0%}",
        f"{it.share_by_cpu:.1%}",
        f"{it.goal:.0%}",
        f"{it.answered_per_s:,.0f}",
        f"{it.p50_ms:.1f}",
        f"{it.p99_ms:.1f}",
        f"{it.cpu_us:.0f}",
        f"{it.echo_cpu_us:.0f}",
        f"{it.relay_core:.0%}",
        f"{it.others:.0%}",
        f"{it.load_core:.0%}",
        f"{it.peak_mib:.0f}",
    ]


def write(
    directory: Path,
    machine: Machine,
    found: Sequence[Result],
    pairs: Sequence[Pair],
    *,
    settings: dict[str, object],
) -> Path:
    """Write everything, every leg included, to a file named after the time."""
    directory.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path = directory / f"{stamp}.json"
    content = {
        "at": stamp,
        "machine": machine.record(),
        "settings": settings,
        "results": msgspec.to_builtins(found),
        "pairs": msgspec.to_builtins(pairs),
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path
