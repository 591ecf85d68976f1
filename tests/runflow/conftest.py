"""A scripted API, scripted time, and a client that joins them."""

from collections.abc import AsyncIterator

import pytest

from relay.runflow import Runflow
from tests.runflow.upstream import ScriptedTime, Upstream, client_of, serving


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """Serves on a free port of 127.0.0.1."""
    async with serving() as scripted:
        yield scripted


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
