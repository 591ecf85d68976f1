"""Body: reading a request's body without letting it take more than it may.

Owns the size limit while streaming, the deadline, and the sum of all bodies in memory. Knows nothing
of what a body says.
"""

import asyncio
from enum import Enum

from aiohttp import StreamReader, web
from aiohttp.client_exceptions import ClientPayloadError
from aiohttp.http_exceptions import HttpProcessingError

__all__ = ["BodyFault", "InFlight", "read_body"]


class BodyFault(Enum):
    """Why there is no body."""

    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    MALFORMED = "malformed"
    #: The sender hung up before the end; no one is there to be answered.
    GONE = "gone"
    NO_ROOM = "no_room"


class InFlight:
    """How many bytes of bodies are in memory, and how many may be."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0

    def take(self, size: int) -> bool:
        """Reserve; False when it would be too much."""
        if self.used + size > self._limit:
            return False
        self.used += size
        return True

    def give(self, size: int) -> None:
        """Release what :meth:`take` reserved."""
        self.used -= size


async def read_body(
    request: web.BaseRequest, *, limit: int, timeout_s: float, in_flight: InFlight
) -> bytes | BodyFault:
    """The raw body, at most ``limit`` bytes, within ``timeout_s`` seconds.

    What is returned stays reserved in ``in_flight``; a fault leaves nothing reserved.
    """
    declared = request.content_length or 0
    if declared > limit:
        return BodyFault.TOO_LARGE
    content = request.content
    if content.is_eof() and content.exception() is None:
        # The usual case: head and body came in one piece, so there is nothing to wait for.
        body: bytes = content.read_nowait(-1)
        if len(body) > limit:
            return BodyFault.TOO_LARGE
        return body if in_flight.take(len(body)) else BodyFault.NO_ROOM
    # Room is taken for what has come, not for what was announced: announcing costs nothing, and a
    # few idle connections could keep everybody else out.
    reader = _Reader(content, limit=limit, in_flight=in_flight)
    return await reader.read_within(timeout_s)


class _Reader:
    """Reads a body piece by piece, reserving room as it grows."""

    def __init__(
        self, content: StreamReader, *, limit: int, in_flight: InFlight
    ) -> None:
        self._content = content
        self._limit = limit
        self._in_flight = in_flight
        self._reserved = 0

    async def read_within(self, timeout_s: float) -> bytes | BodyFault:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._read()
        except TimeoutError:
            return self._fail(BodyFault.TOO_SLOW)
        except (HttpProcessingError, ClientPayloadError, web.RequestPayloadError):
            return self._fail(BodyFault.MALFORMED)
        except ConnectionError:
            return self._fail(BodyFault.GONE)
        except BaseException:
            # The process stops.
            self._fail(BodyFault.GONE)
            raise

    async def _read(self) -> bytes | BodyFault:
        chunks: list[bytes] = []
        size = 0
        while not self._content.at_eof():
            chunk = await self._content.readany()
            size += len(chunk)
            if size > self._limit:
                return self._fail(BodyFault.TOO_LARGE)
            if not self._reserve(size):
                return self._fail(BodyFault.NO_ROOM)
            chunks.append(chunk)
        error = self._content.exception()
        if error is not None:
            # It came before anyone waited.
            raise error
        return b"".join(chunks)

    def _fail(self, fault: BodyFault) -> BodyFault:
        """Give back all room."""
        self._in_flight.give(self._reserved)
        self._reserved = 0
        return fault

    def _reserve(self, size: int) -> bool:
        if not self._in_flight.take(size - self._reserved):
            return False
        self._reserved = size
        return True
