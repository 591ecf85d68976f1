"""Listener: a public HTTP server that no sender can hold open.

Owns what aiohttp leaves out: deadlines for the request's head, a limit on connections, and dull
constant answers to what is not HTTP. Knows nothing of callbacks.

aiohttp closes idle keep-alive connections and bounds each header, but gives a slow sender all the
time it likes; and it inflates a compressed body before anyone can verify the bytes that were signed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from relay.core.errors import MisconfiguredError

__all__ = ["Listener", "ListenerOptions", "Respond"]

Respond = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

#: How often connections are looked over for heads that never end.
SWEEP_S: Final = 1.0
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
    """One connection that knows since when it has owed the rest of a request's head."""

    __slots__ = ("head_since",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.head_since: float | None = self._loop.time()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages or self._current_request is not None:
            self.head_since = None
        elif self.head_since is None and self._waiter is not None:
            self.head_since = self._loop.time()

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature
    ) -> web.StreamResponse:
        """Answer what is not HTTP, or our own fault, without repeating what was sent."""
        if status < 500:
            response = web.Response(status=400, body=b'{"result":"bad_request"}')
        else:
            self.log_exception("receive.crashed", exc_info=exc)
            response = web.Response(
                status=503,
                body=b'{"result":"unavailable"}',
                headers={"Retry-After": "5"},
            )
        response.content_type = "application/json"
        response.force_close()
        return response


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
            transport.close()

    def close_slow_heads(self, now: float) -> None:
        """Close connections that have owed the rest of a head for too long."""
        limit = now - self._options.header_timeout_s
        for connection, transport in list(self._connections.items()):
            if not isinstance(connection, _Connection):
                continue
            if connection.head_since is not None and connection.head_since <= limit:
                transport.close()


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
            self._server, shutdown_timeout=self._stop_timeout_s
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
                f"{error.strerror or error}"
            ) from error
        self.port = self._runner.addresses[0][1]

    async def run(self) -> None:
        """Look after connections until :meth:`stop`."""
        loop = asyncio.get_running_loop()
        while not self._stopped.is_set():
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self._stopped.wait()
            except TimeoutError:
                if self._server is not None:
                    self._server.close_slow_heads(loop.time())

    def stop(self) -> None:
        """Let :meth:`run` end. Idempotent."""
        self._stopped.set()

    async def close(self) -> None:
        """Stop listening, let requests under way be answered, close. Idempotent and bounded."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
