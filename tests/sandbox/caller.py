"""A caller of the sandbox's API, as a program that uses Runflow is one."""

import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from relay.sandbox import Faults, Retries, Sandbox
from relay.sandbox.clock import utc_now

MODEL = "/v1/models/runflow/tag-removal/runs"
BATCH = "/v1/models/runflow/tag-removal/batches"
AUTH = {"Authorization": "Bearer rf_live_test"}
NOON = datetime(2026, 5, 6, 12, 0, tzinfo=UTC)
QUICK = Retries(base_s=0.01)


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Caller:
    sandbox: Sandbox
    session: aiohttp.ClientSession

    async def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        ready = isinstance(body, bytes | io.BytesIO)
        data = body if ready else json.dumps(body).encode()
        async with self.session.request(
            method,
            self.sandbox.url + path,
            data=None if body is None else data,
            headers=AUTH if headers is None else headers,
            allow_redirects=False,
        ) as response:
            return Answer(response.status, await response.text(), response.headers)

    async def create(self, count: int = 1, **order: object) -> list[Any]:
        """Create runs one after another; a client_ref has the number in it."""
        made = []
        for number in range(1, count + 1):
            body = {"input": {}, "client_ref": f"order-{number}"} | order
            made.append((await self("POST", MODEL, body)).json)
        return made

    async def ended(self, count: int = 1, **order: object) -> list[Any]:
        """The same, and wait until all is over."""
        made = await self.create(count, **order)
        await self.sandbox.settled()
        return made


@asynccontextmanager
async def calling(
    *,
    faults: Faults | None = None,
    run_seconds: tuple[float, float] = (0.0, 0.02),
    runs_max: int = 1000,
    secret: str | None = None,
    seed: int = 3,
    retry: Retries = QUICK,
    state: Path | None = None,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Caller]:
    async with (
        Sandbox(
            token="rf_live_test",
            seed=seed,
            secret=secret,
            faults=faults or Faults(),
            run_seconds=run_seconds,
            retry=retry,
            runs_max=runs_max,
            state=state,
            now=now,
        ) as sandbox,
        aiohttp.ClientSession() as session,
    ):
        yield Caller(sandbox, session)
