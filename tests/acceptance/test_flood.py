"""A flood: senders take all connections that there are, and nobody starts the relay again for that."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.acceptance.relays import SECRET
from tests.places import HOST, free_port
from tests.receive.doors import until

pytestmark = [pytest.mark.process, pytest.mark.timeout(60, func_only=True)]

#: What the relay is started with, and what it is to let in: an engine's default is 1024 of both.
FILES, CONNECTIONS = 150, 300


class Flooded:
    """A relay with senders that say nothing."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.public, self.operator = free_port(), free_port()

    def start(self) -> subprocess.Popen[bytes]:
        config = self.directory / "relay.yaml"
        config.write_text(
            f"data_dir: {self.directory}\n"
            f"public: {{listen: '{HOST}:{self.public}'}}\n"
            f"operator: {{listen: '{HOST}:{self.operator}'}}\n"
            # However slow this machine is, nobody is shown out for his silence.
            f"limits: {{min_free_disk: 1MiB, connections: {CONNECTIONS}, header_timeout: 5m}}\n"
            f"sources: [{{name: acme, secret: {SECRET}}}]\n"
            "destinations: [{name: audit, kind: file, path: e.jsonl}]\n"
        )
        serve = [sys.executable, "-m", "relay", "serve", "--config", str(config)]
        limited = ["sh", "-c", f'ulimit -S -n {FILES}; exec "$@"', "sh", *serve]
        with (self.directory / "log").open("ab") as log:
            return subprocess.Popen(limited, stdout=log, stderr=log)

    def said(self) -> str:
        return (self.directory / "log").read_text()


@asynccontextmanager
async def flooded(directory: Path) -> AsyncIterator[Flooded]:
    """One that is full; the flood ends with the block."""
    relay = Flooded(directory)
    process = relay.start()
    try:
        await until(lambda: "relay.ready" in relay.said() or process.poll() is not None)
        async with AsyncExitStack() as stack:
            for _ in range(CONNECTIONS):
                _, writer = await asyncio.open_connection(HOST, relay.public)
                stack.callback(writer.close)
            yield relay
    finally:
        process.terminate()
        assert await asyncio.to_thread(process.wait) == 0


async def _status(port: int, path: str) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{HOST}:{port}{path}") as answer,
    ):
        return answer.status


async def test_a_relay_whose_public_listener_is_full_says_that_it_is_alive(
    tmp_path: Path,
) -> None:
    async with flooded(tmp_path) as relay:
        assert await _status(relay.public, "/healthz") == 503
        assert await _status(relay.operator, "/healthz") == 200
        # And ready: it is the ingress that has to do with the flood.
        assert await _status(relay.operator, "/readyz") == 200
