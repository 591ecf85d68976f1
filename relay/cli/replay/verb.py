"""``relay replay``: arguments, the question whether it is meant, and the exit code.

What would be sent is read from the store. The order goes to the relay that serves a SQLite store; to a
database, and to a store that nobody serves, it is written here.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import typer.core
from rich.console import Console

from relay.app.replays import letters_of
from relay.app.system import System
from relay.cli.common import (
    DEFAULT_CONFIG,
    DONE,
    WRONG,
    Config,
    Json,
    fail,
    mistakes_exit,
    print_json,
)
from relay.cli.replay.fruitless import fruitless
from relay.cli.replay.show import (
    document,
    orders_document,
    preview_document,
    show_orders,
    show_preview,
)
from relay.cli.replay.work import Work, call_off
from relay.cli.selecting import OfSource, Outcome, Reason, Since, Until
from relay.cli.standings import Line, hindered, read_configuration, read_lines
from relay.core.deadletter import Letters
from relay.core.errors import MisconfiguredError
from relay.core.replay import RATE_DEFAULT, RATE_MAX, What
from relay.observe.logs import configure
from relay.operate.actions.replaying import BadOrderError, Order, Preview, preview
from relay.operate.actions.whereabouts import Whereabouts, whereabouts
from relay.settings import Place, load_place

__all__ = ["Help", "can_be_asked", "replay"]

LOG_FLUSH_S: Final = 1.0
#: No order has a longer number.
DIGITS_MAX: Final = 18
EXAMPLES: Final = """\
What died at one destination in the last day, first looked at and then sent again:

  relay replay --destination orders --since 24h --dry-run
  relay replay --destination orders --since 24h

One event; what died of one thing, somewhere else, for a program; what arrived, once more:

  relay replay 5f1c1a52-5d4e-5a3b-9c56-6c0c4d1b7a10
  relay replay --reason too_large --to lake --yes --json
  relay replay --delivered --destination orders --since 2026-03-01 --until 2026-03-02

Events that a new destination never had, in their order, as far as its routes take them:

  relay replay --backfill --to warehouse --since 30d

Each is a new delivery with the id and the bytes that the event always had, and says so (header
`relay-replay`). A relay makes them at a bounded rate, beside what comes in: Ctrl-C only ends the
watching. `relay replay --status` looks again, `relay replay --cancel N` makes no more of them.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partly (some failed again or wait, or Ctrl-C).
"""


class Help(typer.core.TyperCommand):
    """A command whose examples are shown as they are."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write it."""
        super().format_help(ctx, formatter)
        formatter.write(f"\n{EXAMPLES}")


Wanted = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="EVENT_ID|RUN_ID|CLIENT_REF",
        help="Only these; with --status the numbers of orders.",
        show_default=False,
    ),
]
OfDestination = Annotated[
    str | None,
    typer.Option(
        "--destination", metavar="NAME", help="Whose deliveries; all without it."
    ),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="NAME", help="Where to, if not where they were for."),
]
Delivered = Annotated[
    bool, typer.Option("--delivered", help="What arrived, and not what died.")
]
Backfill = Annotated[
    bool,
    typer.Option("--backfill", help="Events that the destination never had (--to)."),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="At most so many for each destination."),
]
Rate = Annotated[
    int,
    typer.Option(
        "--rate", min=1, max=RATE_MAX, help="Deliveries a second, for each destination."
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only show what would be sent.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Order it, and do not watch it.")
]
Status = Annotated[
    bool, typer.Option("--status", help="Show how orders stand: the newest, or these.")
]
Cancel = Annotated[
    list[int] | None,
    typer.Option("--cancel", metavar="N", help="Call an order off; may be repeated."),
]


def replay(
    wanted: Wanted = None,
    config: Config = DEFAULT_CONFIG,
    destination: OfDestination = None,
    to: To = None,
    source: OfSource = None,
    reason: Reason = None,
    outcome: Outcome = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    rate: Rate = RATE_DEFAULT,
    delivered: Delivered = False,
    backfill: Backfill = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    no_wait: NoWait = False,
    status: Status = False,
    cancel: Cancel = None,
    json: Json = False,
) -> None:
    """Send again what died; or what arrived (--delivered), or never was sent (--backfill)."""
    with mistakes_exit(json_about=config if json else None):
        place = load_place(config, os.environ)
        if status:
            _show_status(place, wanted or [], json=json)
        if cancel:
            _call_off(place, config, cancel, json=json)
        order = Order(
            what=_what(delivered=delivered, backfill=backfill),
            destination=destination,
            to=to,
            wanted=tuple(wanted or ()),
            source=source,
            reason=reason,
            outcome=outcome,
            since=since,
            until=until,
            limit=limit,
            rate=rate,
        )
        now = System.real().clock.now_us()
        found = asyncio.run(_look(place, config, order, now))
        if not _is_meant(order, found, now, dry_run=dry_run, yes=yes, json=json):
            raise typer.Exit(DONE)
        work = Work(place, config, quiet=json)
        lines = configure(level="warning", form="auto")
        try:
            asyncio.run(work.run(order, waits=not no_wait))
        finally:
            lines.flush(within_s=LOG_FLUSH_S)
    if json:
        print_json(document(work))
    else:
        work.tell()
    raise typer.Exit(work.code(waited=not no_wait))


def _what(*, delivered: bool, backfill: bool) -> What:
    if delivered and backfill:
        raise BadOrderError("--delivered, --backfill: one of them")
    if backfill:
        return "missing"
    return "delivered" if delivered else "dead"


@dataclass(frozen=True, slots=True)
class _Found:
    """What would be sent, and where nothing can be sent to now."""

    seen: Preview
    hindered: Sequence[Line]
    #: Where the events stand that were named, if nothing of them is meant.
    where: Sequence[Whereabouts] = ()


async def _look(place: Place, config: Path, order: Order, now: int) -> _Found:
    settings = await read_configuration(config)
    names = None if settings is None else [one.name for one in settings.destinations]
    seen = await preview(letters_of(place), order, now=now, destinations=names)
    if not seen.found:
        return _Found(seen, (), await _where(letters_of(place), order, seen, names))
    targets = [order.to] if order.to else [heap.destination for heap in seen.heaps]
    lines = await read_lines(place, settings, now=now)
    return _Found(seen, hindered(lines, targets))


async def _where(
    letters: Letters, order: Order, seen: Preview, names: Sequence[str] | None
) -> Sequence[Whereabouts]:
    """Where the events stand that were named."""
    events = seen.selection.events
    if not events:
        return ()
    asked = order.destination or order.to
    return await whereabouts(letters, events, [asked] if asked else names or ())


def _is_meant(
    order: Order, found: _Found, now: int, *, dry_run: bool, yes: bool, json: bool
) -> bool:
    """Show what would be sent, and ask; whether it is to be ordered."""
    seen = found.seen
    if json:
        if dry_run or not seen.sendable:
            print_json(preview_document(order, seen, found.hindered))
            return False
    else:
        _show(order, found, now)
        if dry_run or not seen.sendable:
            return False
    if yes:
        return True
    if json or not can_be_asked():
        fail("relay replay: nobody can be asked here: add --yes (or --dry-run)", WRONG)
    if typer.confirm("Send them?"):
        return True
    typer.echo("Nothing was sent.")
    return False


def _show(order: Order, found: _Found, now: int) -> None:
    """What would be sent, or why there is nothing."""
    seen, console = found.seen, _console()
    if seen.found:
        show_preview(console, order, seen, found.hindered, now=now)
        return
    named = len(seen.selection.events or ())
    for line in fruitless(order, found.where, count=named):
        console.print(line, soft_wrap=True)


def can_be_asked() -> bool:
    """Whether somebody sits there."""
    return sys.stdin.isatty()


def _show_status(place: Place, numbers: list[str], *, json: bool) -> None:
    for text in numbers:
        if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX):
            raise MisconfiguredError(
                f"--status: {text[:DIGITS_MAX]!r} is no number of an order"
            )
    letters = letters_of(place)

    async def look() -> list[Any]:
        if not numbers:
            return await letters.orders(None)
        return [(await letters.orders(int(number)))[0] for number in numbers]

    found = asyncio.run(look())
    if json:
        print_json(orders_document(found))
    else:
        show_orders(_console(), found, now=System.real().clock.now_us())
    raise typer.Exit(DONE)


def _call_off(place: Place, config: Path, numbers: list[int], *, json: bool) -> None:
    for number in numbers:
        asyncio.run(call_off(place, config, number))
        if not json:
            typer.echo(
                f"Replay {number} makes no more deliveries. Those that it has made go on their way."
            )
    if json:
        print_json({"cancelled": numbers})
    raise typer.Exit(DONE)


def _console() -> Console:
    # What others have written is never read as markup.
    return Console(markup=False, highlight=False, emoji=False)
