"""Routes: which events go where.

Owns ``routes``. A filter is kept as it was written; the core compiles it.
"""

from typing import Annotated

from pydantic import Field

from relay.settings.forms import Form, Named
from relay.settings.mistakes import refuse
from relay.settings.section import RELOADS, Section

__all__ = ["Route"]


class Filter(Form):
    """One filter expression, or a list of which all must hold."""

    kind = "filter, or list of filters"
    limits = "CloudEvents filter dialects"

    def read(self, value: object) -> object:
        """Accept a mapping or a list of mappings, and leave the rest to the core."""
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, dict) for item in items):
            raise refuse(
                "must be a filter or a list of filters",
                "such as {exact: {type: io.runflow.run.failed}}; [] takes everything",
            )
        return value


class Route(Section):
    """Sends the events that match to some destinations."""

    name: Annotated[str, Named()] = Field(
        description="What people call it.", json_schema_extra=RELOADS
    )
    match: Annotated[object, Filter()] = Field(
        description="Which events it takes; `[]` takes every one.",
        json_schema_extra=RELOADS,
    )
    operational: bool = Field(
        default=False,
        description=(
            "Whether it takes what the relay tells of its destinations (`io.runflow.relay.*`), and nothing else;"
            " a destination is never told of itself."
        ),
        json_schema_extra=RELOADS,
    )
    to: tuple[Annotated[str, Named()], ...] = Field(
        min_length=1,
        max_length=256,
        description="Names of the destinations.",
        json_schema_extra=RELOADS,
    )
