"""The verbs, gathered."""

from typing import Annotated

import typer

from relay.cli import (
    check,
    dead,
    demo,
    destinations,
    explain,
    inspect,
    keys,
    quarantine,
    replay,
    sandbox,
    serve,
    sweep,
)
from relay.cli.words import Verbs

__all__ = ["main"]

app = typer.Typer(
    name="relay",
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# A line of the list of verbs; what is longer than a terminal is wide would be cut off.
app.command("serve", short_help="Receive callbacks and deliver events.")(serve.serve)
app.command(
    "check", short_help="List mistakes of the configuration; try what it names."
)(check.check)
app.command("explain", short_help="Show where a run is, and what is waited for.")(
    explain.explain
)
app.command("ledger", short_help="Show what was received and what became of it.")(
    inspect.ledger
)
app.add_typer(
    destinations.app,
    name="destinations",
    short_help="Show how destinations stand; pause, resume or forget one.",
)
app.command(
    "sweep", short_help="Look for runs whose callback never came.", cls=sweep.Help
)(sweep.sweep)
app.add_typer(
    dead.app, name="dead", short_help="List what could not be delivered, and why."
)
app.command(
    "replay",
    short_help="Send again what died, or what never was sent.",
    cls=replay.Help,
)(replay.replay)
app.add_typer(
    quarantine.app,
    name="quarantine",
    short_help="List signed bodies that became no event.",
)
app.command(
    "sandbox", short_help="Serve a local Runflow to develop against.", cls=sandbox.Help
)(sandbox.sandbox)
app.add_typer(
    keys.app, name="keys", short_help="Make keys to sign with, and replace them."
)
app.command("demo", short_help="Show it all at work, and compare what arrived.")(
    demo.demo
)
app.command("version", short_help="Show the version.")(inspect.version)


def _show_version(asked: bool) -> None:
    if asked:
        inspect.version(json=False)
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version.",
            callback=_show_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Receives Runflow's run callbacks and delivers each finished run as one event."""


def main() -> None:
    """The ``relay`` command."""
    app()
