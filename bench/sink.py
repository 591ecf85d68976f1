"""The sink: an HTTP endpoint that costs next to nothing and forgets nothing.

Owns the arrivals: which ids came, how often one came again, when the first and the last new one came
(microseconds of the machine's monotonic clock). It reads just enough of a request to know its
``webhook-id`` and where it ends, and answers 200 at once on a connection that stays open. ``GET /`` gives
the counts as JSON, ``GET /ids`` every id on a line of its own.

``python -m bench.sink`` prints ``READY {port}`` and runs until SIGTERM.
"""

import asyncio
import json
import re
import signal
import time
from typing import Final, cast

import uvloop

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BAD: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)
_ID: Final = re.compile(rb"\r\nwebhook-id: *([^\r\n]+)", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Arrivals:
    """What has come so far."""

    def __init__(self) -> None:
        self.ids: set[bytes] = set()
        self.repeats = 0
        self.malformed = 0
        self.first_us = 0
        self.last_us = 0

    def add(self, identifier: bytes) -> None:
        """Remember one delivery."""
        if identifier in self.ids:
            self.repeats += 1
            return
        self.ids.add(identifier)
        self.last_us = time.monotonic_ns() // 1000
        self.first_us = self.first_us or self.last_us

    def page(self, target: bytes) -> bytes:
        """What a GET is answered."""
        if target == b"/ids":
            body = b"\n".join(self.ids)
        else:
            counts = {
                "unique": len(self.ids),
                "repeats": self.repeats,
                "malformed": self.malformed,
                "first_us": self.first_us,
                "last_us": self.last_us,
            }
            body = json.dumps(counts).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Connection(asyncio.Protocol):
    """One kept-alive connection."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._buffer = b""
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are none of asyncio's classes, and do the same.
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is now whole."""
        self._buffer = self._buffer + data if self._buffer else data
        while self._buffer:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0 or not self._one(self._buffer[:end], end + 4):
                return

    def _one(self, head: bytes, body_at: int) -> bool:
        """Take one request off the buffer; False when its body is not all there."""
        if head.startswith(b"GET "):
            self._buffer = self._buffer[body_at:]
            self._transport.write(self._arrivals.page(head.split(b" ", 2)[1]))
            return True
        length, identifier = _LENGTH.search(head), _ID.search(head)
        if length is None or identifier is None:
            self._arrivals.malformed += 1
            self._buffer = b""
            self._transport.write(BAD)
            self._transport.close()
            return False
        whole = body_at + int(length[1])
        if len(self._buffer) < whole:
            return False
        self._buffer = self._buffer[whole:]
        self._arrivals.add(identifier[1])
        self._transport.write(OK)
        return True


async def serve() -> None:
    """Serve until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    arrivals = Arrivals()
    server = await loop.create_server(
        lambda: Connection(arrivals), "127.0.0.1", 0, backlog=1024
    )
    print(f"READY {server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as main:
        main.run(serve())
