"""A real HTTP endpoint on loopback whose every byte a test decides."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

__all__ = ["OK", "Connection", "Endpoint", "Request", "answering"]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it came; header names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass(kw_only=True)
class Connection:
    """What an answer may do with a connection."""

    writer: asyncio.StreamWriter
    reader: asyncio.StreamReader
    #: Requests seen on this connection so far, the present one included.
    requests: int = 0

    async def say(self, data: bytes) -> None:
        """Send ``data``; a peer that has gone is no fault."""
        with suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    def hang_up(self) -> None:
        """Close in order."""
        self.writer.close()

    def reset(self) -> None:
        """Throw the connection away; what was said may never arrive."""
        self.writer.transport.abort()


Answer = Callable[[Request, Connection], Awaitable[None]]


def answering(data: bytes) -> Answer:
    """Answer each request with ``data``."""

    async def answer(_request: Request, connection: Connection) -> None:
        await connection.say(data)

    return answer


class Endpoint:
    """Serves on a free port of 127.0.0.1, if on no other, and keeps what it was sent."""

    def __init__(
        self,
        answer: Answer | None = None,
        *,
        reads: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.answer = answer or answering(OK)
        self.requests: list[Request] = []
        self.connections: list[Connection] = []
        #: Set whenever a connection has ended, seen from here.
        self.ended = asyncio.Event()
        self.asked = asyncio.Event()
        self._reads = reads
        self._at = (host, port)
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, *self._at)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self.connections:
            connection.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks)
        await self._server.wait_closed()
        for connection in self.connections:
            with suppress(ConnectionError):
                await connection.writer.wait_closed()

    @property
    def port(self) -> int:
        """The port that was given."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hooks"

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection = Connection(reader=reader, writer=writer)
        self.connections.append(connection)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.append(task)
        # Cancelled only at the end of the test, where nobody is left to be told.
        with suppress(
            ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError
        ):
            while True:
                request = await self._read(reader)
                self.requests.append(request)
                self.asked.set()
                connection.requests += 1
                await self.answer(request, connection)
        self.ended.set()
        writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Request:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.strip().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (text.partition(":") for text in rest)
        }
        length = int(headers.get("content-length", "0")) if self._reads else 0
        return Request(
            line=line, headers=headers, body=await reader.readexactly(length)
        )
