"""Common ground of every verb: the configuration, how mistakes are shown, how JSON is printed."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, NoReturn

import msgspec
import typer

from relay.app.catalogs import check_match
from relay.core.errors import MisconfiguredError, RelayError
from relay.settings import Settings, load

__all__ = [
    "DONE",
    "FAILED",
    "WRONG",
    "Config",
    "Json",
    "load_settings",
    "mistakes_exit",
    "print_json",
    "say",
]

DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2

Config = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        envvar="RELAY_CONFIG",
        help="The configuration file.",
        show_default="relay.yaml",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
DEFAULT_CONFIG: Final = Path("relay.yaml")


def load_settings(path: Path) -> Settings:
    """The configuration, with every mistake found at once.

    Raises:
        ConfigError: it cannot be used.
    """
    return load(path, os.environ, check_match=check_match)


@contextmanager
def mistakes_exit() -> Iterator[None]:
    """Show what is wrong in words and leave with the exit code that says whose turn it is."""
    try:
        yield
    except MisconfiguredError as error:
        fail(str(error), WRONG)
    except RelayError as error:
        fail(str(error), FAILED)


def fail(message: str, code: int) -> NoReturn:
    """Say what went wrong on standard error and leave."""
    typer.echo(message, err=True)
    raise typer.Exit(code)


def say(text: str) -> None:
    """A line for people."""
    typer.echo(text)


def print_json(value: object) -> None:
    """A value for programs: one JSON document, two spaces deep."""
    encoded = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.write(encoded.decode() + "\n")
