"""Whose request it is: never what anyone may write into a header, only what trusted proxies wrote."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from aiohttp import web

from relay.receive.peers import PeerReader
from tests.receive.conftest import read_answer
from tests.receive.doors import listening

LOCAL, INNER = "127.0.0.0/8", "10.0.0.0/8"


@pytest.mark.parametrize(
    "trusted,forwarded,peer",
    [
        ([], [], "127.0.0.1"),
        ([], ["203.0.113.9"], "127.0.0.1"),
        ([INNER], ["203.0.113.9"], "127.0.0.1"),
        ([LOCAL], [], "127.0.0.1"),
        ([LOCAL], ["203.0.113.9"], "203.0.113.9"),
        ([LOCAL], ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ([LOCAL], ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        ([LOCAL, INNER], ["198.51.100.1, 203.0.113.9, 10.0.0.7"], "203.0.113.9"),
        ([LOCAL, INNER], ["10.0.0.8, 10.0.0.7"], "10.0.0.8"),
        ([LOCAL], ["198.51.100.1, unknown"], "127.0.0.1"),
        ([LOCAL], ["198.51.100.1, "], "127.0.0.1"),
        ([LOCAL], ["2001:db8::1"], "2001:db8::1"),
        ([LOCAL], ["203.0.113.9:4711"], "127.0.0.1"),
        ([LOCAL], ["fe80::1%anything at all"], "127.0.0.1"),
        ([LOCAL, INNER], ["203.0.113.9, ::ffff:10.0.0.7"], "203.0.113.9"),
    ],
)
async def test_the_peer_is_the_nearest_that_is_no_trusted_proxy(
    trusted: Sequence[str], forwarded: Sequence[str], peer: str
) -> None:
    peers = PeerReader([ip_network(net) for net in trusted])

    async def respond(request: web.BaseRequest) -> web.Response:
        return web.Response(text=peers.peer(request))

    lines = "".join(f"X-Forwarded-For: {text}\r\n" for text in forwarded)
    async with listening(respond) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(f"GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        answer = await read_answer(reader)
        writer.close()
    assert answer is not None
    assert answer.body.decode() == peer
