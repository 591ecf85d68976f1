"""Store: where callbacks, events and deliveries are kept.

Owns the URL's two forms, and that a password in one never shows. Opens nothing.
"""

import hmac
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from relay.settings.forms import Form
from relay.settings.mistakes import refuse

__all__ = ["STORE", "StoreForm", "StoreUrl"]

_SQLITE: Final = "sqlite:///"
_POSTGRES: Final = ("postgresql://", "postgres://")


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
        " postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    )

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
    try:
        address = urlsplit(text)
        whole = bool(address.hostname and address.path.strip("/"))
        _ = address.port
    except ValueError:
        whole = False
    if not whole:
        raise refuse(
            "must name a host and a database", "such as postgresql://relay@db/relay"
        )
    return StoreUrl(text)
