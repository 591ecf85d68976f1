"""Leaving: what every verb's exit code means, and saying why one leaves. Needs nothing of the rest."""

from typing import Final, NoReturn

import typer

__all__ = ["DONE", "FAILED", "PARTLY", "WRONG", "fail"]

DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2
PARTLY: Final = 3


def fail(message: str, code: int) -> NoReturn:
    """Say what went wrong on standard error and leave."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
