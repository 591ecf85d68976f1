"""Retention: for how long things are kept.

Owns the ``retention`` section. Knows nothing of who forgets, nor of how.
"""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from relay.settings.mistakes import refuse
from relay.settings.section import FIXED, Section
from relay.settings.units import Duration, Span

__all__ = ["Retention"]


class Retention(Section):
    """How long the store keeps what nobody waits for any more; an open delivery keeps all that it needs."""

    payloads: Annotated[Duration, Span("2d", "10y")] = Field(
        Duration.of("30d"),
        description="The bytes of callbacks, counted from their coming.",
        json_schema_extra=FIXED,
    )
    attempts: Annotated[Duration, Span("2d", "10y")] = Field(
        Duration.of("90d"),
        description="Events with their deliveries and attempts, counted from the event; not below"
        " `payloads`.",
        json_schema_extra=FIXED,
    )
    dead_letters: Annotated[Duration, Span("2d", "10y")] = Field(
        Duration.of("90d"),
        description="What a dead delivery needs, counted from its death, where that is longer.",
        json_schema_extra=FIXED,
    )
    identities: Annotated[Duration, Span("30d", "20y")] = Field(
        Duration.of("5y"),
        description="Which runs are known, so that a repeat is a duplicate; a callback whose run ended"
        " before that goes to quarantine. Not below `attempts` and `dead_letters`.",
        json_schema_extra=FIXED,
    )

    @field_validator("attempts")
    @classmethod
    def _outlives_payloads(
        cls, value: Duration, info: ValidationInfo[object]
    ) -> Duration:
        return _not_below(value, info, "payloads")

    @field_validator("identities")
    @classmethod
    def _outlives_all(cls, value: Duration, info: ValidationInfo[object]) -> Duration:
        _not_below(value, info, "attempts")
        return _not_below(value, info, "dead_letters")


def _not_below(value: Duration, info: ValidationInfo[object], other: str) -> Duration:
    least = info.data.get(other)
    if isinstance(least, Duration) and value < least:
        raise refuse(f"must not be below `{other}`: {value} is less than {least}")
    return value
