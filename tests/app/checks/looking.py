"""A relay's surroundings for who looks at them: configurations, and what is found in them."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from relay.app.checks import check_online
from relay.app.system import System
from relay.core.finding import Finding
from relay.sandbox import Sandbox
from relay.settings import Settings, parse
from tests.places import free_port

__all__ = [
    "KEY",
    "SECRET",
    "SIGNING",
    "Names",
    "Scene",
    "create_run",
    "ingress",
    "only",
]

#: Addresses by name.
Names = dict[str, str]


SECRET = "whsec_online-checks"
SIGNING = "whsec_YWNjZXB0YW5jZS1zaW5rLXNlY3JldC1hY2NlcHRhbmNl"
KEY = "rf_live_online-checks"
ENVIRON = {"SECRET": SECRET, "SIGNING": SIGNING, "KEY": KEY}


class Scene:
    """One configuration, put together of parts."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.operator = free_port()
        self.public_url: str | None = f"http://127.0.0.1:{self.port}"
        self.store = "sqlite:///relay.db"
        self.source = 'secret: "${SECRET}"'
        self.destinations = ["{name: audit, kind: file, path: events.jsonl}"]
        self.limits = "min_free_disk: 1MiB"

    def ask(self, sandbox: Sandbox, *, token: str = "${KEY}", more: str = "") -> None:
        """Have the source ask a sandbox."""
        api = f'base_url: "{sandbox.url}", token: "{token}"{more}'
        self.source += f", api: {{{api}}}"

    def send_to(self, url: str, *, more: str = "private: true") -> None:
        """Have an HTTP endpoint alone."""
        self.destinations = [
            f'{{name: orders, kind: http, url: "{url}", secret: "${{SIGNING}}", {more}}}'
        ]

    def text(self) -> str:
        url = f', url: "{self.public_url}"' if self.public_url else ""
        return (
            f'data_dir: {self.directory}\nstore: "{self.store}"\n'
            f'public: {{listen: "127.0.0.1:{self.port}"{url}, stop_timeout: 2s}}\n'
            f'operator: {{listen: "127.0.0.1:{self.operator}"}}\n'
            f"limits: {{{self.limits}}}\n"
            f"sources: [{{name: acme, {self.source}}}]\n"
            f"destinations: [{', '.join(self.destinations)}]\n"
        )

    async def settings(self) -> Settings:
        return await asyncio.to_thread(parse, self.text(), ENVIRON, file="relay.yaml")

    async def look(
        self, *, send: bool = False, limit_s: float = 10.0
    ) -> Sequence[Finding]:
        """What is found; whatever it is, no secret is in it."""
        found = await check_online(
            await self.settings(), system=System.real(), send=send, limit_s=limit_s
        )
        assert not any(secret in repr(found) for secret in ENVIRON.values())
        return found


def only(found: Sequence[Finding], check: str) -> Finding:
    """The one finding of a kind."""
    [one] = [finding for finding in found if finding.check == check]
    return one


async def create_run(sandbox: Sandbox, callback_url: str | None) -> None:
    """Create a run, as a customer's program would."""
    order: dict[str, object] = {"input": {}}
    if callback_url is not None:
        order["callback_url"] = callback_url
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    url = f"{sandbox.url}/v1/models/acme/demo/runs"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, json=order, raise_for_status=True),
    ):
        pass


@asynccontextmanager
async def ingress(
    target: str, *, body_bytes: int = 16 << 20, drop: str = "", cuts: bool = False
) -> AsyncIterator[str]:
    """A real reverse proxy: what it lets through goes to ``target``. Gives its URL.

    What is larger than ``body_bytes`` is answered 413, or cut off without a word.
    """

    async def forward(request: web.Request) -> web.Response:
        if cuts and (request.content_length or 0) > body_bytes:
            assert request.transport is not None
            request.transport.abort()
        body = await request.read()
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in ("host", "content-length", drop.lower())
        }
        async with session.post(
            f"{target}{request.rel_url}", data=io.BytesIO(body), headers=headers
        ) as answer:
            return web.Response(status=answer.status, body=await answer.read())

    app = web.Application(client_max_size=body_bytes)
    app.router.add_post("/{path:.*}", forward)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    async with aiohttp.ClientSession() as session:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
