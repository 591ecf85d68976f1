"""The verbs, gathered."""

import typer

from relay.cli import demo, inspect, sandbox, serve

__all__ = ["main"]

app = typer.Typer(
    name="relay",
    help="Receives Runflow's run callbacks and delivers each finished run as one event.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("serve")(serve.serve)
app.command("check")(inspect.check)
app.command("ledger")(inspect.ledger)
app.command("sandbox")(sandbox.sandbox)
app.command("demo")(demo.demo)
app.command("version")(inspect.version)


def main() -> None:
    """The ``relay`` command."""
    app()
