"""The listener: no sender can hold it open, and when it stops, who was heard is answered."""

import asyncio
import gzip
import logging
from contextlib import AsyncExitStack
from typing import cast

import pytest
from aiohttp import web

from relay.core.errors import MisconfiguredError
from relay.receive import listener as module
from tests.receive.conftest import Answer, Door, read_answer
from tests.receive.doors import listening, until

HALF = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfirst"


class Echo:
    """Answers with the body, and says when it has begun to read one."""

    def __init__(self) -> None:
        self.began = asyncio.Event()

    async def respond(self, request: web.BaseRequest) -> web.Response:
        self.began.set()
        return web.Response(body=await request.read())


async def _half_sent(
    port: int, echo: Echo
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HALF)
    await echo.began.wait()
    return reader, writer


async def test_a_body_half_sent_when_the_relay_stops_is_read_and_answered() -> None:
    echo = Echo()
    async with listening(echo.respond, stop_timeout_s=20.0) as listener:
        reader, writer = await _half_sent(listener.port, echo)
        async with asyncio.TaskGroup() as tasks:
            closing = tasks.create_task(listener.close())
            await asyncio.wait([closing], timeout=0.1)
            assert not closing.done()
            writer.write(b"half!")
            answer = await read_answer(reader)
        writer.close()
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"firsthalf!")


async def test_a_kept_connection_ends_with_the_first_answer_once_senders_are_led_away() -> (
    None
):
    """And a new one, which may come as long as it listens, with its only answer."""
    asked = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    async with listening(Echo().respond) as listener:
        kept = await asyncio.open_connection("127.0.0.1", listener.port)
        kept[1].write(asked)
        first = await read_answer(kept[0])
        assert first is not None
        assert "connection" not in first.headers
        listener.wind_down()
        late = await asyncio.open_connection("127.0.0.1", listener.port)
        for reader, writer in (kept, late):
            writer.write(asked)
            last = await read_answer(reader)
            assert last is not None
            assert (last.status, last.headers["connection"]) == (200, "close")
            assert await reader.read() == b""
            writer.close()


async def test_what_is_under_way_when_senders_are_led_away_is_answered() -> None:
    echo = Echo()
    async with listening(echo.respond) as listener:
        reader, writer = await _half_sent(listener.port, echo)
        listener.wind_down()
        writer.write(b"half!")
        answer = await read_answer(reader)
        assert answer is not None
        assert (answer.status, answer.body) == (200, b"firsthalf!")
        writer.close()


async def test_a_body_that_never_ends_holds_a_stop_up_no_longer_than_allowed() -> None:
    echo = Echo()
    async with listening(echo.respond, stop_timeout_s=0.4) as listener:
        _, writer = await _half_sent(listener.port, echo)
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(5):
            await listener.close()
        # What is beyond the limit is a busy machine's own.
        assert loop.time() - began < 0.4 + 1.0
        writer.close()


async def test_in_a_hurry_nobody_is_waited_for() -> None:
    echo = Echo()
    async with listening(echo.respond, stop_timeout_s=3600.0) as listener:
        reader, writer = await _half_sent(listener.port, echo)
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            closing = tasks.create_task(listener.close())
            await asyncio.wait([closing], timeout=0.05)
            listener.hurry()
        assert await read_answer(reader) is None
        writer.close()


async def test_once_it_has_stopped_nobody_is_let_in() -> None:
    echo = Echo()
    async with listening(echo.respond) as listener:
        await listener.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", listener.port)


async def test_answers_that_nobody_reads_do_not_hold_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "UNREAD_S", 0.1)

    async def respond(_: web.BaseRequest) -> web.Response:
        return web.Response(body=b"x" * (32 * 1024 * 1024))

    async with listening(respond) as listener:
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        cast("asyncio.Transport", writer.transport).pause_reading()
        server = listener._server
        assert server is not None
        await until(lambda: server.requests_count == 1)
        await until(lambda: not server.connections)
        writer.close()


async def test_a_body_is_handed_on_as_it_was_signed_and_never_inflated() -> None:
    echo, body = Echo(), gzip.compress(b"x" * 1_000_000)
    async with listening(echo.respond) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        answer = await read_answer(reader)
        writer.close()
    assert answer is not None
    assert answer.body == body


async def test_our_own_fault_is_503_and_repeats_nothing_of_what_was_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def respond(_: web.BaseRequest) -> web.Response:
        raise ValueError("a bug that quotes whsec_something")

    async with listening(respond) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await read_answer(reader)
        writer.close()
    assert answer is not None
    assert (answer.status, answer.body) == (503, b'{"result":"unavailable"}')
    assert (answer.headers["retry-after"], answer.headers["connection"]) == (
        "5",
        "close",
    )
    assert answer.headers["server"] == "runflow-relay"
    assert [record.message for record in caplog.records] == ["receive.crashed"]


async def test_a_sender_that_hangs_up_is_no_fault_of_ours(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n12"
    with caplog.at_level(logging.ERROR):
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(head)
        await writer.drain()
        writer.transport.abort()
        page = door.service.metrics.exposition
        await until(lambda: b'outcome="gone",source="acme"} 1.0' in page())
    assert [record.message for record in caplog.records] == []


async def test_a_port_that_is_taken_is_said_in_a_sentence() -> None:
    echo = Echo()
    async with listening(echo.respond) as first, AsyncExitStack() as stack:
        with pytest.raises(MisconfiguredError, match=f"127.0.0.1:{first.port}"):
            await stack.enter_async_context(listening(echo.respond, port=first.port))


@pytest.mark.parametrize(
    "request_line", ["GET /healthz", "GET /nowhere", "POST /callbacks/acme", "\0"]
)
async def test_no_answer_tells_the_versions_of_what_serves_it(
    door: Door, request_line: str
) -> None:
    head = f"{request_line} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    answer = await _ask(door, head.encode())
    assert answer.headers["server"] == "runflow-relay"


async def _ask(door: Door, request: bytes) -> Answer:
    answer = await door.raw(request)
    assert answer is not None
    return answer


@pytest.mark.parametrize(
    "line,status",
    [
        (b"OPTIONS * HTTP/1.1", 404),
        (b"POST http://elsewhere/callbacks/nobody HTTP/1.1", 404),
        (b"POST //callbacks/acme HTTP/1.1", 404),
        (b"POST /callbacks/acme/ HTTP/1.1", 404),
        (b"POST /callbacks/%61cme HTTP/1.1", 404),
        (b"POST /callbacks/../callbacks/nobody HTTP/1.1", 404),
        (b"GET /healthz HTTP/1.0", 200),
        (b"HEAD /healthz HTTP/1.1", 200),
    ],
    ids=str,
)
async def test_odd_targets_have_dull_answers(
    line: bytes, status: int, door: Door
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    first = (await reader.readline()).split()
    writer.close()
    assert int(first[1]) == status


async def test_a_chunk_that_is_none_is_noticed_when_it_comes(door: Door) -> None:
    """Not only when the body's time is up: that would be answered 408."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(
        b"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    await reader.readuntil(b"100 Continue\r\n\r\n")
    writer.write(b"3\r\n{}\n\r\nzz\r\n")
    answer = await read_answer(reader)
    assert answer is not None
    assert (answer.status, answer.body) == (400, b'{"result":"bad_request"}')
    assert await reader.read() == b""
    writer.close()


async def test_who_expects_to_be_asked_is_not_asked_for_too_much(door: Door) -> None:
    answer = await _ask(
        door,
        b"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        b"Content-Length: 7340032\r\n\r\n",
    )
    assert answer.status == 413
