"""Common ground of every verb: the configuration, how mistakes are shown, how JSON is printed."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from relay.app.catalogs import check_match
from relay.cli.leaving import DONE, FAILED, PARTLY, WRONG, fail
from relay.core.errors import MisconfiguredError, RelayError
from relay.settings import ConfigError, Mistake, Settings, load

__all__ = [
    "DONE",
    "FAILED",
    "PARTLY",
    "WRONG",
    "Config",
    "Json",
    "fail",
    "for_programs",
    "load_settings",
    "mistakes_exit",
    "print_json",
    "say",
]

Config = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        envvar="RELAY_CONFIG",
        help="The configuration file.",
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
def mistakes_exit(*, json_about: Path | None = None) -> Iterator[None]:
    """Show what is wrong and leave with the exit code that says whose turn it is.

    In words on standard error; or as JSON on standard output, about this configuration.
    """
    try:
        yield
    except RelayError as error:
        code = WRONG if isinstance(error, MisconfiguredError) else FAILED
        if json_about is None:
            fail(str(error), code)
        print_json({"ok": False, "mistakes": _listed(error, json_about)})
        raise typer.Exit(code) from None


def _listed(error: RelayError, config: Path) -> list[dict[str, object]]:
    if isinstance(error, ConfigError):
        return [for_programs(mistake, error.file) for mistake in error.mistakes]
    return [for_programs(Mistake(path="", line=None, message=str(error)), str(config))]


def for_programs(mistake: Mistake, file: str) -> dict[str, object]:
    """A mistake as JSON has it; ``variable`` where it did not come from the file."""
    said = mistake.message + (f" ({mistake.hint})" if mistake.hint else "")
    shown: dict[str, object] = {
        "file": file,
        "line": mistake.line,
        "path": mistake.path,
        "message": said,
    }
    return shown | ({"variable": mistake.variable} if mistake.variable else {})


def say(text: str) -> None:
    """A line for people."""
    typer.echo(text)


def print_json(value: object) -> None:
    """A value for programs: one JSON document, two spaces deep."""
    encoded = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.write(encoded.decode() + "\n")
