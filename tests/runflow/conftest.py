"""A scripted API, scripted time, and a client that joins them."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from relay.runflow import Runflow
from tests.runflow.upstream import ScriptedTime, Upstream, client_of


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """Serves on a free port of 127.0.0.1."""
    scripted = Upstream()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", scripted.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    scripted.url = f"http://{host}:{port}"
    yield scripted
    await runner.cleanup()


@pytest.fixture
def time() -> ScriptedTime:
    """Nobody waits."""
    return ScriptedTime()


@pytest.fixture
async def client(upstream: Upstream, time: ScriptedTime) -> AsyncIterator[Runflow]:
    """Asks once."""
    async with client_of(upstream.url, time) as opened:
        yield opened


@pytest.fixture
async def patient(upstream: Upstream, time: ScriptedTime) -> AsyncIterator[Runflow]:
    """Asks up to five times."""
    async with client_of(upstream.url, time, retries=4) as opened:
        yield opened
