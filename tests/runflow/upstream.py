"""A scripted API on loopback, and scripted time: what the tests of the client speak with.

Owns no behaviour of Runflow's: each test says what is answered, and reads what was asked.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from multidict import CIMultiDictProxy

from relay.runflow import Runflow
from relay.runflow.system import System

__all__ = [
    "TOKEN",
    "Asked",
    "Reply",
    "ScriptedTime",
    "Upstream",
    "any_run",
    "client_of",
    "serving",
]

#: Nothing that prints may ever hold it.
TOKEN: Final = "rf_live_never0to1be2shown"


def any_run(
    run_id: str = "019a8c3e-5b10-7c44-9f21-3d5e8a7b6c01", **fields: object
) -> dict[str, object]:
    """A run as the API shows it; one field changed per test."""
    return {"id": run_id, "status_code": "succeeded", "cost": "1.10", **fields}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it came."""

    method: str
    #: As on the wire: encoded, with the query.
    target: str
    query: dict[str, str]
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def path(self) -> str:
        """As on the wire, without the query."""
        return self.target.partition("?")[0]

    def json(self) -> object:
        """The body."""
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer: an object as JSON, or bytes as they stand."""

    status: int = 200
    json: object = field(default_factory=any_run)
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """For the server."""
        headers = {"Content-Type": "application/json", **self.headers}
        body = json.dumps(self.json).encode() if self.body is None else self.body
        return web.Response(status=self.status, body=body, headers=headers)


Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Upstream:
    """Answers with what it was told, in order; the last answer repeats."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._replies: list[Reply | Answering] = [Reply()]
        self.url = ""

    def says(self, *replies: Reply | Answering) -> None:
        """From now on."""
        self._replies = list(replies)

    def gives(self, *documents: object) -> None:
        """From now on, with 200."""
        self.says(*(Reply(json=document) for document in documents))

    @property
    def last(self) -> Asked:
        """The latest request."""
        return self.asked[-1]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The handler of every path."""
        self.asked.append(
            Asked(
                method=request.method,
                target=request.raw_path,
                query=dict(request.query),
                headers=request.headers,
                body=await request.read(),
            )
        )
        several = len(self._replies) > 1
        reply = self._replies.pop(0) if several else self._replies[0]
        return reply.response() if isinstance(reply, Reply) else await reply(request)


@asynccontextmanager
async def serving() -> AsyncIterator[Upstream]:
    """A scripted API on a free port of 127.0.0.1."""
    scripted = Upstream()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", scripted.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield scripted
    finally:
        await runner.cleanup()


class ScriptedTime:
    """Time that passes only while somebody sleeps, and dice that fall as they were told."""

    #: 2026-03-01T12:00:00Z.
    EPOCH_S: Final = 1_772_366_400.0

    def __init__(self, *, unit: float = 0.5) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []
        self.unit = unit
        self.system = System(
            monotonic=lambda: self.now_s,
            wall=lambda: self.EPOCH_S + self.now_s,
            sleep=self._sleep,
            unit=lambda: self.unit,
        )

    async def _sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        self.now_s += delay_s


def client_of(url: str, time: ScriptedTime | None = None, **options: Any) -> Runflow:
    """A client of a server of the test; one try unless told otherwise."""
    given = {"retries": 0, "system": (time or ScriptedTime()).system, **options}
    return Runflow(TOKEN, base_url=url, **given)
