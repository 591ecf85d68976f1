"""Endpoints: who may be sent requests, as kubelet and an ingress controller find out together.

Owns the probing of pods, at the period and with the thresholds that their manifest names, and telling the
proxies. Nothing else takes a pod out: that it is being stopped, nobody says here, where a cluster's controllers
would hear of it. What is shown with the probe alone holds all the more with both.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from tests.places import HOST
from tests.rolling.pods import Pod
from tests.rolling.proxies import Proxy

__all__ = ["Endpoints", "watching"]

#: How long a pod may take to become ready, or not to be any more, in seconds.
_LIMIT_S: Final = 30.0
_SHOWN_MAX: Final = 2000


class Endpoints:
    """Watches pods, and leads proxies to those that are ready."""

    def __init__(self, pods: Sequence[Pod], proxies: Sequence[Proxy]) -> None:
        self._proxies = proxies
        self._ready = dict.fromkeys((pod.name for pod in pods), False)
        self._changed = asyncio.Condition()
        self._told = asyncio.Lock()

    async def until(self, pod: Pod, *, ready: bool) -> None:
        """Wait until the proxies know that a pod is ready, or is not."""
        try:
            async with asyncio.timeout(_LIMIT_S), self._changed:
                await self._changed.wait_for(lambda: self._ready[pod.name] is ready)
        except TimeoutError:
            said = (await asyncio.to_thread(pod.log.read_text))[-_SHOWN_MAX:]
            raise TimeoutError(f"{pod.name}: not {ready=}; it said: {said}") from None

    async def watch(self, session: aiohttp.ClientSession, pod: Pod) -> None:
        """Probe one pod for ever."""
        probe = pod.plan.readiness
        assert probe is not None
        url = f"http://{HOST}:{pod.port(probe.port)}{probe.path}"
        loop = asyncio.get_running_loop()
        row, due = 0, loop.time()
        while True:
            is_well = await _answers(session, url, within_s=probe.timeout_s)
            # How often in a row it has said what it is not taken to be.
            row = row + 1 if is_well is not self._ready[pod.name] else 0
            if row >= (probe.successes if is_well else probe.failures):
                row = 0
                await self._tell(pod, ready=is_well)
            due += probe.period_s
            await _reach(due)

    async def _tell(self, pod: Pod, *, ready: bool) -> None:
        async with self._told:
            told = {**self._ready, pod.name: ready}
            names = [name for name, is_ready in told.items() if is_ready]
            for proxy in self._proxies:
                await asyncio.to_thread(proxy.lead_to, names)
            async with self._changed:
                self._ready = told
                self._changed.notify_all()


@asynccontextmanager
async def watching(
    pods: Sequence[Pod], proxies: Sequence[Proxy]
) -> AsyncIterator[Endpoints]:
    """Watch for as long as the block runs."""
    endpoints = Endpoints(pods, proxies)
    # kubelet opens a connection for each probe.
    connector = aiohttp.TCPConnector(force_close=True)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        asyncio.TaskGroup() as tasks,
    ):
        watchers = [tasks.create_task(endpoints.watch(session, pod)) for pod in pods]
        try:
            yield endpoints
        finally:
            for watcher in watchers:
                watcher.cancel()


async def _answers(
    session: aiohttp.ClientSession, url: str, *, within_s: float
) -> bool:
    """Whether a probe succeeds."""
    try:
        async with asyncio.timeout(within_s), session.get(url) as answer:
            return 200 <= answer.status < 400
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _reach(moment: float) -> None:
    """Wait for a moment of the loop's time."""
    try:
        async with asyncio.timeout_at(moment):
            await asyncio.get_running_loop().create_future()
    except TimeoutError:
        return
