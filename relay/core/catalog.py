"""Catalog: sources, routes and destinations of one configuration, as one value.

Owns what receiving and recording need to know of the configuration. It is replaced whole while
running: a request that began with one catalog ends with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from relay.core.callback import DEFAULT_REQUIRE, Field
from relay.core.route import Router
from relay.core.signature import Verifier

__all__ = ["CALLBACK", "Catalog", "Channel", "Current", "Source"]

#: The channel of ``POST /callbacks/{source}``.
CALLBACK = "callback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One way in of a source."""

    name: str
    verifier: Verifier

    @property
    def origin(self) -> str:
        """What events first heard of here carry as their origin."""
        return "callback" if self.name == CALLBACK else "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One Runflow organisation. Its name is part of every event's id, for ever."""

    name: str
    channels: Mapping[str, Channel]
    require: tuple[Field, ...] = DEFAULT_REQUIRE
    #: Whether the API is asked about every run, also about those whose callback is whole.
    always_asked: bool = False
    #: Whether only the first success under a ``client_ref`` becomes an event.
    collapses: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything that can change while the relay runs."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    router: Router


class Current:
    """Holds the catalog in force."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def swap(self, catalog: Catalog) -> None:
        """Put another catalog in force for every request that begins after this."""
        self.catalog = catalog
