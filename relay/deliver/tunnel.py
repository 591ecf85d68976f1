"""Tunnel: connections through an HTTP proxy, to addresses that were judged here.

Owns the ``CONNECT`` and what its answer means. The proxy is never told a name: the destination's name is
resolved and judged as if it were dialled from here, and the proxy is asked for that very address, so that
no second look-up stands between the judgement and the dial. TLS, the name that certificates are checked
against and ``Host`` go through untouched; the proxy sees an address and, of plain HTTP, what it carries.
Must not know what is sent.

Where the proxy itself stands is the operator's word, as it is for Kafka's brokers: it may be private.

Sources: RFC 9110, 9.3.6 (``CONNECT``), 11.7.2 (``Proxy-Authorization``).
"""

import asyncio
import re
import socket
import ssl
from ipaddress import IPv6Address, ip_network
from typing import Any, Final

import aiohttp
from aiohttp import ClientRequest, TCPConnector
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler

from relay.core.egress import EgressPolicy
from relay.deliver.egress import (
    AddressInfo,
    BlockedAddressError,
    GuardedResolver,
    checked,
    guarded_socket,
)
from relay.deliver.http_options import Proxy

__all__ = ["ProxyError", "TunnelConnector"]

#: Anything but what nobody is ever to dial.
_OPERATORS_WORD: Final = EgressPolicy(
    private=True, allow=(ip_network("0.0.0.0/0"), ip_network("::/0"))
)
_HEAD_MAX: Final = 16 * 1024
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})[ \r]")
_END: Final = b"\r\n\r\n"


class ProxyError(OSError):
    """The proxy cannot be reached, or does not connect. Its text is ours, without the proxy's words."""


class TunnelConnector(TCPConnector):
    """A connector whose connections go through a proxy.

    The one method that it replaces is aiohttp's own and private; a test shows that it is in use.
    """

    def __init__(
        self,
        *,
        proxy: Proxy,
        policy: EgressPolicy,
        names: AbstractResolver,
        **options: Any,
    ) -> None:
        """``names`` finds the proxy; ``options`` are those of a connector."""
        super().__init__(**options)
        self._proxy = proxy
        self._policy = policy
        self._names = GuardedResolver(policy=_OPERATORS_WORD, inner=names)
        self._make_socket = guarded_socket(_OPERATORS_WORD)

    async def _wrap_create_connection(
        self,
        *args: Any,
        addr_infos: list[AddressInfo],
        req: ClientRequest,
        client_error: type[Exception] = aiohttp.ClientConnectorError,
        **kwargs: Any,
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        """Connect to the first of these addresses that the proxy reaches."""
        key = req.connection_key
        # The limit for connecting as a whole is what counts; there is none for a socket alone.
        del kwargs["timeout"]
        try:
            tunnel = await self._first(addr_infos)
            try:
                return await self._loop.create_connection(*args, **kwargs, sock=tunnel)
            except BaseException:
                tunnel.close()
                raise
        except ssl.SSLCertVerificationError as error:
            raise aiohttp.ClientConnectorCertificateError(key, error) from error
        except ssl.SSLError as error:
            raise aiohttp.ClientConnectorSSLError(key, error) from error
        except TimeoutError:
            raise
        except OSError as error:
            raise client_error(key, error) from error
        finally:
            # All of them have been tried; whoever called would try what is left once more.
            addr_infos.clear()

    async def _first(self, addresses: list[AddressInfo]) -> socket.socket:
        """A socket through which the destination hears.

        Raises:
            BlockedAddressError: an address is not permitted.
            ProxyError: the proxy reaches none of them.
        """
        fault: OSError = ProxyError("no address")
        for *_, address in addresses:
            host, port = checked(str(address[0]), self._policy), address[1]
            try:
                return await self._tunnel(_authority(host, port))
            except ProxyError as error:
                fault = error
        raise fault

    async def _tunnel(self, target: str) -> socket.socket:
        dialled = await self._dial()
        try:
            await self._loop.sock_sendall(dialled, self._connect(target))
            await self._agree(dialled)
        except BaseException as error:
            dialled.close()
            if isinstance(error, OSError) and not isinstance(error, ProxyError):
                raise ProxyError(_why(error)) from error
            raise
        return dialled

    async def _dial(self) -> socket.socket:
        proxy = self._proxy
        try:
            found = await self._names.resolve(proxy.host, proxy.port, socket.AF_UNSPEC)
        except OSError as error:
            raise ProxyError(_why(error)) from error
        fault = ProxyError("no address")
        for one in found:
            address = (one["host"], proxy.port)
            info = (one["family"], socket.SOCK_STREAM, one["proto"], "", address)
            try:
                return await self._connected(info)
            except OSError as error:
                fault = ProxyError(_why(error))
        raise fault

    async def _connected(self, info: AddressInfo) -> socket.socket:
        sock = self._make_socket(info)
        sock.setblocking(False)  # noqa: FBT003 - the socket's own signature
        try:
            await self._loop.sock_connect(sock, info[4])
        except BaseException:
            sock.close()
            raise
        return sock

    def _connect(self, target: str) -> bytes:
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if self._proxy.auth is not None:
            lines.append(f"Proxy-Authorization: {self._proxy.auth.header}")
        return "\r\n".join([*lines, "", ""]).encode()

    async def _agree(self, dialled: socket.socket) -> None:
        """Read the answer to ``CONNECT``, and nothing behind it: the destination speaks only when asked.

        Raises:
            ProxyError: it is not a yes.
        """
        head = b""
        while _END not in head:
            data = await self._loop.sock_recv(dialled, 4096)
            head += data
            if not data or len(head) > _HEAD_MAX:
                raise ProxyError("no answer to CONNECT")
        status = _STATUS.match(head)
        if status is None:
            raise ProxyError("malformed answer to CONNECT")
        if not status[1].startswith(b"2"):
            raise ProxyError(f"answered CONNECT with {status[1].decode()}")
        if head.index(_END) + len(_END) != len(head):
            raise ProxyError("spoke out of turn")


def _authority(host: str, port: object) -> str:
    return f"[{IPv6Address(host)}]:{port}" if ":" in host else f"{host}:{port}"


def _why(error: OSError) -> str:
    if isinstance(error, BlockedAddressError):
        return str(error)
    return error.strerror or type(error).__name__
