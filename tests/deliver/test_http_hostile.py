"""Whatever an endpoint answers costs a bounded amount of time and memory, and both are measured."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from relay.core.delivery import Delivered, Failed, Fault, Outcome
from relay.deliver.http import HttpSender
from tests.deliver.conformance import first, parcel
from tests.deliver.endpoint import OK, Answer, Connection, Endpoint, Request, answering
from tests.deliver.posting import SHORT_S, said, send, sender_to

#: What a try may take of memory at its height: the limits of headers and body, and what the kernel and
#: the loop read at once. An endpoint that pours has sent many times as much by then.
PEAK_BYTES = 2 * 1024 * 1024
#: What a busy machine adds to the limit of a try.
LATE_S = 1.5


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
async def hasty(endpoint: Endpoint) -> AsyncIterator[HttpSender]:
    """A sender with little patience."""
    sender = sender_to(endpoint.url, total_timeout_s=SHORT_S)
    await send(sender)
    yield sender
    await sender.close()


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one try came to, and what it took."""

    outcome: Outcome
    seconds: float
    peak_bytes: int


async def cost_of(sender: HttpSender) -> Cost:
    loop = asyncio.get_running_loop()
    sent = parcel()
    sender.prepare([sent])
    tracemalloc.start()
    try:
        started = loop.time()
        outcome = first(await sender.send([sent]))
        seconds = loop.time() - started
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return Cost(outcome=outcome, seconds=seconds, peak_bytes=peak)


def pouring(head: bytes, drop: bytes) -> Answer:
    """Say ``head``, and then ``drop`` for as long as somebody listens."""

    async def pour(_request: Request, connection: Connection) -> None:
        await connection.say(head)
        while not connection.writer.is_closing():
            await connection.say(drop)
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0)
        raise ConnectionResetError

    return pour


def dripping(head: bytes, drop: bytes) -> Answer:
    """Say ``head``, and then ``drop`` every few milliseconds: never silent, never done."""

    async def drip(_request: Request, connection: Connection) -> None:
        await connection.say(head)
        while not connection.writer.is_closing():
            await connection.say(drop)
            await asyncio.wait(
                [asyncio.get_running_loop().create_future()], timeout=0.005
            )
        raise ConnectionResetError

    return drip


HEAD = b"HTTP/1.1 500 Word\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LONG = HEAD + b"Content-Length: 99999999999999\r\n\r\n"

#: Each either ends at once, or with the limit of time; in neither does it take more memory than it may.
FLOODS = {
    "a status line without an end": pouring(b"HTTP/1.1 500 ", b"x" * 65536),
    "a header without an end": pouring(HEAD + b"X: ", b"x" * 65536),
    "a name of a header without an end": pouring(HEAD, b"x" * 65536),
    "headers without an end": pouring(HEAD, b"X-Short: x\r\n" * 4096),
    "one header again and again": pouring(HEAD, b"Retry-After: 1\r\n" * 4096),
    "headers of nothing": pouring(HEAD, b"X:\r\n" * 16384),
    "a body without an end": pouring(LONG, b"x" * 65536),
    "a body that only the end of the connection ends": pouring(
        HEAD + b"\r\n", b"x" * 65536
    ),
    "chunks without an end": pouring(CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    "chunks of one byte": pouring(CHUNKED, b"1\r\nx\r\n" * 10_000),
    "the size of a chunk without an end": pouring(CHUNKED, b"0" * 65536),
    "an extension of a chunk without an end": pouring(CHUNKED + b"1;x=", b"x" * 65536),
    "extensions of chunks": pouring(CHUNKED, (b"1;" + b"x" * 4000 + b"\r\nx\r\n") * 16),
    "trailers without an end": pouring(CHUNKED + b"0\r\n", b"X-Trail: x\r\n" * 4096),
    "a trailer without an end": pouring(CHUNKED + b"0\r\nX: ", b"x" * 65536),
    "provisional answers without an end": pouring(
        b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1000
    ),
    "a provisional answer without an end": pouring(
        b"HTTP/1.1 100 Continue\r\n", b"X-Short: x\r\n" * 4096
    ),
    "empty lines without an end": pouring(b"", b"\r\n" * 32768),
}

DRIPS = {
    "a status line, letter by letter": dripping(b"HTTP/1.1 500 ", b"x"),
    "a header, letter by letter": dripping(HEAD + b"X: ", b"x"),
    "headers, one by one": dripping(HEAD, b"X-Short: x\r\n"),
    "a body, byte by byte": dripping(LONG, b"x"),
    "chunks, one by one": dripping(CHUNKED, b"1\r\nx\r\n"),
    "provisional answers, one by one": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "empty lines, one by one": dripping(b"", b"\r\n"),
}


@pytest.mark.parametrize("answer", FLOODS.values(), ids=FLOODS)
async def test_a_flood_costs_no_more_than_the_limits_say(
    hasty: HttpSender, endpoint: Endpoint, answer: Answer
) -> None:
    endpoint.answer = answer
    cost = await cost_of(hasty)
    assert isinstance(cost.outcome, Failed)
    assert cost.outcome.fault is Fault.DESTINATION
    assert cost.seconds < SHORT_S + LATE_S
    assert cost.peak_bytes < PEAK_BYTES
    assert len(cost.outcome.excerpt) <= 1024
    assert len(cost.outcome.detail) <= 200
    await endpoint.ended.wait()


@pytest.mark.parametrize("answer", DRIPS.values(), ids=DRIPS)
async def test_a_drip_lasts_no_longer_than_a_try_may(
    hasty: HttpSender, endpoint: Endpoint, answer: Answer
) -> None:
    endpoint.answer = answer
    cost = await cost_of(hasty)
    assert isinstance(cost.outcome, Failed)
    assert cost.outcome.fault is Fault.DESTINATION
    assert cost.seconds < SHORT_S + LATE_S
    assert cost.peak_bytes < PEAK_BYTES
    await endpoint.ended.wait()


@pytest.mark.parametrize(
    "head, rest",
    [
        (b"HTTP/1.1 200 OK", b"Content-Length: -1\r\n\r\n"),
        (b"HTTP/1.1 200 OK", b"Content-Length: x\r\n\r\n"),
        (b"HTTP/1.1 200 OK", b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        (b"HTTP/1.1 200 OK", b"Content-Length: 99999999999999999999999\r\n\r\n"),
        (
            b"HTTP/1.1 200 OK",
            b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nx",
        ),
        (b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked\r\n\r\nnonsense"),
        (b"HTTP/1.1 99 Word", b"\r\n"),
        (b"HTTP/1.1 2000 Word", b"\r\n"),
        (b"HTTP/9.9 200 OK", b"\r\n"),
        (b"\0" * 1000, b"\r\n"),
    ],
    ids=repr,
)
async def test_what_contradicts_itself_is_no_answer(
    hasty: HttpSender, endpoint: Endpoint, head: bytes, rest: bytes
) -> None:
    endpoint.answer = answering(head + b"\r\n" + rest)
    outcome = await send(hasty)
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.fault) == ("malformed_response", Fault.DESTINATION)


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 100\r\n\r\nshort",
        b"Transfer-Encoding: chunked\r\n\r\n64\r\nshort",
    ],
    ids=["less than was said", "half a chunk"],
)
@pytest.mark.parametrize("status", [200, 500])
async def test_a_body_that_breaks_off_does_not_undo_its_status(
    hasty: HttpSender, endpoint: Endpoint, body: bytes, status: int
) -> None:
    """The endpoint has said what it thinks of the event; the rest is an excerpt."""

    async def break_off(_request: Request, connection: Connection) -> None:
        await connection.say(b"HTTP/1.1 %d Word\r\n%b" % (status, body))
        connection.hang_up()

    endpoint.answer = break_off
    outcome = await send(hasty)
    assert getattr(outcome, "status", None) == status
    assert isinstance(outcome, Delivered) is (status == 200)


async def test_what_comes_behind_an_answer_is_not_the_next_one(
    hasty: HttpSender, endpoint: Endpoint
) -> None:
    """Bytes beyond the length that was said end the connection; the next try has a fresh one."""
    endpoint.answer = answering(said(500, body=b"x") + OK * 3)
    one, two = await send(hasty), await send(hasty)
    assert isinstance(one, Failed)
    assert isinstance(two, Failed)
    assert (one.status, two.status) == (500, 500)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
async def test_a_bomb_is_kept_as_it_came(
    hasty: HttpSender, endpoint: Endpoint, encoding: str
) -> None:
    """A thousandfold inflation is the endpoint's own affair: nothing is ever inflated."""
    zeros = b"\0" * 50_000_000
    bomb = {
        "gzip": lambda: gzip.compress(zeros),
        "deflate": lambda: zlib.compress(zeros),
        "gzip, gzip": lambda: gzip.compress(gzip.compress(zeros)),
    }.get(encoding, lambda: b"not even that")()
    endpoint.answer = answering(said(500, f"Content-Encoding: {encoding}", body=bomb))
    cost = await cost_of(hasty)
    assert isinstance(cost.outcome, Failed)
    assert bomb[:1024] == cost.outcome.excerpt
    assert cost.peak_bytes < PEAK_BYTES
    assert cost.seconds < SHORT_S + LATE_S


async def test_a_hundred_floods_at_once_stay_within_a_hundred_times_the_limit(
    endpoint: Endpoint,
) -> None:
    """What one endpoint may cost is multiplied by its concurrency, and by nothing else."""
    sender = sender_to(endpoint.url, total_timeout_s=SHORT_S, concurrency=20)
    endpoint.answer = FLOODS["chunks without an end"]
    tracemalloc.start()
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(send(sender, number))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    await sender.close()
    assert peak < 20 * PEAK_BYTES
