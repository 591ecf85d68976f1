"""HTTP sender: one event, one signed POST, one verdict.

Owns the request, the connections, and how much of an answer is read and for how long. Must not know
of retries, leases, the store, or of what comes after the verdict.

Sources: Standard Webhooks 1.0.0, "Webhook Headers"; CloudEvents HTTP binding 1.0.2, structured mode.
"""

import asyncio
import io
import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

import aiohttp
from aiohttp.abc import AbstractResolver
from multidict import istr
from yarl import URL

from relay.core.credential import Credential
from relay.core.delivery import Failed, Fault, Outcome, Refused, Released
from relay.core.egress import EgressPolicy
from relay.core.errors import UnbuildableError
from relay.core.event import CONTENT_TYPE
from relay.core.ports import Clock, Parcel
from relay.core.signing import StandardKey, sign
from relay.deliver.egress import DIAL, Dial, guarded_connector
from relay.deliver.verdict import FAULTS, Answer, outcome_of_answer, outcome_of_fault

__all__ = ["HttpOptions", "HttpSender"]

_SECOND_US: Final = 1_000_000
#: Above this aiohttp wants a body as a file, which it then writes in pieces.
_WHOLE_BODY_MAX: Final = 1 << 18
_HEADER_BYTES_MAX: Final = 8190
_HEADERS_MAX: Final = 128

#: From this length on a value of the query may be a token, and a segment of the path.
_SHORT: Final = 4
_LONG: Final = 16

_ID: Final = istr("webhook-id")
_TIMESTAMP: Final = istr("webhook-timestamp")
_SIGNATURE: Final = istr("webhook-signature")
#: Only on what an order to send again has made: the order's number.
_REPLAY: Final = istr("relay-replay")

# What can happen to a connection that the other side closed while it lay idle.
_STALE: Final = (
    aiohttp.ServerDisconnectedError,
    aiohttp.ClientOSError,
    ConnectionResetError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """One HTTP destination, as configured."""

    url: str
    #: Newest first; each that is in force signs. Empty: nothing is signed.
    keys: tuple[Credential[StandardKey], ...] = ()
    concurrency: int = 32
    #: For the name, the dial and the TLS handshake together.
    connect_timeout_s: float = 5.0
    #: For the whole try, the answer's body included.
    total_timeout_s: float = 15.0
    #: Of an answer's body, this much is read.
    response_bytes: int = 16 * 1024


class _Request(NamedTuple):
    headers: dict[istr, str]
    body: bytes


class HttpSender:
    """Sends to one URL over a pool of kept-alive connections. To be made inside a running loop."""

    batch: int = 1

    def __init__(
        self,
        *,
        options: HttpOptions,
        policy: EgressPolicy,
        clock: Clock,
        version: str,
        resolver: AbstractResolver,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.concurrency = options.concurrency
        self._options = options
        self._policy = policy
        self._clock = clock
        self._resolver = resolver
        self._tls = tls
        self._url, authorization, self._secrets = _address_of(options.url)
        self._headers = {
            "content-type": CONTENT_TYPE,
            "user-agent": f"runflow-relay/{version}",
            "accept": "*/*",
            "accept-encoding": "identity",
            **authorization,
        }
        self._loop = asyncio.get_running_loop()
        self._default_limits = self._limits(options.total_timeout_s)
        self._session = self._open_session(keep=True)
        self._spare: aiohttp.ClientSession | None = None
        self._closed = False

    def prepare(self, parcels: Iterable[Parcel], /) -> None:
        """Build their events. One that cannot be built says so when it is tried."""
        for parcel in parcels:
            with suppress(UnbuildableError):
                _ = parcel.letter.event.structured

    async def send(self, parcels: Sequence[Parcel], /) -> Sequence[Outcome]:
        """Try each parcel once; one outcome each, in order."""
        if self._closed:
            return [Released()] * len(parcels)
        return [await self._try(parcel) for parcel in parcels]

    async def close(self) -> None:
        """Close every connection. A try under way ends as released."""
        self._closed = True
        await self._session.close()
        if self._spare is not None:
            await self._spare.close()

    async def _try(self, parcel: Parcel) -> Outcome:
        started = self._loop.time()
        try:
            event = parcel.letter.event
        except UnbuildableError as error:
            return Failed(reason=error.reason, fault=Fault.EVENT)
        if self._url is None:
            return Refused(reason="bad_url")
        request = self._request(str(event.attributes["id"]), event.structured)
        if request is None:
            return Failed(reason="no_live_key", fault=Fault.DESTINATION)
        if parcel.replay is not None:
            request.headers[_REPLAY] = str(parcel.replay)
        try:
            answer = await self._post(self._url, request, started)
        except FAULTS as error:
            if self._closed:
                return Released()
            return outcome_of_fault(error, duration_us=self._since(started))
        return outcome_of_answer(
            answer,
            now_us=self._clock.now_us,
            duration_us=self._since(started),
            # An endpoint that echoes its request shows what authorised it.
            hidden=lambda: (
                *self._secrets,
                *request.headers.get(_SIGNATURE, "").encode().split(),
            ),
        )

    def _request(self, message_id: str, body: bytes) -> _Request | None:
        """The request; None when it should be signed and no key is in force."""
        now = self._clock.now_us()
        timestamp = now // _SECOND_US
        headers = {_ID: message_id, _TIMESTAMP: str(timestamp)}
        if self._options.keys:
            live = [item.key for item in self._options.keys if item.is_live(now)]
            if not live:
                return None
            headers[_SIGNATURE] = sign(message_id, timestamp, body, live)
        return _Request(headers, body)

    async def _post(self, url: URL, request: _Request, started: float) -> Answer:
        """Send, and once more at once where a kept connection turned out to be closed.

        Receivers know repeats by ``webhook-id``. The second go has a connection of its own, as the
        rest of the pool may be just as stale, and only the time that is left of the first.
        """
        dial = Dial()
        DIAL.set(dial)
        try:
            return await self._exchange(
                self._session, url, request, self._default_limits
            )
        except aiohttp.ClientConnectorError:
            raise
        except _STALE:
            left = started + self._options.total_timeout_s - self._loop.time()
            if dial.sockets or self._closed or left <= 0:
                raise
        if self._spare is None:
            self._spare = self._open_session(keep=False)
        return await self._exchange(self._spare, url, request, self._limits(left))

    async def _exchange(
        self,
        session: aiohttp.ClientSession,
        url: URL,
        request: _Request,
        limits: aiohttp.ClientTimeout,
    ) -> Answer:
        body = request.body
        async with session.post(
            url,
            data=body if len(body) <= _WHOLE_BODY_MAX else io.BytesIO(body),
            headers=request.headers,
            allow_redirects=False,
            timeout=limits,
        ) as response:
            # Leaving closes the connection if anything of the answer is still unread.
            excerpt = b""
            if not response.content.at_eof():
                excerpt = await _read(response.content, self._options.response_bytes)
            return Answer(response.status, excerpt, response.headers.get("retry-after"))

    def _open_session(self, *, keep: bool) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=guarded_connector(
                self._policy,
                limit=self._options.concurrency,
                resolver=self._resolver,
                tls=self._tls,
                force_close=not keep,
            ),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            # Proxies and .netrc of the environment would dial what was never judged.
            trust_env=False,
            # An excerpt is kept as it came, and nothing small inflates into something large.
            auto_decompress=False,
            max_line_size=_HEADER_BYTES_MAX,
            max_field_size=_HEADER_BYTES_MAX,
            max_headers=_HEADERS_MAX,
        )

    def _limits(self, total_s: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            total=total_s, connect=min(self._options.connect_timeout_s, total_s)
        )

    def _since(self, started: float) -> int:
        return int((self._loop.time() - started) * _SECOND_US)


def _address_of(text: str) -> tuple[URL | None, dict[str, str], frozenset[bytes]]:
    """Give the URL without its user and password, the header that stands for them, and its secrets.

    No URL if the text is not one that can be posted to.
    """
    try:
        url = URL(text)
        port = url.port
        # A user with a colon in it cannot be sent.
        pair = aiohttp.encode_basic_auth(url.user or "", url.password or "")
    except ValueError:
        return None, {}, frozenset()
    if url.scheme not in ("http", "https") or not url.raw_host or not port:
        return None, {}, frozenset()
    secrets = _secrets_of(url)
    if url.user is None and url.password is None:
        return url, {}, secrets
    secrets |= {pair.encode(), pair.removeprefix("Basic ").encode()}
    return url.with_user(None), {"authorization": pair}, secrets


def _secrets_of(url: URL) -> frozenset[bytes]:
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


async def _read(content: aiohttp.StreamReader, limit: int) -> bytes:
    """Read up to ``limit`` bytes. What breaks or dawdles ends the reading: the status is known."""
    pieces = bytearray()
    try:
        while len(pieces) <= limit and not content.at_eof():
            pieces += await content.readany()
    except FAULTS:
        # Not read to its end, so that leaving the exchange closes the connection.
        pass
    return bytes(pieces[:limit])
