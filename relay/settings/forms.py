"""Forms: how a setting's value is written, and what it becomes.

Owns the small closed shapes that sections are made of (names, addresses, networks, URLs, paths).
Each is an annotation: pydantic asks it to read a value, the reference asks it for its name and
limits. Knows nothing of which settings use it. No message quotes a value.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from relay.settings.mistakes import refuse

__all__ = [
    "Brokers",
    "Form",
    "HttpUrl",
    "Listen",
    "ListenAddress",
    "Named",
    "Network",
    "Networks",
    "PathText",
    "Text",
    "is_name",
]

Net = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_TEXT_MAX: Final = 1024
_URL_MAX: Final = 2048
_PORT_MAX: Final = 65535


class Form:
    """Base of all forms: an annotation that reads a raw value or refuses it.

    ``kind`` names the form in the reference, ``limits`` says what it allows.
    """

    kind: str = ""
    limits: str = ""

    def read(self, value: object) -> object:
        """Give the value in its final type, or raise what ``refuse`` makes."""
        raise NotImplementedError

    @staticmethod
    def show(value: object) -> str:
        """Write a value as it would stand in the file."""
        return str(value)

    @classmethod
    def dump(cls, value: object) -> object:
        """Give a value as JSON has it; what JSON has no word for is as ``show`` says."""
        if isinstance(value, tuple):
            return [str(item) for item in value]
        known = isinstance(value, bool | int | str | list | dict)
        return value if known else cls.show(value)

    def __get_pydantic_core_schema__(
        self,
        source: Any,
        handler: GetCoreSchemaHandler,
    ) -> CoreSchema:
        del source, handler
        return core_schema.no_info_plain_validator_function(
            self.read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                self.dump, when_used="json"
            ),
        )


def is_name(value: object) -> bool:
    """Whether this may name a source, destination, route, channel or secret."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _text(value: object, maximum: int = _TEXT_MAX) -> str:
    if not isinstance(value, str):
        raise refuse("must be text", "put it in quotes")
    if not value:
        raise refuse("must not be empty")
    if len(value) > maximum:
        raise refuse(f"is longer than {maximum} characters")
    if not value.isprintable():
        raise refuse("holds characters that cannot be printed")
    return value


class Text(Form):
    """One line of text, or what ``pattern`` allows of it."""

    kind = "text"

    def __init__(
        self, maximum: int = _TEXT_MAX, *, pattern: str = "", limits: str = ""
    ) -> None:
        self.maximum = maximum
        self.pattern = re.compile(pattern) if pattern else None
        self.limits = limits or f"up to {maximum} characters"

    def read(self, value: object) -> str:
        """Accept printable text that fits."""
        text = _text(value, self.maximum)
        if self.pattern is not None and self.pattern.fullmatch(text) is None:
            raise refuse(f"must be {self.limits}")
        return text


class Named(Form):
    """A name. It becomes part of ids, URLs and metrics, so its alphabet is small."""

    kind = "name"
    limits = "lower-case letters, digits and inner hyphens, up to 63"

    def __init__(self, *reserved: str) -> None:
        self.reserved = reserved

    def read(self, value: object) -> str:
        """Accept a name that is not reserved."""
        text = _text(value)
        if not is_name(text):
            raise refuse(
                "must be lower-case letters, digits and inner hyphens, at most 63"
            )
        if text in self.reserved:
            raise refuse(f"the name `{text}` is reserved")
        return text


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where a listener binds. An empty host means every interface; port 0, any free one."""

    host: str
    port: int

    @classmethod
    def of(cls, text: str) -> "ListenAddress":
        """Read ``127.0.0.1:8080``, ``[::1]:8080`` or ``:8080``.

        Raises:
            ValueError: The text is none of these.
        """
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit() and len(port) <= 5):
            raise ValueError("no port")
        if int(port) > _PORT_MAX:
            raise ValueError("no such port")
        if host.startswith("[") and host.endswith("]"):
            return cls(str(ipaddress.IPv6Address(host[1:-1])), int(port))
        return cls(str(ipaddress.IPv4Address(host)) if host else "", int(port))

    def clashes(self, other: "ListenAddress") -> bool:
        """Whether both cannot be bound by one process."""
        if not self.port or self.port != other.port:
            return False
        everywhere = {"", "0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to
        return self.host == other.host or bool({self.host, other.host} & everywhere)

    def reached(self, port: int | None = None) -> "ListenAddress":
        """Give an address that it can be reached at from here; ``port`` is the real one."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host)  # noqa: S104 - compared with, not bound to
        return ListenAddress(host or self.host, port or self.port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Listen(Form):
    """An address to listen on."""

    kind = "address"
    limits = "IP address and port"

    def read(self, value: object) -> ListenAddress:
        """Accept an address's text, or a ``ListenAddress`` (a default)."""
        if isinstance(value, ListenAddress):
            return value
        try:
            return ListenAddress.of(value if isinstance(value, str) else "")
        except ValueError:
            raise refuse(
                "not an address to listen on",
                'such as 127.0.0.1:8080, 0.0.0.0:8080, ":8080" or "[::1]:8080"',
            ) from None


class Network(Form):
    """A network in CIDR form; a bare address is a network of one."""

    kind = "network"
    limits = "CIDR"

    def read(self, value: object) -> Net:
        """Accept CIDR text, or a network."""
        if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
            return value
        text = value if isinstance(value, str) else ""
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise refuse(
                "not a network", "such as 10.0.0.0/8, fd00::/8 or 192.0.2.7"
            ) from None
        if network.network_address != ipaddress.ip_address(text.partition("/")[0]):
            raise refuse("has bits set beyond its prefix", f"{network} is the network")
        return network


class Networks(Form):
    """``true``, ``false`` or a list of networks: all private addresses, none, or these."""

    kind = "true, false or list of networks"
    limits = "CIDR, up to 64"

    def __get_pydantic_core_schema__(
        self,
        source: Any,
        handler: GetCoreSchemaHandler,
    ) -> CoreSchema:
        del source
        networks = core_schema.tuple_variable_schema(
            Network().__get_pydantic_core_schema__(Net, handler), max_length=64
        )
        return core_schema.no_info_wrap_validator_function(
            _bool_or,
            networks,
            serialization=core_schema.plain_serializer_function_ser_schema(
                self.dump, when_used="json"
            ),
        )


def _bool_or(value: object, networks: Callable[[object], object]) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, list | tuple):
        return networks(value)
    raise refuse("must be `true`, `false` or a list of networks", "[10.0.0.0/8]")


class HttpUrl(Form):
    """An absolute http or https URL, kept as it was written."""

    kind = "URL"

    def __init__(self, *, query: bool) -> None:
        self.query = query
        self.limits = "http or https, no user, no fragment" + (
            "" if query else ", no query"
        )

    def read(self, value: object) -> str:
        """Accept a URL that can be used as it stands."""
        text = _text(value, _URL_MAX)
        if not text.isascii() or " " in text or "\\" in text:
            raise refuse("not a URL", "write other characters percent-encoded")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise refuse("not a URL") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
            raise refuse("must be an http or https URL with a host")
        if not _is_plain(parts.hostname):
            raise refuse(
                "the host is a number that programs read in different ways",
                "write it as four numbers, such as 127.0.0.1",
            )
        self._forbid(text, parts)
        return text

    def _forbid(self, text: str, parts: SplitResult) -> None:
        if "@" in parts.netloc:
            raise refuse("must not hold a user or password")
        if "#" in text:
            raise refuse("must not have a fragment (`#`)")
        if "?" in text and not self.query:
            raise refuse("must not have a query (`?`)")


def _is_plain(host: str) -> bool:
    """Whether a host is a name, or an address in the one form that all programs read alike.

    What ends in a number is an address to many, and which one depends: ``127.1``, ``0177.0.0.1``,
    ``2130706433`` and ``0x7f000001`` are all 127.0.0.1 to some (WHATWG URL, "ends in a number").
    """
    last = host.rstrip(".").rpartition(".")[2]
    if _NUMBER.fullmatch(last) is None or ":" in host:
        return True
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False


class PathText(Form):
    """A path of the file system, relative to ``data_dir`` unless said otherwise."""

    kind = "path"

    def read(self, value: object) -> Path:
        """Accept a path's text, or a ``Path`` (a default)."""
        return value if isinstance(value, Path) else Path(_text(value, 4096))


class Brokers(Form):
    """Kafka's first addresses: one text with commas, or a list."""

    kind = "list of host:port"
    limits = "1 to 64"

    def read(self, value: object) -> tuple[str, ...]:
        """Accept ``kafka:9092``, ``a:9092,b:9092`` or a list of such."""
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not 1 <= len(items) <= 64:
            raise refuse("must be host:port, or several", "kafka-1:9092,kafka-2:9092")
        return tuple(_broker(item) for item in items)


def _broker(item: object) -> str:
    text = _text(item, 300).strip()
    host, _, port = text.rpartition(":")
    fits = port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _PORT_MAX
    if not fits or re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", host) is None:
        raise refuse("must be host:port, or several", "kafka-1:9092,kafka-2:9092")
    return text
