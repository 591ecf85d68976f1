"""Root: the whole configuration.

Owns ``Settings``, the settings that belong to no section, and what is derived from them: where
relative paths begin, where the store is, and the URLs of callbacks.
"""

import os
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, field_validator

from relay.settings.destinations import Destination
from relay.settings.forms import PathText
from relay.settings.limits import Limits
from relay.settings.listeners import Operator, Public
from relay.settings.log import Log
from relay.settings.mistakes import refuse
from relay.settings.retention import Retention
from relay.settings.routes import Route
from relay.settings.section import FIXED, RELOADS, Section
from relay.settings.sources import Source
from relay.settings.store import STORE, StoreForm, StoreUrl

__all__ = ["DATA_DIR", "Place", "Settings", "nearest"]

DATA_DIR: Final = Path("var")


def nearest(path: Path) -> Path:
    """Give the path, or what is nearest above it of all that exists."""
    ways = (path, *path.absolute().parents)
    # Path.exists raises where a directory may not be searched.
    return next(way for way in ways if os.path.exists(way))  # noqa: PTH110 - see above


class Place(Section):
    """Where the store is: all that is asked for by who only reads it."""

    data_dir: Annotated[Path, PathText()] = Field(
        DATA_DIR,
        description="Where the relay keeps its files. Relative paths begin here;"
        " it begins itself at the working directory.",
        json_schema_extra=FIXED,
    )
    store: Annotated[StoreUrl, StoreForm()] = Field(
        STORE,
        description="Where callbacks, events and deliveries are kept.",
        json_schema_extra=FIXED,
    )

    def anchor(self, path: Path | str) -> Path:
        """Give a path of the configuration as one that can be opened."""
        return self.data_dir / path

    @property
    def store_path(self) -> Path:
        """The store's SQLite file.

        Raises:
            ValueError: it is not kept in a file.
        """
        if self.store.file is None:
            raise ValueError("the store is not a file")
        return self.anchor(self.store.file)

    @property
    def store_place(self) -> str:
        """Where the store is, for people: nothing in it is secret."""
        return str(self.store if self.store.file is None else self.store_path)


class Settings(Place):
    """Everything that can be set."""

    public: Public = Field(
        Public(),
        description="The listener that callbacks arrive at.",
        json_schema_extra=FIXED,
    )
    operator: Operator = Field(
        Operator(),
        description="The listener for readiness and metrics.",
        json_schema_extra=FIXED,
    )
    sources: tuple[Source, ...] = Field(
        min_length=1,
        max_length=256,
        description="The Runflow organisations that callbacks come from.",
        json_schema_extra=RELOADS,
    )
    destinations: tuple[Destination, ...] = Field(
        min_length=1,
        max_length=256,
        description="Where events go.",
        json_schema_extra=RELOADS,
    )
    routes: tuple[Route, ...] = Field(
        (),
        max_length=1024,
        description="Which events go where. Without any, every destination gets all.",
        json_schema_extra=RELOADS,
    )
    limits: Limits = Field(
        Limits(),
        description="Bounds on memory, disk and time.",
        json_schema_extra=FIXED,
    )
    retention: Retention = Field(
        Retention(),
        description="How long what is settled is kept.",
        json_schema_extra=FIXED,
    )
    log: Log = Field(Log(), description="What is logged.", json_schema_extra=FIXED)

    @field_validator("data_dir")
    @classmethod
    def _can_be_a_directory(cls, value: Path) -> Path:
        if not nearest(value).is_dir():
            raise refuse("cannot be made: a file stands in the way")
        return value

    def callback_urls(self, port: int | None = None) -> list[str]:
        """Give the URL of every channel of every source.

        ``port`` is where it really listens, for one that may take any.
        """
        base = self.public.url or f"http://{self.public.listen.reached(port)}"
        return [
            "/".join((base.rstrip("/"), "callbacks", source.name, *channel))
            for source in self.sources
            for channel in [(), *((one.name,) for one in source.channels)]
        ]
