"""Sources: the Runflow organisations that callbacks come from.

Owns ``sources`` and their channels. Knows nothing of how a signature is checked.
"""

from typing import Annotated, Final, Literal

from pydantic import Discriminator, Field, field_validator

from relay.settings.api import Api
from relay.settings.forms import Named
from relay.settings.keys import (
    KEYS_MAX,
    RunflowKey,
    RunflowSecret,
    VerifyingKey,
    VerifyingSecret,
    keys_of,
    one_or_many,
)
from relay.settings.section import RELOADS, Section
from relay.settings.units import Duration, Span

__all__ = [
    "CALLBACK",
    "Channel",
    "RequiredField",
    "RunflowChannel",
    "Source",
    "StandardChannel",
    "Sweep",
]

#: The channel that every source has by itself: ``POST /callbacks/{source}``.
CALLBACK: Final = "callback"

#: What a callback can be asked to carry, by the names of its payload.
RequiredField = Literal[
    "status",
    "completed_at",
    "created_at",
    "duration_ms",
    "output",
    "metadata",
    "client_ref",
]


class _Channel(Section):
    name: Annotated[str, Named(CALLBACK)] = Field(
        description="The last part of its URL: `/callbacks/{source}/{name}`.",
        json_schema_extra=RELOADS,
    )


class RunflowChannel(_Channel):
    """One more way in, signed as Runflow signs its callbacks."""

    scheme: Literal["runflow"] = Field(
        description="`Runflow-Signature`: HMAC-SHA256 of the body.",
        json_schema_extra=RELOADS,
    )
    secret: RunflowSecret | None = Field(
        None,
        description="8 characters or more; short for one entry of `secrets` with the id"
        " `default`.",
        json_schema_extra=RELOADS,
    )
    secrets: tuple[RunflowKey, ...] = Field(
        (),
        max_length=KEYS_MAX,
        description="The keys, any of which may have signed.",
        json_schema_extra=RELOADS,
    )

    _secrets = field_validator("secrets")(one_or_many)

    @property
    def keys(self) -> tuple[RunflowKey, ...]:
        """The keys, however they were given."""
        return keys_of(RunflowKey, self.secret, self.secrets)


class StandardChannel(_Channel):
    """One more way in, signed as Standard Webhooks asks."""

    scheme: Literal["standard-webhooks"] = Field(
        description="`webhook-signature`: `v1` (HMAC-SHA256) or `v1a` (ed25519).",
        json_schema_extra=RELOADS,
    )
    secret: VerifyingSecret | None = Field(
        None,
        description="Short for one entry of `secrets` with the id `default`.",
        json_schema_extra=RELOADS,
    )
    secrets: tuple[VerifyingKey, ...] = Field(
        (),
        max_length=KEYS_MAX,
        description="The keys, any of which may have signed.",
        json_schema_extra=RELOADS,
    )
    tolerance: Annotated[Duration, Span("1s", "24h")] = Field(
        Duration.of("5m"),
        description="How far `webhook-timestamp` may be from our clock.",
        json_schema_extra=RELOADS,
    )

    _secrets = field_validator("secrets")(one_or_many)

    @property
    def keys(self) -> tuple[VerifyingKey, ...]:
        """The keys, however they were given."""
        return keys_of(VerifyingKey, self.secret, self.secrets)


Channel = Annotated[RunflowChannel | StandardChannel, Discriminator("scheme")]


class Sweep(Section):
    """Looking for runs whose callback never came. Needs `api.token`."""

    enabled: bool = Field(
        default=True,
        description="Whether the source's own list of runs is looked through.",
        json_schema_extra=RELOADS,
    )
    every: Annotated[Duration, Span("1s", "24h")] = Field(
        Duration.of("5m"),
        description="How often, and how soon a run that goes on is looked at again.",
        json_schema_extra=RELOADS,
    )
    overlap: Annotated[Duration, Span("0s", "7d")] = Field(
        Duration.of("15m"),
        description="How far each sweep looks back behind the one before it.",
        json_schema_extra=RELOADS,
    )
    grace: Annotated[Duration, Span("0s", "24h")] = Field(
        Duration.of("5m"),
        description="How long a callback may be on its way before its run is asked for.",
        json_schema_extra=RELOADS,
    )
    since: Annotated[Duration, Span("0s", "365d")] = Field(
        Duration(0),
        description="How far the very first sweep reaches back before the relay's first start.",
        json_schema_extra=RELOADS,
    )
    only: Literal["own_callbacks", "all"] = Field(
        "own_callbacks",
        description="Runs whose `callback_url` is under `public.url`, or every run of the organisation.",
        json_schema_extra=RELOADS,
    )
    redeliver: bool = Field(
        default=False,
        description="Whether Runflow is asked to send the callback once more before an event is made"
        " without one. Needs the scope `runs:execute`.",
        json_schema_extra=RELOADS,
    )


class Source(Section):
    """A Runflow organisation, and how its callbacks are signed."""

    name: Annotated[str, Named()] = Field(
        description="Permanent: it is part of the callback URL and of every event's id.",
        json_schema_extra=RELOADS,
    )
    secret: RunflowSecret | None = Field(
        None,
        description="8 characters or more; short for one entry of `secrets` with the id"
        " `default`.",
        json_schema_extra=RELOADS,
    )
    secrets: tuple[RunflowKey, ...] = Field(
        (),
        max_length=KEYS_MAX,
        description="Its callback secrets, any of which may have signed.",
        json_schema_extra=RELOADS,
    )
    channels: tuple[Channel, ...] = Field(
        (),
        max_length=16,
        description="More ways in than `/callbacks/{source}`.",
        json_schema_extra=RELOADS,
    )
    require: tuple[RequiredField, ...] = Field(
        ("status", "completed_at", "output"),
        max_length=7,
        description="Fields without which a callback is partial;"
        " `output` is asked for on success, also in part.",
        json_schema_extra=RELOADS,
    )

    api: Api = Field(
        Api(),
        description="Runflow's API, which knows how a run really ended.",
        json_schema_extra=RELOADS,
    )
    enrich: Literal["never", "partial", "always"] = Field(
        "partial",
        description="When the API is asked: never, where a callback leaves a question open, or always."
        " `always` adds what callbacks lack: cost, target, node counts and more.",
        json_schema_extra=RELOADS,
    )
    on_unconfirmed: Literal["publish", "hold"] = Field(
        "publish",
        description="What becomes of a run that names its outcome and that the API does not confirm in"
        " time: published with `confirmed: false`, or held. Asked again after 1, 6, 24 and 72 hours.",
        json_schema_extra=RELOADS,
    )
    collapse_client_ref: Literal["none", "first_success"] = Field(
        "none",
        description="`first_success`: of all runs with one `client_ref` only the first that succeeds becomes"
        " an event. Needs `enrich: always`, or `client_ref` among `require`.",
        json_schema_extra=RELOADS,
    )

    sweep: Sweep = Field(
        Sweep(),
        description="Looking for runs whose callback never came.",
        json_schema_extra=RELOADS,
    )

    _secrets = field_validator("secrets")(one_or_many)

    @property
    def keys(self) -> tuple[RunflowKey, ...]:
        """The keys of the channel ``callback``, however they were given."""
        return keys_of(RunflowKey, self.secret, self.secrets)
