"""A real little name server on loopback that answers what a test decides, and a resolver that asks it.

One question, one datagram, no cache: each look-up is a packet that the server has seen. Source: RFC 1035,
4.1 (messages), 3.4.1 (A); RFC 3596, 2.2 (AAAA).
"""

import asyncio
import socket
import struct
from collections.abc import Sequence
from ipaddress import ip_address
from types import TracebackType
from typing import Self, cast

from aiohttp.abc import AbstractResolver, ResolveResult

__all__ = ["AskingResolver", "NameServer"]

_A, _AAAA, _IN = 1, 28, 1


class NameServer(asyncio.DatagramProtocol):
    """Gives ``answers`` in turn, the last one for ever."""

    def __init__(self, answers: Sequence[Sequence[str]]) -> None:
        self.answers = [list(answer) for answer in answers]
        self.asked: list[str] = []
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._transport is not None
        self._transport.close()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._transport is not None
        found: tuple[str, int] = self._transport.get_extra_info("sockname")
        return found

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own transport of datagrams is none by its bases.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        name, end = _name(data, 12)
        self.asked.append(name)
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        records = b"".join(_record(text) for text in addresses)
        head = struct.pack("!2sHHHHH", data[:2], 0x8180, 1, len(addresses), 0, 0)
        self._transport.sendto(head + data[12 : end + 4] + records, addr)


class AskingResolver(AbstractResolver):
    """Asks that server, anew each time."""

    def __init__(self, server: NameServer) -> None:
        self._server = server

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - the port of aiohttp has it
    ) -> list[ResolveResult]:
        answer = await self._ask(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in _addresses(answer)
        ]

    async def close(self) -> None:
        pass

    async def _ask(self, host: str) -> bytes:
        loop = asyncio.get_running_loop()
        labels = b"".join(bytes([len(p)]) + p.encode() for p in host.split("."))
        question = labels + b"\0" + struct.pack("!HH", _A, _IN)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.setblocking(False)  # noqa: FBT003 - the socket's own signature
            asking.bind(("127.0.0.1", 0))
            head = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0)
            await loop.sock_sendto(asking, head + question, self._server.address)
            return await loop.sock_recv(asking, 4096)


def _record(text: str) -> bytes:
    address = ip_address(text)
    kind = _AAAA if address.version == 6 else _A
    # The name is the question's; nothing is to be remembered.
    head = struct.pack("!HHHIH", 0xC00C, kind, _IN, 0, len(address.packed))
    return head + address.packed


def _addresses(answer: bytes) -> list[str]:
    count = int.from_bytes(answer[6:8], "big")
    _, end = _name(answer, 12)
    place, found = end + 4, []
    for _ in range(count):
        size = int.from_bytes(answer[place + 10 : place + 12], "big")
        found.append(str(ip_address(answer[place + 12 : place + 12 + size])))
        place += 12 + size
    return found


def _name(data: bytes, place: int) -> tuple[str, int]:
    labels = []
    while size := data[place]:
        labels.append(data[place + 1 : place + 1 + size].decode())
        place += 1 + size
    return ".".join(labels), place + 1
