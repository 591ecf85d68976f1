"""HTTP sender: one event, one signed POST, one verdict.

Owns the exchange: sessions, limits of time, the second go over a fresh connection, and how much of an
answer is read and for how long. Must not know of retries, leases, the store, of what a request is made
of, or of what comes after the verdict.
"""

import asyncio
import io
import ssl
from collections.abc import Iterable, Sequence
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from relay.core.delivery import Delivered, Outcome, Refused, Released
from relay.core.egress import EgressPolicy
from relay.core.ports import Clock, Parcel
from relay.deliver.connector import guarded_connector
from relay.deliver.egress import DIAL, Dial
from relay.deliver.http_options import Address, HttpOptions
from relay.deliver.http_request import CONTENT_TYPES, Composer, Request
from relay.deliver.verdict import FAULTS, Answer, outcome_of_answer, outcome_of_fault

__all__ = ["HttpSender"]

_SECOND_US: Final = 1_000_000
#: Above this aiohttp wants a body as a file, which it then writes in pieces.
_WHOLE_BODY_MAX: Final = 1 << 18
_HEADER_BYTES_MAX: Final = 8190
_HEADERS_MAX: Final = 128

# What can happen to a connection that the other side closed while it lay idle.
_STALE: Final = (
    aiohttp.ServerDisconnectedError,
    aiohttp.ClientOSError,
    ConnectionResetError,
)


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
        self._composer = Composer(options=options, clock=clock)
        self._resolver = resolver
        self._tls = tls
        address = Address(options)
        self._url, self._secrets = address.url, address.secrets
        self._headers = {
            "content-type": CONTENT_TYPES[options.format],
            "user-agent": f"runflow-relay/{version}",
            "accept": "*/*",
            "accept-encoding": "identity",
            **address.headers,
        }
        self._loop = asyncio.get_running_loop()
        self._default_limits = self._limits(options.total_timeout_s)
        self._session = self._open_session(keep=True)
        self._spare: aiohttp.ClientSession | None = None
        self._closed = False

    def prepare(self, parcels: Iterable[Parcel], /) -> None:
        """Build their events. One that cannot be built says so when it is tried."""
        self._composer.prepare(parcels)

    async def send(self, parcels: Sequence[Parcel], /) -> Sequence[Outcome]:
        """Try each parcel once; one outcome each, in order."""
        if self._closed:
            return [Released()] * len(parcels)
        return [await self._try(parcel) for parcel in parcels]

    async def reach(self) -> Outcome:
        """Connect as a try does, TLS and a proxy included, and send nothing."""
        started = self._loop.time()
        if self._url is None:
            return Refused(reason="bad_url")
        connector = self._session.connector
        if connector is None:
            return Released()
        request = aiohttp.ClientRequest("POST", self._url, loop=self._loop)
        try:
            connection = await connector.connect(request, [], self._default_limits)
        except TimeoutError:
            fault = aiohttp.ConnectionTimeoutError()
            return outcome_of_fault(fault, duration_us=self._since(started))
        except FAULTS as error:
            return outcome_of_fault(error, duration_us=self._since(started))
        connection.close()
        return Delivered(duration_us=self._since(started))

    async def close(self) -> None:
        """Close every connection. A try under way ends as released."""
        self._closed = True
        await self._session.close()
        if self._spare is not None:
            await self._spare.close()

    async def _try(self, parcel: Parcel) -> Outcome:
        started = self._loop.time()
        if self._url is None:
            return Refused(reason="bad_url")
        request = self._composer.compose(parcel)
        if not isinstance(request, Request):
            return request
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
            hidden=lambda: (*self._secrets, *request.signatures),
        )

    async def _post(self, url: URL, request: Request, started: float) -> Answer:
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
        request: Request,
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
                proxy=self._options.proxy,
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
