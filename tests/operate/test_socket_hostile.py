"""Whoever speaks to the socket in a strange way is told so, and the log has nothing of it but our own faults."""

import asyncio
import logging
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from relay.operate.api.orders import read_order
from relay.operate.socket import Socket

HEAD = b"POST /order HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n"


class _Order(msgspec.Struct):
    pass


async def _take(request: web.Request) -> web.Response:
    order = await read_order(request, _Order)
    return order if isinstance(order, web.Response) else web.Response(text="taken")


async def _crash(_: web.Request) -> web.Response:
    raise RuntimeError("our own")


async def said(path: Path, raw: bytes) -> int:
    """The status of what is answered to these bytes."""
    served = Socket(path, [web.post("/order", _take), web.get("/crash", _crash)])
    await served.start()
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(raw)
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
    finally:
        await served.close()
    return int(line.split()[1])


@pytest.mark.parametrize(
    "raw, status",
    [
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\njunk", 415),
        (HEAD + b"Content-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}", 200),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\njunk\r\n0\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}junk\r\n0\r\n\r\n", 400),
        (HEAD + b"Content-Length: -3\r\n\r\n", 400),
        (HEAD + b"Content-Length: 5\r\n\r\n\xff\x00\xfe{}", 400),
        (b"\x00\xff junk\r\n\r\n", 400),
    ],
)
async def test_what_is_no_order_is_answered_and_not_logged(
    raw: bytes, status: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert await said(tmp_path / "relay.sock", raw) == status
    assert [one for one in caplog.records if one.levelno > logging.INFO] == []


async def test_a_fault_of_our_own_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    crash = b"GET /crash HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n"
    assert await said(tmp_path / "relay.sock", crash) == 500
    assert "our own" in caplog.text
