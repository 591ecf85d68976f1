"""What the tests of the sandbox share: a real receiver, and sandboxes to call it."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from relay.sandbox import Faults, Retries, Sandbox, Truth

SECRET = "whsec_c2VjcmV0"
MODEL = "/v1/models/runflow/tag-removal/runs"
NOON = datetime(2026, 5, 6, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass
class Receiver:
    """A real HTTP server that keeps what it gets; `answer` gives the nth's status.

    `entered` is set once `crowd` requests are held at the `gate` together.
    """

    answer: Callable[[int], int] = lambda _: 200
    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    under_way: int = 0
    under_way_max: int = 0
    crowd: int = 1
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.headers.append(request.headers.copy())
        self.under_way += 1
        self.under_way_max = max(self.under_way_max, self.under_way)
        if self.under_way >= self.crowd:
            self.entered.set()
        try:
            await self.gate.wait()
        finally:
            self.under_way -= 1
        status = self.answer(len(self.bodies))
        headers = {"Location": "/elsewhere"} if 300 <= status < 400 else {}
        return web.Response(status=status, text=f"said {status}", headers=headers)

    def payloads(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]

    def by_run(self) -> dict[str, list[bytes]]:
        grouped: dict[str, list[bytes]] = {}
        for body in self.bodies:
            grouped.setdefault(json.loads(body)["run_id"], []).append(body)
        return grouped


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    kept = Receiver()
    kept.gate.set()
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", kept.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    kept.url = f"http://127.0.0.1:{runner.addresses[0][1]}/callbacks/acme"
    yield kept
    await runner.cleanup()


class Upstream:
    """Opens sandboxes and calls their API."""

    secret = SECRET
    model = MODEL
    noon = NOON

    @asynccontextmanager
    async def open(
        self,
        *,
        faults: Faults | None = None,
        secret: str | None = SECRET,
        run_seconds: tuple[float, float] = (0.0, 0.02),
        retry: Retries | None = None,
        concurrency: int = 32,
        now: Callable[[], datetime] = lambda: NOON,
    ) -> AsyncIterator[Sandbox]:
        async with Sandbox(
            secret=secret,
            seed=11,
            faults=faults or Faults(),
            run_seconds=run_seconds,
            retry=retry or Retries(base_s=0.005, timeout_s=2.0),
            concurrency=concurrency,
            now=now,
        ) as made:
            yield made

    async def ask(self, made: Sandbox, path: str, body: object = None) -> Any:
        data = None if body is None else io.BytesIO(json.dumps(body).encode())
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                "GET" if body is None else "POST",
                made.url + path,
                data=data,
                headers={"Authorization": f"Bearer {made.token}"},
            ) as response,
        ):
            assert response.status in {200, 201}
            return await response.json()

    async def dispatch(self, made: Sandbox, url: str, count: int = 1) -> list[Truth]:
        """Create runs one after another, wait for their end, and tell the truth of them."""
        for number in range(1, count + 1):
            await self.ask(
                made,
                MODEL,
                {"input": {}, "callback_url": url, "client_ref": f"order-{number}"},
            )
        await made.settled()
        return made.runs()


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()
