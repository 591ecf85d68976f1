"""Destinations: where events go.

Owns ``destinations``, one model per kind. Knows nothing of how anything is sent.
"""

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    ValidationInfo,
    field_validator,
)

from relay.core.delivery import DEFAULT_LADDER, Policy
from relay.core.health import BRAKE, DISABLE_AFTER
from relay.core.shape import Omittable
from relay.settings.access import Auth, Headers, HttpProxy, HttpTls, Sasl, Tls
from relay.settings.forms import (
    Brokers,
    HttpUrl,
    Named,
    Net,
    Networks,
    PathText,
    Text,
)
from relay.settings.keys import (
    KEYS_MAX,
    DestinationSecret,
    SigningKey,
    check_signing,
    keys_of,
    one_or_many,
)
from relay.settings.mistakes import refuse
from relay.settings.secret import Secret, anchor_of
from relay.settings.section import RELOADS, Section
from relay.settings.units import Bytes, Duration, OrOff, PerSecond, Span, Whole

__all__ = [
    "Destination",
    "FileDestination",
    "HttpDestination",
    "KafkaDestination",
    "Rotate",
]


#: Milliseconds.
_LAST_WAIT_MS: Final = 100
_CONNECT_TIMEOUT: Final = Duration.of("5s")


class _Destination(Section):
    name: Annotated[str, Named()] = Field(
        description="Permanent: deliveries are kept under it, metrics carry it.",
        json_schema_extra=RELOADS,
    )
    max_age: Annotated[Duration, Span("1s", "365d")] = Field(
        Duration(Policy().max_age // 1000),
        description="A delivery that failed for this long is dead (reason `expired`).",
        json_schema_extra=RELOADS,
    )
    disable_after: Annotated[Duration | None, OrOff(Span("1m", "365d"))] = Field(
        Duration(DISABLE_AFTER // 1000),
        description="After so long of nothing but failures nothing is sent any more, until somebody"
        " resumes the destination.",
        json_schema_extra=RELOADS,
    )
    brake: Annotated[int | None, OrOff(Whole(1, 1_000_000))] = Field(
        BRAKE,
        description="After so many deliveries in a row that failed for good the destination is paused, before more"
        " deliveries are dead.",
        json_schema_extra=RELOADS,
    )
    omit: tuple[Omittable, ...] = Field(
        (),
        max_length=11,
        description="Parts of `data` that are left out: null, and named in `omitted`.",
        json_schema_extra=RELOADS,
    )
    max_bytes: Annotated[int, Bytes("1KiB", "1GiB")] | None = Field(
        None,
        description="Events that are larger than this, as they are sent, are dead"
        " (reason `too_large`).",
        json_schema_extra=RELOADS,
    )


class HttpDestination(_Destination):
    """An HTTP endpoint, sent to with a Standard Webhooks signature."""

    kind: Literal["http"] = Field(
        description="An HTTP endpoint.", json_schema_extra=RELOADS
    )
    url: Annotated[str, HttpUrl(query=True)] = Field(
        description="Where events are posted.", json_schema_extra=RELOADS
    )
    format: Literal["cloudevents", "data", "runflow"] = Field(
        "cloudevents",
        description="How an event is written: as a CloudEvent, its `data` alone, or as"
        " Runflow's own callback, signed in Runflow's way.",
        json_schema_extra=RELOADS,
    )
    secret: DestinationSecret | None = Field(
        None,
        description="Short for one entry of `secrets` with the id `default`.",
        json_schema_extra=RELOADS,
    )
    secrets: tuple[SigningKey, ...] = Field(
        (),
        max_length=KEYS_MAX,
        description="The keys; each that is in force signs every delivery. With"
        " `format: runflow` the first one that is.",
        json_schema_extra=RELOADS,
    )
    headers: Annotated[dict[str, Secret], Headers()] = Field(
        {},
        description="Headers that every request has besides the relay's own.",
        json_schema_extra=RELOADS,
    )
    auth: Auth | None = Field(
        None,
        description="Log in to the endpoint.",
        json_schema_extra=RELOADS,
    )
    tls: HttpTls | None = Field(
        None,
        description="Own authorities, or a certificate of our own.",
        json_schema_extra=RELOADS,
    )
    proxy: HttpProxy | None = Field(
        None,
        description="Connect through a proxy.",
        json_schema_extra=RELOADS,
    )
    private: Annotated[bool | tuple[Net, ...], Networks()] = Field(
        default=False,
        description="Whether, or in which networks, it may be at a private address.",
        json_schema_extra=RELOADS,
    )
    ladder: tuple[Annotated[Duration, Span("0s", "30d")], ...] = Field(
        tuple(Duration(us // 1000) for us in DEFAULT_LADDER),
        min_length=1,
        max_length=32,
        description="Waits before the first try, the second, and so on;"
        " the last repeats.",
        json_schema_extra=RELOADS,
    )
    concurrency: Annotated[int, Whole(1, 1024)] = Field(
        32,
        description="Requests under way at once, at the most;"
        " fewer while it is slow or fails.",
        json_schema_extra=RELOADS,
    )
    rate: Annotated[float, PerSecond(0.001, 100_000)] | None = Field(
        None,
        description="Tries at the most, such as `100/s`; more wait. Unset: as many as it takes.",
        json_schema_extra=RELOADS,
    )
    ordering: Literal["run", "none"] = Field(
        "run",
        description="`run`: an event waits until the earlier ones of its run are settled."
        " `none`: it does not.",
        json_schema_extra=RELOADS,
    )
    timeout: Annotated[Duration, Span("100ms", "30s")] = Field(
        Duration.of("15s"),
        description="How long a whole try may take.",
        json_schema_extra=RELOADS,
    )
    connect_timeout: Annotated[Duration, Span("100ms", "30s")] = Field(
        _CONNECT_TIMEOUT,
        description="How long a connection may take to stand; part of `timeout`.",
        json_schema_extra=RELOADS,
    )
    response_bytes: Annotated[int, Bytes("0B", "1MiB")] = Field(
        16 * 1024,
        description="How much of an answer is read and kept.",
        json_schema_extra=RELOADS,
    )

    _secrets = field_validator("secrets")(one_or_many)
    _signing = field_validator("secret", "secrets")(check_signing)

    @field_validator("format")
    @classmethod
    def _keeps_all_of_runflows(cls, value: str, info: ValidationInfo[object]) -> str:
        if value == "runflow" and info.data.get("omit"):
            raise refuse("Runflow's own callback has no room for `omit`")
        return value

    @field_validator("auth")
    @classmethod
    def _says_it_once(
        cls, value: Auth | None, info: ValidationInfo[object]
    ) -> Auth | None:
        headers = info.data.get("headers")
        names = headers if isinstance(headers, dict) else {}
        if value is not None and any(n.lower() == "authorization" for n in names):
            raise refuse("`headers` has an `authorization` already")
        return value

    @field_validator("tls")
    @classmethod
    def _is_spoken(
        cls, value: HttpTls | None, info: ValidationInfo[object]
    ) -> HttpTls | None:
        url = info.data.get("url")
        if value is not None and isinstance(url, str) and url.startswith("http:"):
            raise refuse("the URL is one without TLS", "https://")
        return value

    @field_validator("ladder")
    @classmethod
    def _ends_with_a_wait(cls, value: tuple[Duration, ...]) -> tuple[Duration, ...]:
        # An event at fault would be tried as fast as it can be refused, for days.
        if value and value[-1].ms < _LAST_WAIT_MS:
            raise refuse("the last wait repeats, so it must be 100ms or longer")
        if len(value) > 1 and value[0].ms:
            raise refuse("the first try is made at once, so the first wait must be 0s")
        return value

    @field_validator("connect_timeout")
    @classmethod
    def _fits_into_timeout(
        cls, value: Duration, info: ValidationInfo[object]
    ) -> Duration:
        total = info.data.get("timeout")
        if not isinstance(total, Duration) or value <= total:
            return value
        if value is _CONNECT_TIMEOUT:
            # Nobody wrote it: a short `timeout` alone is no mistake.
            return total
        raise refuse("must not be longer than `timeout`")

    @property
    def keys(self) -> tuple[SigningKey, ...]:
        """The keys, however they were given."""
        return keys_of(SigningKey, self.secret, self.secrets)


def _no_directory(path: Path, info: ValidationInfo[object]) -> Path:
    """Refuse what events cannot be written to."""
    if os.path.isdir(anchor_of(info) / path):  # noqa: PTH112 - Path.is_dir raises where it may not look
        raise refuse("is a directory", "name a file in it")
    return path


class KafkaDestination(_Destination):
    """A Kafka topic, keyed by run id."""

    kind: Literal["kafka"] = Field(
        description="A Kafka topic.", json_schema_extra=RELOADS
    )
    bootstrap_servers: Annotated[tuple[str, ...], Brokers()] = Field(
        description="The brokers asked first.", json_schema_extra=RELOADS
    )
    topic: Annotated[
        str,
        Text(
            249,
            pattern=r"(?!\.{1,2}\Z)[A-Za-z0-9._-]+",
            limits="letters, digits, `.`, `_` and `-`, up to 249",
        ),
    ] = Field(description="The topic. It must exist.", json_schema_extra=RELOADS)
    tls: Tls | None = Field(None, description="Speak TLS.", json_schema_extra=RELOADS)
    sasl: Sasl | None = Field(None, description="Log in.", json_schema_extra=RELOADS)
    batch_timeout: Annotated[Duration, Span("1s", "60s")] = Field(
        Duration.of("10s"),
        description="How long a batch may take before it counts as failed.",
        json_schema_extra=RELOADS,
    )


class Rotate(Section):
    """When a file is put aside, and how many are kept."""

    bytes: Annotated[int, Bytes("4KiB", "1TiB")] = Field(
        description="A file that has reached this size is put aside.",
        json_schema_extra=RELOADS,
    )
    keep: Annotated[int, Whole(1, 10_000)] = Field(
        description="How many files put aside are kept; the oldest goes.",
        json_schema_extra=RELOADS,
    )


class FileDestination(_Destination):
    """A file of JSON Lines."""

    kind: Literal["file"] = Field(
        description="A file of JSON Lines.", json_schema_extra=RELOADS
    )
    path: Annotated[Path, PathText(), AfterValidator(_no_directory)] = Field(
        description="The file, relative to `data_dir`.", json_schema_extra=RELOADS
    )
    rotate: Rotate | None = Field(
        None, description="Put full files aside.", json_schema_extra=RELOADS
    )


Destination = Annotated[
    HttpDestination | KafkaDestination | FileDestination, Discriminator("kind")
]
