"""Listener: a public HTTP server that no sender can hold open.

Owns what aiohttp leaves out: deadlines for the request's head and for taking the answer, a limit on
connections, dull constant answers to what is not HTTP, leading senders away before it stops, and reading
the bodies that are under way when it does. Knows nothing of callbacks.

aiohttp closes idle keep-alive connections and bounds each header, but gives a slow sender all the
time it likes; it inflates a compressed body before anyone can verify the bytes that were signed; and
when it stops it no longer reads, so that a body half sent waits for nothing.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from aiohttp import StreamReader, web
from aiohttp.web_protocol import RequestHandler

from relay.core.errors import MisconfiguredError

__all__ = ["NAMED", "Listener", "ListenerOptions", "Respond"]

Respond = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

#: Goes with every answer: where it is missing, aiohttp tells versions.
NAMED: Final[Mapping[str, str]] = MappingProxyType({"Server": "runflow-relay"})
#: How often, at least, connections are looked over for heads that never end.
SWEEP_S: Final = 1.0
#: How long a sender may leave answers unread when its connection can take no more.
UNREAD_S: Final = 10.0
#: What a refused body may still send before the connection is closed under it.
LINGER_S: Final = 2.0
_TOO_MANY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerOptions:
    """What bounds the listener; times in seconds."""

    host: str
    port: int
    connections: int = 1024
    headers: int = 128
    header_bytes: int = 8 * 1024
    header_timeout_s: float = 10.0
    idle_timeout_s: float = 75.0
    backlog: int = 1024


class _Connection(RequestHandler):
    """One connection that knows since when it has been waiting for its sender."""

    __slots__ = ("head_since", "unread_since")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        #: Since when the sender has owed the rest of a head; None while it owes none.
        self.head_since: float | None = self._loop.time()
        #: Since when the sender has not read what it was answered.
        self.unread_since: float | None = None
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        request = self._current_request
        if self._messages or request is not None:
            self.head_since = None
            if request is not None and self._messages:
                _tell_of_the_end(request.content)
        elif self.head_since is None and self._waiter is not None:
            self.head_since = self._loop.time()

    def pause_writing(self) -> None:
        self.unread_since = self._loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.unread_since = None
        super().resume_writing()

    def is_late(self, now: float, *, head_s: float, unread_s: float) -> bool:
        """Whether the sender has had its time."""
        return (self.head_since is not None and now - self.head_since >= head_s) or (
            self.unread_since is not None and now - self.unread_since >= unread_s
        )

    def wind_down(self, respond: Respond) -> None:
        """Answer what comes from now on with this; what is under way ends as it began."""
        self._request_handler = respond

    def close(self) -> None:
        """Take no further request; a body under way is still read."""
        request = self._current_request
        if request is None or request.content.is_eof():
            super().close()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's
        """Let the request under way be answered, then close; within twice ``timeout``."""
        loop = asyncio.get_running_loop()
        allowed = timeout or 0.0
        until = loop.time() + allowed
        request = self._current_request
        if request is not None and not request.content.is_eof():
            # However the body ends, its reader hears of it too.
            with suppress(Exception):
                async with asyncio.timeout(allowed):
                    await request.content.wait_eof()
        # aiohttp waits up to this long for the answer, and as long again for what it cancels.
        await super().shutdown((allowed + max(0.0, until - loop.time())) / 2)

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature
    ) -> web.StreamResponse:
        """Answer what is not HTTP, or our own fault, without repeating what was sent."""
        if status < 500:
            response = web.Response(
                status=400, body=b'{"result":"bad_request"}', headers=NAMED
            )
        else:
            self.log_exception("receive.crashed", exc_info=exc)
            response = web.Response(
                status=503,
                body=b'{"result":"unavailable"}',
                headers={"Retry-After": "5", **NAMED},
            )
        response.content_type = "application/json"
        response.force_close()
        return response


def _tell_of_the_end(body: StreamReader) -> None:
    """Tell who waits for the rest of a body that nothing of it will come.

    While a body is being read nothing else can follow it but the parser's error, which aiohttp
    queues behind the very request that waits.
    """
    if not body.is_eof():
        body.set_exception(web.RequestPayloadError("malformed body"))
        body.feed_eof()


class _Server(web.Server):
    """Makes guarded connections, and no more of them than allowed."""

    def __init__(self, respond: Respond, options: ListenerOptions) -> None:
        super().__init__(
            respond,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=options.idle_timeout_s,
            lingering_time=LINGER_S,
            max_headers=options.headers,
            max_field_size=options.header_bytes,
            max_line_size=options.header_bytes,
        )
        self._options = options

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(
        self, handler: RequestHandler, transport: asyncio.Transport
    ) -> None:
        super().connection_made(handler, transport)
        if len(self._connections) > self._options.connections:
            transport.write(_TOO_MANY)
            # Not at once: aiohttp serves each connection in a task, which may not find it closed before it began.
            asyncio.get_running_loop().call_soon(transport.close)

    def close_late(self, now: float) -> None:
        """Close connections whose sender has had its time."""
        for connection, transport in list(self._connections.items()):
            if isinstance(connection, _Connection) and connection.is_late(
                now, head_s=self._options.header_timeout_s, unread_s=UNREAD_S
            ):
                # Not close(): that would wait until what is unread is read.
                transport.abort()

    def wind_down(self) -> None:
        """Let every connection end with its next answer."""
        respond = self.request_handler

        async def last(request: web.BaseRequest) -> web.StreamResponse:
            response = await respond(request)
            response.force_close()
            return response

        # Changed rather than asked about with each request: this happens once, those are the hot path.
        self.request_handler = last
        for connection in self._connections:
            if isinstance(connection, _Connection):
                connection.wind_down(last)

    def abort(self) -> None:
        """Hang up on everyone."""
        for transport in list(self._connections.values()):
            transport.abort()


class Listener:
    """The public server: :meth:`start`, then :meth:`run`, then :meth:`close`."""

    def __init__(
        self, respond: Respond, *, options: ListenerOptions, stop_timeout_s: float
    ) -> None:
        self._respond = respond
        self._options = options
        self._stop_timeout_s = stop_timeout_s
        self._server: _Server | None = None
        self._runner: web.ServerRunner | None = None
        self._stopped = asyncio.Event()
        self.port = options.port

    async def start(self) -> None:
        """Bind and listen.

        Raises:
            MisconfiguredError: the address cannot be bound.
        """
        self._server = _Server(self._respond, self._options)
        self._runner = web.ServerRunner(
            # A connection's shutdown may take this long twice.
            self._server,
            shutdown_timeout=self._stop_timeout_s / 2,
        )
        await self._runner.setup()
        site = web.TCPSite(
            self._runner,
            self._options.host,
            self._options.port,
            backlog=self._options.backlog,
        )
        try:
            await site.start()
        except OSError as error:
            raise MisconfiguredError(
                f"cannot listen on {self._options.host}:{self._options.port}: "
                f"{os.strerror(error.errno) if error.errno else error}"
            ) from error
        self.port = self._runner.addresses[0][1]

    async def run(self) -> None:
        """Look after connections until :meth:`stop`."""
        loop = asyncio.get_running_loop()
        every = min(SWEEP_S, self._options.header_timeout_s / 2)
        while not self._stopped.is_set():
            try:
                async with asyncio.timeout(every):
                    await self._stopped.wait()
            except TimeoutError:
                if self._server is not None:
                    self._server.close_late(loop.time())

    def wind_down(self) -> None:
        """Go on answering, and close each connection with its next answer.

        Whoever keeps connections (an ingress, or a Service that keeps them to one pod) dials anew, and is
        led to somebody else, before there is nobody here to be sent into.
        """
        if self._server is not None:
            self._server.wind_down()

    def stop(self) -> None:
        """Let :meth:`run` end. Idempotent."""
        self._stopped.set()

    def hurry(self) -> None:
        """Hang up on everyone, so that :meth:`close` has no one to wait for."""
        if self._server is not None:
            self._server.abort()

    async def close(self) -> None:
        """Stop listening, let requests under way be answered, close.

        Idempotent; takes at most ``stop_timeout_s``.
        """
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
