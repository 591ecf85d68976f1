"""``relay dead``: arguments, and where to look. Reads only."""

import asyncio
import os
from typing import Annotated, Final

import typer
from rich.console import Console

from relay.app.replays import find_history, letters_of
from relay.app.system import System
from relay.cli.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    mistakes_exit,
    print_json,
)
from relay.cli.dead.show import document, letter_document, show_letter, show_list
from relay.cli.selecting import OfSource, Outcome, Reason, Since, Until
from relay.core.deadletter import (
    LISTED_MAX,
    Ended,
    Heap,
    Letters,
    Page,
    UnknownNameError,
)
from relay.core.errors import MisconfiguredError
from relay.core.replay import Selection
from relay.core.timeline import History
from relay.operate.actions.replaying import Order, selection_of
from relay.settings import Place, load_place

__all__ = ["app"]

app = typer.Typer(
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_DEFAULT_LIMIT: Final = 20

OfDestination = Annotated[
    str | None,
    typer.Option("--destination", metavar="NAME", help="Only of this destination."),
]
Limit = Annotated[
    int,
    typer.Option("--limit", min=1, max=LISTED_MAX, help="Letters that are listed."),
]
After = Annotated[
    str | None,
    typer.Option(
        "--cursor", metavar="TEXT", help="Where the next ones begin, as the last said."
    ),
]
Wanted = Annotated[
    str,
    typer.Argument(
        metavar="EVENT_ID|NUMBER",
        help="The id of an event or run, a client_ref, or a delivery's number.",
    ),
]


@app.callback()
def dead(
    context: typer.Context,
    config: Config = DEFAULT_CONFIG,
    destination: OfDestination = None,
    source: OfSource = None,
    reason: Reason = None,
    outcome: Outcome = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = _DEFAULT_LIMIT,
    cursor: After = None,
    json: Json = False,
) -> None:
    """List what could not be delivered, newest first, and count it by destination and reason.

    What has been sent again since is left out; `relay explain` has everything that became of a run.
    """
    if context.invoked_subcommand is not None:
        return
    order = Order(
        source=source, reason=reason, outcome=outcome, since=since, until=until
    )
    with mistakes_exit(json_about=config if json else None):
        now = System.real().clock.now_us()
        selection = selection_of(order, now=now)
        place = load_place(config, os.environ)
        look = _list(letters_of(place), selection, destination, limit, cursor)
        heaps, page = asyncio.run(look)
    if json:
        print_json(document(heaps, page))
    else:
        chosen = destination is not None or order != Order()
        show_list(_console(), heaps, page, chosen=chosen, now=now)


@app.command("show", short_help="Show one dead letter and its tries.")
def show(
    wanted: Wanted,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show one dead letter: every try, what was answered, and whether it can be sent again."""
    with mistakes_exit(json_about=config if json else None):
        place = load_place(config, os.environ)
        found = asyncio.run(_find(place, wanted.strip()))
    if json:
        print_json({"items": [letter_document(one, past) for one, past in found]})
        return
    for one, past in found:
        show_letter(_console(), one, past)


async def _list(
    letters: Letters,
    selection: Selection,
    destination: str | None,
    limit: int,
    cursor: str | None,
) -> tuple[list[Heap], Page]:
    before = None if cursor is None else _read_cursor(cursor)
    heaps = await letters.heaps(selection, destination)
    page = await letters.page(selection, destination, limit=limit, before=before)
    return heaps, page


async def _find(place: Place, text: str) -> list[tuple[Ended, History]]:
    letters = letters_of(place)
    event = await letters.event_of(int(text)) if _is_number(text) else None
    if event is None:
        found = await _dead_of(letters, await _events(letters, text))
        missing = f"nothing of {text!r} is a dead letter: relay explain {text}"
    else:
        events = await letters.resolve([event], None)
        found = tuple(
            one for one in await _dead_of(letters, events) if one.number == int(text)
        )
        missing = f"delivery {text} is not dead, or not any more: relay explain {event}"
    if not found:
        raise UnknownNameError(f"{missing} shows what became of it")
    return [(one, await find_history(place, one)) for one in found]


async def _events(letters: Letters, text: str) -> list[int]:
    """What is under something that is no delivery's number."""
    try:
        return await letters.resolve([text], None)
    except UnknownNameError as error:
        if not _is_number(text):
            raise
        # It may have been somebody's client_ref.
        raise UnknownNameError(f"there is no delivery {text}") from error


async def _dead_of(letters: Letters, events: list[int]) -> tuple[Ended, ...]:
    selection = Selection(events=tuple(events))
    return (await letters.page(selection, None, limit=LISTED_MAX)).items


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _read_cursor(text: str) -> tuple[int, int]:
    at, _, number = text.partition(".")
    if not (_is_number(at) and _is_number(number)):
        raise MisconfiguredError("--cursor: not what an earlier list has said")
    return int(at), int(number)


def _console() -> Console:
    # What others have written is never read as markup.
    return Console(markup=False, highlight=False, emoji=False)
