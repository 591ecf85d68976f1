"""Sweeps: ``POST /api/v1/sweeps`` orders one and streams what becomes of it, as JSON lines.

Owns writing the lines: of ``type`` ``progress`` while it goes on, ``source`` when a
source is done, ``result`` at the end. A client that reads slowly misses progress and nothing else, and one
that goes away ends its sweep.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

import msgspec
import structlog
from aiohttp import web

from relay.core.window import WindowError
from relay.operate.actions.sweeping import (
    Errand,
    Line,
    Order,
    Seen,
    Sweeping,
    UnderWayError,
    UnknownSourceError,
)
from relay.operate.api.orders import read_order
from relay.operate.api.problems import problem

__all__ = ["PATH", "Sweeps"]

log: Final = structlog.stdlib.get_logger(__name__)

PATH: Final = "/api/v1/sweeps"


class Sweeps:
    """The resource."""

    def __init__(self, sweeping: Sweeping) -> None:
        self._sweeping = sweeping

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [web.post(PATH, self._post)]

    async def _post(self, request: web.Request) -> web.StreamResponse:
        order = await read_order(request, Order)
        if not isinstance(order, Order):
            return order
        try:
            with self._sweeping.errand(order) as errand:
                return await _stream(request, errand)
        except WindowError as error:
            return problem(HTTPStatus.BAD_REQUEST, "bad-window", str(error))
        except UnknownSourceError as error:
            return problem(HTTPStatus.NOT_FOUND, "unknown-source", str(error))
        except UnderWayError as error:
            return problem(HTTPStatus.CONFLICT, "sweep-under-way", str(error))


async def _stream(request: web.Request, errand: Errand) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "application/jsonl", "Cache-Control": "no-store"}
    )
    await response.prepare(request)
    lines = _Lines()
    try:
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(errand.run(lines.put))
            work.add_done_callback(lambda _: lines.wake.set())
            while not work.done():
                await lines.wake.wait()
                for line in lines.take():
                    await response.write(msgspec.json.encode(line) + b"\n")
            await response.write_eof()
    except* ConnectionError:
        # Whoever asked has gone, and nobody asks any more.
        log.info("sweep.left")
    return response


class _Lines:
    """What is still to be written: all that is final, and only the latest of what is not."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self._lines: deque[Line] = deque()

    def put(self, line: Line) -> None:
        """Have a line written."""
        if self._lines and isinstance(self._lines[-1], Seen):
            self._lines.pop()
        self._lines.append(line)
        self.wake.set()

    def take(self) -> Iterator[Line]:
        """Each line, until there is none."""
        self.wake.clear()
        while self._lines:
            yield self._lines.popleft()
