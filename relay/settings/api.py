"""Api: how a source's own API is asked.

Owns ``sources[].api``. Knows nothing of what is asked, or of what follows from an answer.
"""

from typing import Annotated, Final

from pydantic import Field

from relay.settings.forms import HttpUrl, Text
from relay.settings.secret import Secret
from relay.settings.section import RELOADS, Section
from relay.settings.units import Bytes, Duration, PerSecond, Span, Whole, size

__all__ = ["Api"]

#: Runflow's own ("Requests").
_BASE_URL: Final = "https://api.runflow.io"


class Api(Section):
    """Runflow's API, asked about runs whose callbacks leave a question open."""

    base_url: Annotated[str, HttpUrl(query=False)] = Field(
        _BASE_URL,
        description="Where the API is; `/v1/...` is added to it.",
        json_schema_extra=RELOADS,
    )
    token: Secret | None = Field(
        None,
        description="The bearer token, with the scope `runs:read`. Without one nothing is asked:"
        " `on_unconfirmed` decides about a partial callback at once.",
        json_schema_extra=RELOADS,
    )
    organization_id: Annotated[str, Text(255)] | None = Field(
        None,
        description="Sent as `X-Organization-Id`; an answer that names another organisation is not"
        " believed.",
        json_schema_extra=RELOADS,
    )
    concurrency: Annotated[int, Whole(1, 256)] = Field(
        16, description="Requests under way at once.", json_schema_extra=RELOADS
    )
    rate: Annotated[float, PerSecond(0.01, 10_000)] = Field(
        100.0,
        description="Most requests in a second, of each relay.",
        json_schema_extra=RELOADS,
    )
    timeout: Annotated[Duration, Span("100ms", "5m")] = Field(
        Duration.of("10s"),
        description="How long one request may take.",
        json_schema_extra=RELOADS,
    )
    response_bytes: Annotated[int, Bytes("1KiB", "256MiB")] = Field(
        size("64MiB"),
        description="Largest answer that is read.",
        json_schema_extra=RELOADS,
    )
    give_up_after: Annotated[Duration, Span("1s", "24h")] = Field(
        Duration.of("15m"),
        description="How long a run waits for an answer until `on_unconfirmed` decides.",
        json_schema_extra=RELOADS,
    )
