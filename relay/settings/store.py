"""Store: where callbacks, events and deliveries are kept.

Owns the URL's two forms, where it may be kept, and that a password in one never shows. Opens nothing.

Source: PostgreSQL, "Connection URIs" (libpq), several hosts included.
"""

import hmac
import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from relay.settings.forms import Form
from relay.settings.mistakes import refuse
from relay.settings.secret import anchor_of, text_of_file

__all__ = ["STORE", "StoreForm", "StoreUrl"]

_SQLITE: Final = "sqlite:///"
_POSTGRES: Final = ("postgresql://", "postgres://")
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^\[\]:/]+)(:[0-9]{1,5})?")
_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """The URL of a store. Printed, it shows neither user nor password."""

    _text: str = field(repr=False)

    @property
    def file(self) -> str | None:
        """The SQLite file: ``/x`` for four slashes, ``x`` for three; None where it is a database."""
        if not self._text.startswith(_SQLITE):
            return None
        return self._text.removeprefix(_SQLITE)

    def reveal(self) -> str:
        """Give the whole URL, password included. Call it where it is used, and keep it nowhere."""
        return self._text

    def __str__(self) -> str:
        if self.file is not None:
            return self._text
        address = urlsplit(self._text)
        return f"postgresql://{address.netloc.rpartition('@')[2]}{address.path}"

    def __repr__(self) -> str:
        return f"StoreUrl('{self}')"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StoreUrl):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)


STORE: Final = StoreUrl("sqlite:///relay.db")


class StoreForm(Form):
    """The URL of a store."""

    kind = "URL"
    limits = (
        "sqlite:///FILE below data_dir, sqlite:////FILE absolute,"
        " postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or `{file: PATH}`"
    )

    def __get_pydantic_core_schema__(
        self,
        source: Any,
        handler: GetCoreSchemaHandler,
    ) -> CoreSchema:
        del source, handler
        return core_schema.with_info_plain_validator_function(
            self._read_from,
            serialization=core_schema.plain_serializer_function_ser_schema(
                self.dump, when_used="json"
            ),
        )

    def _read_from(self, value: object, info: ValidationInfo) -> StoreUrl:
        if isinstance(value, dict) and set(value) == {"file"}:
            return self.read(text_of_file(value["file"], anchor_of(info)))
        return self.read(value)

    def read(self, value: object) -> StoreUrl:
        """Accept the URL of a SQLite file or of a database. Never quotes it: it could hold a password."""
        if isinstance(value, StoreUrl):
            return value
        text = value if isinstance(value, str) and value.isprintable() else ""
        if text.startswith(_POSTGRES):
            return _database(text)
        if not text.startswith(_SQLITE):
            raise refuse(
                "must be the URL of a SQLite file or of a PostgreSQL database",
                f"{STORE} is below data_dir, sqlite:////var/lib/relay.db is absolute;"
                " postgresql://relay@db/relay",
            )
        url = StoreUrl(text)
        file = url.file
        if not file or file.endswith("/") or set(file) & set("?#"):
            raise refuse("must name a file, without `?` or `#`", f"such as {STORE}")
        if file == ":memory:":
            raise refuse("the store must be on disk", f"such as {STORE}")
        return url


def _database(text: str) -> StoreUrl:
    """Accept what the client will understand as we do: it must not look for the password elsewhere."""
    try:
        address = urlsplit(text)
    except ValueError:
        address = SplitResult("", "", "", "", "")
    user, at, hosts = address.netloc.rpartition("@")
    if text.count("@") > len(at) or "@" in user or address.fragment:
        raise refuse(
            "has characters that must be percent-encoded in a URL",
            "encode user and password, or leave the password out and set PGPASSWORD",
        )
    whole = all(map(_HOST.fullmatch, hosts.split(",")))
    if not whole or not address.path.strip("/"):
        raise refuse(
            "must name a host and a database", "such as postgresql://relay@db/relay"
        )
    _check_parameters(address.query)
    return StoreUrl(text)


def _check_parameters(query: str) -> None:
    try:
        given = parse_qs(query, strict_parsing=bool(query), keep_blank_values=True)
    except ValueError:
        given = None
    if given is None:
        raise refuse("has parameters that are not NAME=VALUE", "after the `?`")
    for mode in given.get("sslmode", ()):
        if mode not in _MODES:
            raise refuse(f"`sslmode` must be one of {', '.join(_MODES)}")
