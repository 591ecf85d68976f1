"""``relay ledger``: look, and change nothing."""

import asyncio
import os
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from relay.app.stores import read_ledger, recount
from relay.cli.common import (
    DEFAULT_CONFIG,
    DONE,
    FAILED,
    Config,
    Json,
    mistakes_exit,
    print_json,
)
from relay.core.ledger import Ledger, SourceCounts
from relay.settings import load_place

__all__ = ["ledger", "ledger_tables"]

Verify = Annotated[
    bool, typer.Option("--verify", help="Count the rows anew and compare.")
]


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
