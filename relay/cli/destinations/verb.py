"""``relay destinations``: arguments, and who does it.

Reading opens the store to read. A change is given to the relay that serves it, or done to the store where none
does: what is held is the store's, so that either way it is true at once.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console

from relay.app.holds import holding_alone
from relay.app.system import System
from relay.cli.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    load_settings,
    mistakes_exit,
    print_json,
    say,
)
from relay.cli.destinations.show import as_document, hold_document, said, show_table
from relay.cli.orders import carry_out
from relay.cli.standings import Line, read_configuration, read_lines
from relay.core.errors import MisconfiguredError
from relay.observe.logs import configure
from relay.operate.actions.holding import (
    ConfiguredError,
    Holding,
    Order,
    Report,
    UnknownDestinationError,
)
from relay.operate.actors import login
from relay.operate.api.destinations import path_of
from relay.record.grouped import GroupedStore
from relay.settings import Place, Settings, load_place

__all__ = ["app"]

LOG_FLUSH_S: Final = 1.0

app: Final = typer.Typer(
    name="destinations",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The destination.")]
Reason = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", help="Why; it is shown to whoever asks."),
]


@dataclass(frozen=True, slots=True)
class _Given:
    """What stood before the verb."""

    config: Path
    json: bool


@app.callback()
def destinations(
    context: typer.Context, config: Config = DEFAULT_CONFIG, json: Json = False
) -> None:
    """Show how destinations stand, and what waits for them."""
    context.obj = _Given(config, json)
    if context.invoked_subcommand is not None:
        return
    with mistakes_exit(json_about=config if json else None):
        place = load_place(config, os.environ)
        now = System.real().clock.now_us()
        lines = asyncio.run(_read(place, config, now))
    if json:
        print_json(as_document(lines))
    else:
        show_table(Console(), lines, now=now)


@app.command("pause", short_help="Send nothing there; keep all that comes.")
def pause(
    context: typer.Context,
    name: Name,
    config: Config = DEFAULT_CONFIG,
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Send nothing to a destination until it is resumed. What comes for it is kept, in order."""
    _change(context, "pause", name, reason, _Given(config, json))


@app.command("resume", short_help="End a pause, or a disable.")
def resume(
    context: typer.Context,
    name: Name,
    config: Config = DEFAULT_CONFIG,
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Send to a destination again, whoever or whatever has paused or disabled it."""
    _change(context, "resume", name, reason, _Given(config, json))


@app.command("forget", short_help="Give up what waits for one that is gone.")
def forget(
    context: typer.Context,
    name: Name,
    config: Config = DEFAULT_CONFIG,
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Let all die that waits for a destination which the configuration does not have any more."""
    _change(context, "forget", name, reason, _Given(config, json))


async def _read(place: Place, config: Path, now: int) -> list[Line]:
    return await read_lines(place, await read_configuration(config), now=now)


# --- changing -------------------------------------------------------------------------------------


def _change(
    context: typer.Context, verb: str, name: str, reason: str, given: _Given
) -> None:
    given = _chosen(context, given)
    with mistakes_exit(json_about=given.config if given.json else None):
        place = load_place(given.config, os.environ)
        lines = configure(level="warning", form="auto")
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                report, served = runner.run(_done(place, given, verb, name, reason))
        finally:
            lines.flush(within_s=LOG_FLUSH_S)
    if given.json:
        print_json(_document(report))
    else:
        say(said(report, served=served, now=System.real().clock.now_us()))


def _chosen(context: typer.Context, given: _Given) -> _Given:
    """What stands behind the verb; what stood before it where that was left out."""
    before: _Given = context.obj

    def is_given(name: str) -> bool:
        source = context.get_parameter_source(name)
        return source is not None and source.name == "COMMANDLINE"

    return _Given(
        given.config if is_given("config") else before.config,
        given.json or before.json,
    )


async def _done(
    place: Place, given: _Given, verb: str, name: str, reason: str
) -> tuple[Report, bool]:
    """The report, and whether a relay serves the store, or may."""
    order, served = Order(reason=reason), True

    async def alone(settings: Settings, store: GroupedStore) -> Report:
        nonlocal served
        served = place.store.file is None
        holding = holding_alone(settings, store, system=System.real())
        return await _do(holding, verb)(name, order, actor=login())

    try:
        report = await carry_out(
            place,
            path_of(name, verb),
            order,
            Report,
            settings=lambda: asyncio.to_thread(load_settings, given.config),
            alone=alone,
        )
    except (UnknownDestinationError, ConfiguredError) as error:
        raise MisconfiguredError(str(error)) from error
    return report, served


def _do(holding: Holding, verb: str) -> Callable[..., Awaitable[Report]]:
    return {
        "pause": holding.pause,
        "resume": holding.resume,
        "forget": holding.forget,
    }[verb]


def _document(report: Report) -> dict[str, object]:
    return {
        "destination": report.destination,
        "changed": report.changed,
        "hold": hold_document(report.hold),
        "open": report.open,
        "behind": report.behind,
        "forgotten": report.forgotten,
    }
