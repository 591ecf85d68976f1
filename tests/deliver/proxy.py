"""A real HTTP proxy on loopback that answers ``CONNECT`` and notes what it was asked for."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["ConnectProxy"]


class ConnectProxy:
    """Connects whoever asks with where they ask for; or does as ``says`` says."""

    def __init__(self, says: bytes | None = None, *, hosts: str = "127.0.0.1") -> None:
        self.says = says
        #: The head of each request.
        self.heads: list[str] = []
        #: What went through towards the destination, as far as the proxy can read it.
        self.seen = bytearray()
        self._hosts = hosts
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._hosts, 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def targets(self) -> list[str]:
        """What it was asked to connect to, in order."""
        return [head.split(" ")[1] for head in self.heads]

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            if self.says is None:
                await self._join(head.split(" ")[1], reader, writer)
            else:
                writer.write(self.says)
                await writer.drain()
        writer.close()

    async def _join(
        self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, _, port = target.rpartition(":")
        try:
            far, out = await asyncio.open_connection(host.strip("[]"), int(port))
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass(reader, out, note=True))
                tasks.create_task(self._pass(far, writer, note=False))
        finally:
            out.close()

    async def _pass(
        self, near: asyncio.StreamReader, far: asyncio.StreamWriter, *, note: bool
    ) -> None:
        with suppress(ConnectionError):
            while data := await near.read(65536):
                if note:
                    self.seen += data
                far.write(data)
                await far.drain()
        far.close()
