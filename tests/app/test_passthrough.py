"""A handler that was written for Runflow runs behind the relay, unchanged but for its URL."""

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from relay.app.service import Service
from relay.settings import parse
from tests.acceptance.relays import sign

pytestmark = pytest.mark.timeout(60, func_only=True)

#: What Runflow showed once, and what both the relay and the handler are given.
SECRET = "whsec_c2hvd24gb25jZSBieSBSdW5mbG93IGFuZCBrZXB0"
CONFIG = """
data_dir: {directory}
public: {{listen: "127.0.0.1:0", stop_timeout: 2s}}
operator: {{listen: "127.0.0.1:0"}}
limits: {{min_free_disk: 1MiB}}
sources: [{{name: acme, secret: "{secret}", require: [status]}}]
destinations:
  - {{name: app, kind: http, url: "{url}", private: true, format: runflow, secret: "{secret}"}}
"""


class Handler:
    """What Runflow's guides tell a customer to write, point by point.

    Keep the raw body; the header has 64 lowercase hex digits; HMAC-SHA256 with the secret as it stands;
    compare in constant time and answer 401 on failure; only then parse; skip a run that is known to have
    succeeded; look at ``event``; answer 2xx at once.
    """

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.heard: list[tuple[bytes, int]] = []
        self.news = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        raw = await request.read()
        status = self.take(raw, request.headers.get("Runflow-Signature", ""))
        self.heard.append((raw, status))
        self.news.set()
        return web.Response(status=status)

    def take(self, raw: bytes, signature: str) -> int:
        if not re.fullmatch(r"[0-9a-f]{64}", signature):
            return 401
        expected = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, signature):
            return 401
        payload = json.loads(raw)
        run_id = payload["run_id"]
        if self.runs.get(run_id, {}).get("status") == "succeeded":
            return 200
        match payload["event"]:
            case "run.completed":
                urls = payload["output"]["image_urls"]
                self.runs[run_id] = {"status": payload["status"], "urls": urls}
            case "run.failed" | "run.cancelled" | "run.partial_succeeded":
                self.runs[run_id] = {"status": payload["status"]}
            case _:
                return 200
        return 200

    async def hears(self, count: int) -> None:
        async with asyncio.timeout(15):
            while len(self.heard) < count:
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def handler() -> Handler:
    return Handler()


@pytest.fixture
async def relay(tmp_path: Path, handler: Handler) -> AsyncIterator[Service]:
    app = web.Application()
    app.router.add_post("/runflow/callback", handler.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    text = CONFIG.format(
        directory=tmp_path,
        secret=SECRET,
        url=f"http://127.0.0.1:{port}/runflow/callback",
    )
    settings = await asyncio.to_thread(parse, text, {}, file="relay.yaml")
    async with Service(settings) as service:
        yield service
    await runner.cleanup()


async def call_back(service: Service, body: bytes) -> int:
    url = f"http://127.0.0.1:{service.public.port}/callbacks/acme"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=sign(body, SECRET)) as answer,
    ):
        return answer.status


async def test_it_hears_what_runflow_sent_byte_for_byte(
    relay: Service, handler: Handler
) -> None:
    done = (
        b'{"event": "run.completed", "run_id": "01J0000000000000000000000A",'
        b' "status": "succeeded", "output": {"image_urls": ["https:\\/\\/x/a.png"]},'
        b' "duration_ms": 102345, "created_at": "2026-05-06T10:00:00.000+00:00",'
        b' "completed_at": "2026-05-06T10:01:42.345+00:00", "metadata": null}'
    )
    failed = (
        b'{"event":"run.failed","run_id":"01J0000000000000000000000B","status":"failed",'
        b'"output":{"code":"X","message":"broken"},"duration_ms":1,"metadata":{"a":1.10}}'
    )
    for body in (done, done, failed):
        assert await call_back(relay, body) in {200, 202}
    await handler.hears(2)
    assert sorted(handler.heard) == sorted([(done, 200), (failed, 200)])
    assert handler.runs == {
        "01J0000000000000000000000A": {
            "status": "succeeded",
            "urls": ["https://x/a.png"],
        },
        "01J0000000000000000000000B": {"status": "failed"},
    }


async def test_it_refuses_what_it_would_have_refused_from_runflow(
    handler: Handler,
) -> None:
    """The handler is a strict one: what passes here passes there."""
    body = b'{"event":"run.failed","run_id":"r","status":"failed"}'
    good = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert handler.take(body, good) == 200
    for bad in ("", good.upper(), f"sha256={good}", "0" * 64):
        assert handler.take(body, bad) == 401
