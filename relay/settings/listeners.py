"""Listeners: where the relay is reached.

Owns the ``public`` and ``operator`` sections. Knows nothing of what is served there.
"""

from typing import Annotated

from pydantic import Field, field_validator

from relay.settings.forms import HttpUrl, Listen, ListenAddress, Net, Network
from relay.settings.mistakes import refuse
from relay.settings.section import FIXED, Section
from relay.settings.units import Duration, Span

__all__ = ["Operator", "Public"]


class Public(Section):
    """The listener that callbacks arrive at."""

    listen: Annotated[ListenAddress, Listen()] = Field(
        ListenAddress("127.0.0.1", 8080),
        description="Where it listens.",
        json_schema_extra=FIXED,
    )
    url: Annotated[str, HttpUrl(query=False)] | None = Field(
        None,
        description="Its address as Runflow sees it.",
        json_schema_extra=FIXED,
    )
    trusted_proxies: tuple[Annotated[Net, Network()], ...] = Field(
        (),
        max_length=64,
        description="Networks of the proxies whose X-Forwarded-For is believed.",
        json_schema_extra=FIXED,
    )
    drain_delay: Annotated[Duration, Span("0s", "5m")] = Field(
        Duration.of("0s"),
        description="How long it stays up, unready, before it stops listening.",
        json_schema_extra=FIXED,
    )
    stop_timeout: Annotated[Duration, Span("1s", "10m")] = Field(
        Duration.of("20s"),
        description="How long work under way may take to end when the relay stops.",
        json_schema_extra=FIXED,
    )

    @field_validator("url")
    @classmethod
    def _is_a_base(cls, value: str | None) -> str | None:
        if value is not None and "callbacks" in value.split("/"):
            raise refuse(
                "must end before `/callbacks`",
                "callbacks arrive at URL/callbacks/{source}",
            )
        return value


class Operator(Section):
    """The listener for readiness and metrics. Keep it inside."""

    listen: Annotated[ListenAddress, Listen()] = Field(
        ListenAddress("127.0.0.1", 8081),
        description="Where it listens.",
        json_schema_extra=FIXED,
    )
