"""A TLS server on loopback whose certificate is a test's."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trustme

from tests.deliver.endpoint import OK

__all__ = ["tls_server"]


@asynccontextmanager
async def tls_server(authority: trustme.CA, name: str) -> AsyncIterator[str]:
    """Serves 200 with a certificate for ``name``; gives the URL of 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
