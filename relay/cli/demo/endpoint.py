"""Endpoint: a consumer of the relay's events, as its developer would write it.

Owns an HTTP server that verifies what it gets, keeps each event once by its id, and answers 204.
"""

import msgspec
from aiohttp import web

from relay.app.system import SystemClock
from relay.cli.demo.compare import Heard
from relay.core.signature import Credential, StandardVerifier, Verified
from relay.core.signing import StandardKey

__all__ = ["Endpoint", "heard_of"]


class _Data(msgspec.Struct):
    run_id: str
    status: str
    output: msgspec.Raw


class _Event(msgspec.Struct):
    id: str
    data: _Data


def heard_of(structured: bytes) -> Heard:
    """What an event in structured JSON says."""
    event = msgspec.json.decode(structured, type=_Event)
    return Heard(
        event_id=event.id,
        run_id=event.data.run_id,
        outcome=event.data.status,
        output=bytes(event.data.output).decode(),
    )


class Endpoint:
    """Verifies, keeps, counts."""

    def __init__(self, secret: str) -> None:
        key = StandardKey.parse(secret)
        self._verifier = StandardVerifier(credentials=(Credential(id="demo", key=key),))
        self._clock = SystemClock()
        self._runner: web.AppRunner | None = None
        self.heard: list[Heard] = []
        self.refused = 0
        self.port = 0

    @property
    def distinct(self) -> int:
        """How many different events came."""
        return len({event.event_id for event in self.heard})

    async def start(self) -> None:
        """Listen on a free port of the loopback."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/hooks", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening. Idempotent."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    def keep(self, event: Heard) -> None:
        """Remember an event that verified."""
        self.heard.append(event)

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        given = {
            name: request.headers.getall(name, ()) for name in self._verifier.headers
        }
        verdict = self._verifier.judge(given, body, self._clock.now_us())
        if not isinstance(verdict, Verified):
            self.refused += 1
            return web.Response(status=401)
        self.keep(heard_of(body))
        return web.Response(status=204)
