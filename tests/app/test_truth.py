"""A running relay asks how its runs ended, finds those that never called back, and says when it cannot."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest

from relay.app.service import Service
from relay.app.stores import read_ledger
from relay.sandbox import Faults, Retries, Sandbox
from relay.settings import Settings, parse
from tests.acceptance.relays import sign

pytestmark = pytest.mark.timeout(60, func_only=True)

SECRET = "whsec_tests-of-the-truth"
CONFIG = """
data_dir: {directory}
public: {{listen: "127.0.0.1:0", stop_timeout: 2s}}
operator: {{listen: "127.0.0.1:0"}}
limits: {{min_free_disk: 1MiB}}
sources:
  - name: acme
    secret: "{secret}"
    api: {{base_url: "{url}", token: "{token}"}}
    sweep: {{every: 1s, grace: {grace}, only: all}}
    {more}
destinations: [{{name: audit, kind: file, path: events.jsonl}}]
"""


class Place:
    """A relay, and the local Runflow that calls it."""

    def __init__(self, directory: Path, sandbox: Sandbox) -> None:
        self.directory = directory
        self.sandbox = sandbox
        self.service: Service

    async def settings(
        self, *, more: str = "", grace: str = "0s", url: str = "", token: str = ""
    ) -> Settings:
        text = CONFIG.format(
            directory=self.directory,
            secret=SECRET,
            url=url or self.sandbox.url,
            token=token or self.sandbox.token,
            grace=grace,
            more=more,
        )
        return await asyncio.to_thread(parse, text, {}, file="relay.yaml")

    async def dispatch(self, count: int) -> None:
        url = f"{self.sandbox.url}/v1/models/acme/demo/runs"
        callback = f"http://127.0.0.1:{self.service.public.port}/callbacks/acme"
        headers = {"Authorization": f"Bearer {self.sandbox.token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for number in range(count):
                order = {
                    "input": {},
                    "client_ref": f"order-{number}",
                    "callback_url": callback,
                }
                async with session.post(url, json=order, raise_for_status=True):
                    pass

    async def post(self, **said: object) -> int:
        body = json.dumps(said).encode()
        url = f"http://127.0.0.1:{self.service.public.port}/callbacks/acme"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=sign(body, SECRET)) as answer,
        ):
            return answer.status

    async def ready(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.service.operator.port}/readyz"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def events(self) -> list[dict[str, Any]]:
        path = self.directory / "events.jsonl"
        text = await asyncio.to_thread(
            lambda: path.read_text() if path.exists() else ""
        )
        return [json.loads(line) for line in text.splitlines()]

    async def until(
        self, holds: Callable[[list[dict[str, Any]]], bool]
    ) -> list[dict[str, Any]]:
        """Wait for events of which this holds."""
        async with asyncio.timeout(20):
            while not holds(found := await self.events()):
                await asyncio.wait(
                    [asyncio.get_running_loop().create_future()], timeout=0.02
                )
        return found

    async def audit(self) -> Any:
        ledger = await read_ledger(await self.settings())
        assert ledger.balance().faults == ()
        return ledger


@asynccontextmanager
async def place(
    directory: Path,
    faults: Faults,
    *,
    more: str = "",
    grace: str = "0s",
    token: str = "",
) -> AsyncIterator[Place]:
    sandbox = Sandbox(
        secret=SECRET,
        seed=1,
        faults=faults,
        run_seconds=(0.01, 0.05),
        retry=Retries(max_attempts=2),
    )
    async with sandbox:
        it = Place(directory, sandbox)
        async with Service(
            await it.settings(more=more, grace=grace, token=token)
        ) as service:
            it.service = service
            yield it


async def test_a_partial_callback_ends_in_the_event_that_the_api_tells_of(
    tmp_path: Path,
) -> None:
    async with place(tmp_path, Faults(partial=1.0, partial_fields="output")) as it:
        await it.dispatch(5)
        events = await it.until(lambda found: len(found) == 5)
        truth = {run.id: run for run in it.sandbox.runs()}
        assert {e["subject"] for e in events} == truth.keys()
        assert all(e["data"]["output"] is not None for e in events)
        assert all(e["confirmed"] for e in events)
        assert (await it.audit()).sources["acme"].waiting == 0


@pytest.mark.parametrize("filters", ["both", "eq"])
async def test_a_callback_that_never_comes_ends_in_the_same_event(
    tmp_path: Path, filters: Literal["both", "eq"]
) -> None:
    """Its origin says how the run became known; whichever filters the API understands."""
    async with place(tmp_path, Faults(lose=1.0, filters=filters)) as it:
        await it.dispatch(5)
        events = await it.until(lambda found: len(found) == 5)
        assert {e["origin"] for e in events} == {"sweep"}
        refs = {e["subject"]: e["clientref"] for e in events}
        assert refs == {run.id: run.client_ref for run in it.sandbox.runs()}
        ledger = await it.audit()
        assert ledger.sources["acme"].receipts == 0


@pytest.mark.parametrize("faults", [Faults(), Faults(lose=1.0), Faults(partial=1.0)])
async def test_a_batch_is_one_event_and_its_runs_are_none(
    tmp_path: Path, faults: Faults
) -> None:
    """However its callback fares; a batch and its runs never collide."""
    async with place(tmp_path, faults) as it:
        callback = f"http://127.0.0.1:{it.service.public.port}/callbacks/acme"
        headers = {"Authorization": f"Bearer {it.sandbox.token}"}
        order = {"input": [{}, {}, {}], "callback_url": callback}
        url = f"{it.sandbox.url}/v1/models/acme/demo/batches"
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(url, json=order, raise_for_status=True) as answer,
        ):
            batch = (await answer.json())["id"]
        [event] = await it.until(bool)
        assert (event["subject"], event["data"]["kind"]) == (batch, "batch")
        assert event["type"].startswith("io.runflow.batch.")
        assert event["data"]["output"]["total"] == 3
        assert (await it.audit()).sources["acme"].events == 1


async def test_a_callback_that_was_lost_can_be_asked_for_once_more(
    tmp_path: Path,
) -> None:
    """The signed original, and no event of our own making."""
    more = ""
    async with place(tmp_path, Faults(lose=1.0), more=more) as it:
        settings = await it.settings()
        source = settings.sources[0]
        sweep = source.sweep.model_copy(update={"redeliver": True})
        changed = settings.model_copy(
            update={"sources": (source.model_copy(update={"sweep": sweep}),)}
        )
        await it.service.reload(changed)
        await it.dispatch(3)
        events = await it.until(lambda found: len(found) == 3)
        assert {e["origin"] for e in events} == {"callback"}
        assert (await it.audit()).sources["acme"].first == 3


async def test_events_of_a_source_that_asks_always_say_what_only_the_api_tells(
    tmp_path: Path,
) -> None:
    """Also of runs whose callback was whole."""
    async with place(tmp_path, Faults(), more="enrich: always", grace="1h") as it:
        await it.dispatch(3)
        events = await it.until(lambda found: len(found) == 3)
        costs = {e["subject"]: e["data"]["cost"] for e in events}
        assert costs == {run.id: run.cost for run in it.sandbox.runs()}
        assert all(e["confirmed"] and e["origin"] == "callback" for e in events)


async def test_a_source_that_never_asks_publishes_what_signed_bytes_say(
    tmp_path: Path,
) -> None:
    async with place(tmp_path, Faults(), more="enrich: never", grace="1h") as it:
        assert (
            await it.post(event="run.completed", run_id="run_1", status="succeeded")
            == 202
        )
        [event] = await it.until(bool)
        assert (event["subject"], event["confirmed"]) == ("run_1", False)


async def test_an_api_that_turns_us_away_is_seen_and_asked_again_with_a_new_token(
    tmp_path: Path,
) -> None:
    """Readiness says so, and stays ready; a reload with the right token answers what waits."""
    async with place(
        tmp_path, Faults(partial=1.0), token="rf_live_wrong", grace="1h"
    ) as it:
        await it.dispatch(3)
        async with asyncio.timeout(20):
            while (await it.ready())["degraded"] != ["api of acme"]:
                await asyncio.wait(
                    [asyncio.get_running_loop().create_future()], timeout=0.05
                )
        assert await it.events() == []
        await it.service.reload(await it.settings(grace="1h"))
        await it.until(lambda found: len(found) == 3)
        assert (await it.ready())["degraded"] == []
