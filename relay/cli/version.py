"""``relay version``: which program this is. Needs nothing of the rest."""

import json as encoding
from typing import Annotated

import typer

from relay.version import VERSION

__all__ = ["version"]


def version(
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON for programs.")
    ] = False,
) -> None:
    """Show the version."""
    typer.echo(
        encoding.dumps({"version": VERSION}, indent=2)
        if json
        else f"runflow-relay {VERSION}"
    )
