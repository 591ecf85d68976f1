"""``relay check``, ``relay ledger``: look, and change nothing."""

import asyncio
import os
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from relay.app.catalogs import check_match
from relay.app.stores import read_ledger, recount
from relay.app.system import System
from relay.cli.common import (
    DEFAULT_CONFIG,
    DONE,
    FAILED,
    Config,
    Json,
    for_programs,
    mistakes_exit,
    print_json,
    say,
)
from relay.core.ledger import Ledger, SourceCounts
from relay.settings import Settings, load_place, render, review

__all__ = ["check", "ledger", "ledger_tables"]

Verify = Annotated[
    bool, typer.Option("--verify", help="Count the rows anew and compare.")
]


def check(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Read the configuration and list every mistake at once, each with its place in the file."""
    now = datetime.fromtimestamp(System.real().clock.now_us() / 1_000_000, UTC)
    with mistakes_exit(json_about=config if json else None):
        settings, doubts = review(config, os.environ, now=now, check_match=check_match)
    if json:
        print_json(
            {
                "ok": True,
                "file": str(config),
                "warnings": [for_programs(doubt, str(config)) for doubt in doubts],
                "callback_urls": settings.callback_urls(),
            }
        )
        return
    for doubt in doubts:
        typer.echo(f"warning: {render(doubt, str(config))}", err=True)
    say(f"{config} can be used." if doubts else f"{config} is fine.")
    _describe(settings)


def _describe(settings: Settings) -> None:
    sources = ", ".join(source.name for source in settings.sources)
    destinations = ", ".join(
        f"{destination.name} ({destination.kind})"
        for destination in settings.destinations
    )
    say(f"  sources       {sources}")
    for label, url in zip_longest(
        ["callbacks"], settings.callback_urls(), fillvalue=""
    ):
        say(f"  {label:<12}  {url}")
    say(f"  destinations  {destinations}")
    say(f"  store         {settings.store_place}")


def ledger(
    config: Config = DEFAULT_CONFIG, json: Json = False, verify: Verify = False
) -> None:
    """Show the account: what was received, what became of it, and whether it adds up."""
    with mistakes_exit(json_about=config if json else None):
        place = load_place(config, os.environ)
        if verify:
            account, recounted = asyncio.run(recount(place))
        else:
            account = recounted = asyncio.run(read_ledger(place))
    faults = [*account.balance().faults, *_differences(account, recounted)]
    if json:
        print_json(
            {
                "balanced": not faults,
                "faults": faults,
                "sources": {
                    name: dict(counts.items())
                    for name, counts in account.sources.items()
                },
                "destinations": {
                    name: dict(counts.items())
                    for name, counts in account.destinations.items()
                },
            }
        )
    else:
        console = Console()
        for table in ledger_tables(account):
            console.print(table)
        for fault in faults:
            console.print(f"does not add up: {fault}", style="bold red")
        counted = _counted(recounted) if verify else ""
        if not faults:
            console.print(f"{counted}The ledger balances.", style="green")
    raise typer.Exit(FAILED if faults else DONE)


def _counted(account: Ledger) -> str:
    receipts = sum(counts.receipts for counts in account.sources.values())
    deliveries = sum(counts.created for counts in account.destinations.values())
    return f"Counted anew: {receipts:,} receipts, {deliveries:,} deliveries. "


def ledger_tables(account: Ledger) -> list[Table]:
    """The account as two tables for people. Columns that are zero everywhere are left out."""
    # A source stands in the store from its first callback on.
    sources = {n: c.items() for n, c in account.sources.items()} or {
        "(none yet)": SourceCounts().items()
    }
    return [
        _table("source", sources),
        _table("destination", {n: c.items() for n, c in account.destinations.items()}),
    ]


#: Columns that are shown even when they are zero: the terms that people ask about.
_ALWAYS = frozenset(
    {
        "receipts",
        "duplicate",
        "events",
        "waiting",
        "created",
        "delivered",
        "pending",
        "dead",
    }
)


def _table(head: str, lines: dict[str, list[tuple[str, int]]]) -> Table:
    shown = [
        name
        for name, _ in next(iter(lines.values()), [])
        if name in _ALWAYS or any(dict(line)[name] for line in lines.values())
    ]
    table = Table(head, *shown)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, line in lines.items():
        table.add_row(name, *(f"{dict(line)[column]:,}" for column in shown))
    return table


def _differences(account: Ledger, recounted: Ledger) -> list[str]:
    """Where the counters and the rows disagree."""
    found = []
    for what, left, right in (
        ("source", account.sources, recounted.sources),
        ("destination", account.destinations, recounted.destinations),
    ):
        for name, counts in left.items():
            there = dict(right[name].items()) if name in right else {}
            found += [
                f"{what} {name}: the counter {counter} says {value}, the rows {there.get(counter, 0)}"
                for counter, value in counts.items()
                if value != there.get(counter, 0)
            ]
    return found
