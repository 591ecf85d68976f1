"""Access: whom a destination trusts, who the relay says that it is, and how it gets there.

Owns the sections for TLS, logins, headers and proxies that destinations are made of. Knows nothing of
how anything is sent. Files are looked at when the configuration is read, so that what cannot be used is
said then; what stands in them counts as part of the configuration, so that a renewed certificate is a
change of it.
"""

import hashlib
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from relay.settings.forms import Form, HttpUrl, PathText, Text
from relay.settings.mistakes import refuse
from relay.settings.secret import Secret, anchor_of
from relay.settings.section import RELOADS, Section

__all__ = ["Auth", "Headers", "HttpProxy", "HttpTls", "Sasl", "Tls"]

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_VALUE_MAX: Final = 4096
_HEADERS_MAX: Final = 32
#: What the relay says by itself, or what is between it and the next hop (RFC 9110, 7.6.1).
_OWN: Final = re.compile(
    "accept|accept-encoding|connection|content-.*|expect|host|keep-alive|proxy-.*|te"
    "|trailer|transfer-encoding|upgrade|user-agent|webhook-.*|runflow-.*|relay-.*|ce-.*"
)


def _readable(path: Path, info: ValidationInfo[object]) -> Path:
    """Refuse what cannot be read now, rather than when somebody is first spoken to."""
    try:
        with (anchor_of(info) / path).open("rb"):
            return path
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise refuse(
            f"the file cannot be read: {reason}", "a relative path begins at data_dir"
        ) from None


ReadableFile = Annotated[Path, PathText(), AfterValidator(_readable)]


class _Tls(Section):
    ca: ReadableFile | None = Field(
        None,
        description="PEM file of the authorities to trust instead of the system's.",
        json_schema_extra=RELOADS,
    )
    cert: ReadableFile | None = Field(
        None,
        description="PEM file of our own certificate, for who asks for one.",
        json_schema_extra=RELOADS,
    )
    key: ReadableFile | None = Field(
        None,
        description="PEM file of the certificate's key, without a passphrase.",
        json_schema_extra=RELOADS,
    )

    @field_validator("key")
    @classmethod
    def _both_or_none(
        cls, value: Path | None, info: ValidationInfo[object]
    ) -> Path | None:
        if "cert" in info.data and (info.data["cert"] is None) != (value is None):
            raise refuse("`cert` and `key` go together")
        return value


class Tls(_Tls):
    """TLS towards the brokers. `tls: {}` trusts the system's authorities."""

    check_hostname: bool = Field(
        default=True,
        strict=True,
        description="Whether the broker's certificate must carry its host name.",
        json_schema_extra=RELOADS,
    )


class HttpTls(_Tls):
    """TLS towards the endpoint, where the system's authorities are not the ones, or it asks who we are."""

    #: Of what stands in the files: a renewed certificate is another configuration.
    _content: bytes = PrivateAttr(default=b"")

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo[object]) -> Self:
        anchor = anchor_of(info)
        files = [anchor / file for file in (self.ca, self.cert, self.key) if file]
        try:
            self.context(anchor)
            contents = [hashlib.sha256(file.read_bytes()).digest() for file in files]
        except ssl.SSLError as error:
            # The library's word for it: KEY_VALUES_MISMATCH, NO_START_LINE and the like.
            said = error.reason or "not PEM, or a key with a passphrase"
            raise refuse(f"the files cannot be used together: {said}") from None
        except OSError as error:
            raise refuse(f"the files cannot be read: {error.strerror}") from None
        self._content = b"".join(contents)
        return self

    def context(self, anchor: Path) -> ssl.SSLContext:
        """Read the files. Blocks.

        Raises:
            OSError: they cannot be read, or not be used (``ssl.SSLError``).
        """
        context = ssl.create_default_context(
            cafile=None if self.ca is None else anchor / self.ca
        )
        if self.cert is not None and self.key is not None:
            # Without a password of its own the library would ask for one on the terminal.
            context.load_cert_chain(anchor / self.cert, anchor / self.key, password="")
        return context


class Sasl(Section):
    """How the relay says to the brokers who it is."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        description="The mechanism. PLAIN sends the password itself: use it with `tls`.",
        json_schema_extra=RELOADS,
    )
    username: Annotated[str, Text()] = Field(
        description="The user.", json_schema_extra=RELOADS
    )
    password: Secret = Field(description="Its password.", json_schema_extra=RELOADS)


def _sendable(secret: Secret) -> Secret:
    """Refuse what cannot be the value of a header."""
    text = secret.reveal()
    if not text.isascii() or not text.isprintable() or text != text.strip():
        raise refuse("must be printable ASCII, without white space at either end")
    if len(text) > _VALUE_MAX:
        raise refuse(f"is longer than {_VALUE_MAX} characters")
    return secret


HeaderValue = Annotated[Secret, AfterValidator(_sendable)]


class Auth(Section):
    """How the relay says to the endpoint who it is: a token, or a name and a password."""

    bearer: HeaderValue | None = Field(
        None,
        description="A token, sent as `Authorization: Bearer`.",
        json_schema_extra=RELOADS,
    )
    username: (
        Annotated[str, Text(256, pattern="[^:]*", limits="text without a colon")] | None
    ) = Field(
        None,
        description="A user, sent with `password` as `Authorization: Basic`.",
        json_schema_extra=RELOADS,
    )
    password: Secret | None = Field(
        None, description="The user's password.", json_schema_extra=RELOADS
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise refuse("`username` and `password` go together")
        if (self.bearer is None) == (self.username is None):
            raise refuse("give `bearer`, or `username` and `password`")
        return self


class HttpProxy(Section):
    """A proxy that connections are made through, by `CONNECT`. It may be at a private address."""

    url: Annotated[str, HttpUrl(query=False)] = Field(
        description="Where it is, such as `http://proxy.internal:3128`.",
        json_schema_extra=RELOADS,
    )
    username: (
        Annotated[str, Text(256, pattern="[^:]*", limits="text without a colon")] | None
    ) = Field(
        None,
        description="A user, sent with `password` to the proxy alone.",
        json_schema_extra=RELOADS,
    )
    password: Secret | None = Field(
        None, description="The user's password.", json_schema_extra=RELOADS
    )

    @field_validator("url")
    @classmethod
    def _is_spoken_to_in_the_clear(cls, value: str) -> str:
        if not value.startswith("http://"):
            raise refuse("must be an http URL", "TLS goes through the proxy, not to it")
        if value.partition("//")[2].partition("/")[2]:
            raise refuse("must not have a path")
        return value

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise refuse("`username` and `password` go together")
        return self


class Headers(Form):
    """Headers of a destination's own: a mapping of names to values, each of which may be a secret."""

    kind = "mapping of names to secrets"
    limits = f"up to {_HEADERS_MAX}"

    @staticmethod
    def dump(value: object) -> object:
        """Names, and of the values only that they are there."""
        return dict.fromkeys(value, "***") if isinstance(value, Mapping) else value

    def __get_pydantic_core_schema__(
        self,
        source: Any,
        handler: GetCoreSchemaHandler,
    ) -> CoreSchema:
        del source
        return core_schema.no_info_before_validator_function(
            _named,
            core_schema.dict_schema(
                core_schema.str_schema(), handler.generate_schema(HeaderValue)
            ),
            serialization=core_schema.plain_serializer_function_ser_schema(
                self.dump, when_used="json"
            ),
        )


def _named(value: object) -> object:
    """Refuse names that cannot be sent, or not by whoever writes the configuration."""
    if not isinstance(value, dict):
        raise refuse("must be a mapping of names to values", "{X-Tenant: acme}")
    if len(value) > _HEADERS_MAX:
        raise refuse(f"holds more than {_HEADERS_MAX}")
    seen = set()
    for number, name in enumerate(value, 1):
        # A name is not quoted: a value may stand in its place.
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise refuse(f"entry {number} has no name that a header can have")
        lower = name.lower()
        if _OWN.fullmatch(lower):
            raise refuse(f"`{lower}` is for the relay to say")
        if lower in seen:
            raise refuse(f"`{lower}` stands there twice")
        seen.add(lower)
    return value
