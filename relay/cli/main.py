"""The command: its own options, and the verbs."""

from typing import Annotated

import typer

from relay.cli.verbs import Verbs
from relay.cli.version import version

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


def _show_version(asked: bool) -> None:
    if asked:
        version()
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
