"""Reading a body: however it ends, it took no more than it may and holds nothing afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from aiohttp import web

from relay.receive.body import BodyFault, InFlight, read_body
from tests.receive.doors import listening

CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def _sized(size: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size


@dataclass
class Reading:
    """What one request's body came to."""

    in_flight: InFlight
    found: asyncio.Future[bytes | BodyFault]
    writer: asyncio.StreamWriter

    async def said(self) -> bytes | BodyFault:
        async with asyncio.timeout(5):
            return await self.found


@asynccontextmanager
async def reading(
    *sent: bytes, limit: int = 1000, room: int = 2000, timeout_s: float = 5.0
) -> AsyncIterator[Reading]:
    """A request whose pieces come one after another, each once the one before is read."""
    found = asyncio.get_running_loop().create_future()
    in_flight, began = InFlight(room), asyncio.Event()

    async def respond(request: web.BaseRequest) -> web.Response:
        began.set()
        body = await read_body(
            request, limit=limit, timeout_s=timeout_s, in_flight=in_flight
        )
        found.set_result(body)
        response = web.Response()
        response.force_close()
        return response

    async with listening(respond) as listener:
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(sent[0])
        await began.wait()
        for piece in sent[1:]:
            writer.write(piece)
            await writer.drain()
        try:
            yield Reading(in_flight, found, writer)
        finally:
            writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        (_sized(9) + b"one piece",),
        (_sized(9), b"one", b" piece"),
        (CHUNKED + b"9\r\none piece\r\n0\r\n\r\n",),
        (CHUNKED, b"3\r\none\r\n", b"6\r\n piece\r\n", b"0\r\n\r\n"),
    ],
    ids=["at once", "in pieces", "one chunk", "chunks"],
)
async def test_a_body_is_read_whole_and_stays_counted(sent: tuple[bytes, ...]) -> None:
    async with reading(*sent) as it:
        assert await it.said() == b"one piece"
        assert it.in_flight.used == 9


#: How a body can fail, and what says so.
FAULTS: dict[str, tuple[tuple[bytes, ...], BodyFault]] = {
    "declared too large": ((_sized(1001),), BodyFault.TOO_LARGE),
    "a chunk too large, in the first packet": (
        (CHUNKED + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n",),
        BodyFault.TOO_LARGE,
    ),
    "chunks too large, one by one": (
        (CHUNKED, b"1f4\r\n" + b"x" * 500 + b"\r\n", b"1f5\r\n" + b"x" * 501 + b"\r\n"),
        BodyFault.TOO_LARGE,
    ),
    "a chunk that is none": (
        (CHUNKED, b"3\r\none\r\n", b"zz\r\n"),
        BodyFault.MALFORMED,
    ),
}


@pytest.mark.parametrize("sent,fault", FAULTS.values(), ids=FAULTS)
async def test_a_faulty_body_holds_nothing(
    sent: tuple[bytes, ...], fault: BodyFault
) -> None:
    async with reading(*sent) as it:
        assert (await it.said(), it.in_flight.used) == (fault, 0)


@pytest.mark.parametrize(
    "sent",
    [
        (_sized(9) + b"one piece",),
        (_sized(9), b"one piece"),
        (CHUNKED, b"9\r\none piece\r\n", b"0\r\n\r\n"),
    ],
    ids=["at once", "declared", "chunked"],
)
async def test_a_body_for_which_there_is_no_room_holds_nothing(
    sent: tuple[bytes, ...],
) -> None:
    async with reading(*sent, room=8) as it:
        assert (await it.said(), it.in_flight.used) == (BodyFault.NO_ROOM, 0)


async def test_a_body_that_is_only_announced_takes_no_room() -> None:
    async with reading(_sized(1000)) as it:
        assert it.in_flight.used == 0


async def test_room_is_taken_as_a_body_comes() -> None:
    async with reading(_sized(9), b"one") as it:
        while not it.in_flight.used:
            await asyncio.wait([it.found], timeout=0.001)
        assert it.in_flight.used == 3


async def test_a_slow_body_is_given_up_and_holds_nothing() -> None:
    async with reading(_sized(9), b"one", timeout_s=0.1) as it:
        assert (await it.said(), it.in_flight.used) == (BodyFault.TOO_SLOW, 0)


async def test_a_body_whose_sender_has_gone_holds_nothing() -> None:
    async with reading(_sized(9), b"one") as it:
        it.writer.transport.abort()
        assert (await it.said(), it.in_flight.used) == (BodyFault.GONE, 0)
