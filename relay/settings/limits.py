"""Limits: the bounds on memory, disk and time that belong to no one else.

Owns the ``limits`` section. Knows nothing of who keeps to them.
"""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from relay.core.backlog import LIMIT
from relay.settings.mistakes import refuse
from relay.settings.section import FIXED, Section
from relay.settings.units import Bytes, Duration, Span, Whole, size

__all__ = ["Limits"]


class Limits(Section):
    """What the relay takes on before it says no."""

    body_bytes: Annotated[int, Bytes("1KiB", "256MiB")] = Field(
        size("6MiB"),
        description="Largest body of a callback; more is answered 413.",
        json_schema_extra=FIXED,
    )
    headers: Annotated[int, Whole(16, 1024)] = Field(
        128,
        description="Most headers of a request.",
        json_schema_extra=FIXED,
    )
    header_bytes: Annotated[int, Bytes("1KiB", "64KiB")] = Field(
        size("8KiB"),
        description="Largest single header, and longest request line.",
        json_schema_extra=FIXED,
    )
    connections: Annotated[int, Whole(1, 65_536)] = Field(
        1024,
        description="Most connections open at once on the public listener.",
        json_schema_extra=FIXED,
    )
    in_flight_bytes: Annotated[int, Bytes("1KiB", "16GiB")] = Field(
        size("64MiB"),
        description="Most bytes of bodies held in memory; not below `body_bytes`.",
        json_schema_extra=FIXED,
    )
    header_timeout: Annotated[Duration, Span("100ms", "5m")] = Field(
        Duration.of("10s"),
        description="How long a request's headers may take to arrive.",
        json_schema_extra=FIXED,
    )
    body_timeout: Annotated[Duration, Span("100ms", "10m")] = Field(
        Duration.of("20s"),
        description="How long a request's body may take to arrive.",
        json_schema_extra=FIXED,
    )
    idle_timeout: Annotated[Duration, Span("100ms", "1h")] = Field(
        Duration.of("75s"),
        description="How long a connection may stay open without a request.",
        json_schema_extra=FIXED,
    )
    ack_timeout: Annotated[Duration, Span("100ms", "60s")] = Field(
        Duration.of("4s"),
        description="How long a callback waits for its commit before it is answered 503.",
        json_schema_extra=FIXED,
    )
    retry_after: Annotated[Duration, Span("1s", "1h")] = Field(
        Duration.of("5s"),
        description="The shortest `Retry-After` of a 503, spread up to twice as long. A 429 says when"
        " the next try is looked at.",
        json_schema_extra=FIXED,
    )
    group_size: Annotated[int, Whole(1, 16_384)] = Field(
        512,
        description="Most callbacks in one commit.",
        json_schema_extra=FIXED,
    )
    waiting: Annotated[int, Whole(1, 1_048_576)] = Field(
        4096,
        description="Most callbacks waiting for a commit; not below `group_size`.",
        json_schema_extra=FIXED,
    )
    ready_parcels: Annotated[int, Whole(1, 1_048_576)] = Field(
        1000,
        description="Most deliveries of one destination held in memory.",
        json_schema_extra=FIXED,
    )
    ready_bytes: Annotated[int, Bytes("1MiB", "1TiB")] = Field(
        size("64MiB"),
        description="Bodies behind the deliveries of one destination held in memory; one alone may be"
        " larger.",
        json_schema_extra=FIXED,
    )
    backlog: Annotated[int, Whole(100, 1_000_000_000)] = Field(
        LIMIT,
        description="Most open deliveries of one destination. Later events wait without one, and follow by"
        " themselves.",
        json_schema_extra=FIXED,
    )
    min_free_disk: Annotated[int, Bytes("0B", "1024TiB")] = Field(
        size("512MiB"),
        description="With less free disk than this, callbacks are answered 503.",
        json_schema_extra=FIXED,
    )
    store_bytes: Annotated[int, Bytes("1MiB", "1024TiB")] = Field(
        size("256GiB"),
        description="Largest store; above it callbacks are answered 503.",
        json_schema_extra=FIXED,
    )
    unverified_per_minute: Annotated[int, Whole(1, 1_000_000)] = Field(
        60,
        description="Requests that fail verification, per source and peer;"
        " more are answered 429.",
        json_schema_extra=FIXED,
    )
    refusals_kept: Annotated[int, Whole(0, 1_000_000)] = Field(
        1000,
        description="How many records of refused requests are kept.",
        json_schema_extra=FIXED,
    )

    @field_validator("in_flight_bytes")
    @classmethod
    def _holds_one_body(cls, value: int, info: ValidationInfo[object]) -> int:
        body = info.data.get("body_bytes")
        if body is not None and value < body:
            raise refuse(
                "must not be below `body_bytes`: such a body could never enter"
            )
        return value

    @field_validator("waiting")
    @classmethod
    def _fills_a_group(cls, value: int, info: ValidationInfo[object]) -> int:
        group = info.data.get("group_size")
        if group is not None and value < group:
            raise refuse("must not be below `group_size`")
        return value
