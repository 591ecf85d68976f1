"""Scene: the replicas of a plan on one PostgreSQL, two ingresses before them, and who hears of their events.

Owns putting the parts together and taking them apart, and asking whether all that was accepted has arrived. Must
not know what is done to the replicas meanwhile.
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from tests.acceptance.relays import Sink, run_id
from tests.rolling.chart import Rendered
from tests.rolling.endpoints import Endpoints, watching
from tests.rolling.pods import Pod
from tests.rolling.proxies import HAProxy, Nginx, Proxy

__all__ = ["Hearer", "Scene", "hearing", "staging"]

_BODY_MAX: Final = 8 * 1024**2
#: How long what was accepted may take to be delivered, in seconds.
_DELIVERED_S: Final = 30.0


@dataclass
class Hearer(Sink):
    """An endpoint that takes large events too, and says when it has heard one."""

    subjects: set[str] = field(default_factory=set)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: web.Request) -> web.Response:
        answer = await super().receive(request)
        self.subjects.add(json.loads(self.got[-1][1])["subject"])
        self.heard.set()
        return answer

    async def until(self, numbers: set[int]) -> None:
        """Wait until it has heard of every run."""
        wanted = {run_id(number) for number in numbers}
        async with asyncio.timeout(_DELIVERED_S):
            while not wanted <= self.subjects:
                self.heard.clear()
                await self.heard.wait()


@dataclass
class Scene:
    """All that is on it."""

    migration: Pod
    pods: Sequence[Pod]
    haproxy: HAProxy
    nginx: Nginx
    endpoints: Endpoints

    @property
    def urls(self) -> list[str]:
        """Where callbacks are sent: to each ingress in turn."""
        proxies: list[Proxy] = [self.haproxy, self.nginx]
        return [proxy.url("/callbacks/acme") for proxy in proxies]

    async def upgrade(self) -> list[int]:
        """What an upgrade of the chart does: the migration, then one replica after the other; all exit codes."""
        codes = [await asyncio.to_thread(self.migration.run)]
        codes += [await self._replace(pod) for pod in self.pods]
        return codes

    async def _replace(self, pod: Pod) -> int:
        """Stop one replica, and start it again once its ingresses know; the exit code of the one that stopped."""
        pod.terminate()
        code = await asyncio.to_thread(pod.wait)
        await self.endpoints.until(pod, ready=False)
        await asyncio.to_thread(pod.start)
        await self.endpoints.until(pod, ready=True)
        return code

    async def ledger(self) -> dict[str, Any]:
        """What `relay ledger --verify` says in a pod once nothing is pending; it must exit 0."""
        async with asyncio.timeout(_DELIVERED_S):
            while True:
                found = await asyncio.to_thread(_ledger, self.pods[0])
                if all(not line["pending"] for line in found["destinations"].values()):
                    return found


def _ledger(pod: Pod) -> dict[str, Any]:
    said = subprocess.run(
        [*pod.command("ledger"), "--verify", "--json"],
        check=False,
        capture_output=True,
        env=pod.environ(),
    )
    found: dict[str, Any] = json.loads(said.stdout)
    assert (said.returncode, found["faults"]) == (0, [])
    return found


@asynccontextmanager
async def hearing() -> AsyncIterator[Hearer]:
    """Who hears of events, listening."""
    hearer = Hearer()
    app = web.Application(client_max_size=_BODY_MAX)
    app.router.add_post("/", hearer.receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hearer.port = runner.addresses[0][1]
    try:
        yield hearer
    finally:
        await runner.cleanup()


@asynccontextmanager
async def staging(rendered: Rendered, directory: Path) -> AsyncIterator[Scene]:
    """The tables made, every replica ready and the ingresses open; all stopped in the end, whatever happened."""
    migration = Pod(rendered.migration, directory / "migration")
    plan = rendered.relay
    pods = [Pod(plan, directory / f"relay-{n}") for n in range(plan.replicas)]
    servers = {pod.name: pod.port("public") for pod in pods}
    haproxy = HAProxy(servers, rendered.limits["haproxy"])
    nginx = Nginx(servers, rendered.limits["nginx"])
    async with AsyncExitStack() as stack:
        for proxy in (haproxy, nginx):
            stack.push_async_callback(asyncio.to_thread, proxy.close)
        stack.push_async_callback(asyncio.to_thread, migration.kill)
        assert await asyncio.to_thread(migration.run) == 0, migration.log.read_text()
        for pod in pods:
            stack.push_async_callback(asyncio.to_thread, pod.kill)
            await asyncio.to_thread(pod.start)
        endpoints = await stack.enter_async_context(watching(pods, [haproxy, nginx]))
        for pod in pods:
            await endpoints.until(pod, ready=True)
        for proxy in (haproxy, nginx):
            await asyncio.to_thread(proxy.start)
        yield Scene(migration, pods, haproxy, nginx, endpoints)
