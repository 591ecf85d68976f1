"""HTTP options: one HTTP destination as configured.

Owns their shape, and what of them an endpoint must never be seen to echo. Must not know of requests,
connections or outcomes.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from yarl import URL

from relay.core.credential import Credential
from relay.core.shape import WHOLE, Shape
from relay.core.signature import RunflowKey
from relay.core.signing import OutgoingKey

__all__ = ["Address", "BasicAuth", "BearerAuth", "Format", "HttpOptions", "Proxy"]

#: From this length on a value may be a token: of the query or of a header, and a segment of the path.
_SHORT: Final = 4
_LONG: Final = 16

#: How an event is written.
Format = Literal["cloudevents", "data", "runflow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerAuth:
    """A token that says who sends."""

    token: str = field(repr=False)

    @property
    def header(self) -> str:
        """The value of ``authorization``."""
        return f"Bearer {self.token}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuth:
    """A name and a password that say who sends."""

    username: str
    password: str = field(repr=False)

    @property
    def header(self) -> str:
        """The value of ``authorization``. UTF-8, as RFC 7617 recommends and nothing forbids."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy that connections are made through, by ``CONNECT``."""

    host: str
    port: int
    auth: BasicAuth | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """One HTTP destination, as configured."""

    url: str = field(repr=False)
    #: Newest first; each that is in force signs. Empty: nothing is signed.
    keys: tuple[Credential[OutgoingKey], ...] = ()
    #: The same for the format ``runflow``, whose one signature is by the first that is in force.
    runflow_keys: tuple[Credential[RunflowKey], ...] = ()
    format: Format = "cloudevents"
    shape: Shape = WHOLE
    #: Headers of the destination's own, names in lower case.
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    auth: BearerAuth | BasicAuth | None = None
    proxy: Proxy | None = None
    concurrency: int = 32
    #: For the name, the dial and the TLS handshake together.
    connect_timeout_s: float = 5.0
    #: For the whole try, the answer's body included.
    total_timeout_s: float = 15.0
    #: Of an answer's body, this much is read.
    response_bytes: int = 16 * 1024


class Address:
    """Where to post, the headers that are the same each time, and what of both is secret."""

    __slots__ = ("headers", "secrets", "url")

    def __init__(self, options: HttpOptions) -> None:
        #: None if the text is not one that can be posted to.
        self.url: URL | None = None
        self.headers: dict[str, str] = dict(options.headers)
        #: In each form in which an endpoint may echo it, the longest not first.
        self.secrets: frozenset[bytes] = frozenset(_of_headers(options))
        url = _usable(options.url)
        if url is None:
            return
        self.url = url.with_user(None)
        self.secrets |= _of_url(url)
        if url.user is not None or url.password is not None:
            pair = BasicAuth(username=url.user or "", password=url.password or "")
            self.headers["authorization"] = pair.header
            self.secrets |= set(_of_value(pair.header))
        if options.auth is not None:
            self.headers["authorization"] = options.auth.header


def _usable(text: str) -> URL | None:
    try:
        url = URL(text)
        port = url.port
    except ValueError:
        return None
    if url.scheme not in ("http", "https") or not url.raw_host or not port:
        return None
    # A user with a colon in it cannot be sent.
    return None if ":" in (url.user or "") else url


def _of_headers(options: HttpOptions) -> Iterator[bytes]:
    """What stands in headers: the whole value, and its words, as ``Bearer`` is not the secret."""
    auth = options.auth
    values = [value for _, value in options.headers]
    if auth is not None:
        values.append(auth.header)
    if isinstance(auth, BasicAuth):
        values.append(auth.password)
    if options.proxy is not None and options.proxy.auth is not None:
        values += [options.proxy.auth.header, options.proxy.auth.password]
    for value in values:
        yield from _of_value(value)


def _of_value(value: str) -> Iterator[bytes]:
    for part in (value, *value.split(" ")):
        if len(part) >= _SHORT and part not in ("Basic", "Bearer"):
            yield part.encode()


def _of_url(url: URL) -> frozenset[bytes]:
    """What of a URL may be a token, in each form in which an endpoint may echo it.

    Which of its values is one nobody can tell. All of the query count, and what is long of the path
    and of the user: chat services have their tokens there, not always in the last segment. A short
    value is no secret, and with each ``1`` hidden nothing of an answer could be read.
    """
    found = [url.raw_password or ""]
    found += [
        text for text in (url.raw_user or "", *url.raw_parts) if len(text) >= _LONG
    ]
    for pair in url.raw_query_string.split("&"):
        name, _, value = pair.partition("=")
        found.append(value or name)
    forms = {
        form
        for text in found
        for form in (
            text.encode(),
            unquote_to_bytes(text),
            unquote_to_bytes(text.replace("+", " ")),
        )
    }
    return frozenset(form for form in forms if len(form) >= _SHORT)
