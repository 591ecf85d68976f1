"""`POST /api/v1/sweeps`: one sweep of a source at a time, told line by line, ended by who goes away."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.core.errors import StoreBusyError, StoreFullError
from relay.core.moment import text_of
from relay.operate.actions.explaining import Why
from relay.operate.actions.sweeping import LISTED_MAX, Sweeping
from relay.operate.api.orders import BODY_BYTES_MAX
from relay.operate.api.sweeps import PATH, Sweeps
from relay.operate.socket import Socket
from relay.runflow import RateLimitedError, RunflowError, UnauthorizedError
from tests.fakes import NOW_US, FakeClock
from tests.operate.sweepers import ScriptedSweeper, ScriptedSweepers, sighting

pytestmark = pytest.mark.timeout(30, func_only=True)

HOUR = 3_600_000_000
Lines = list[dict[str, Any]]


class Office:
    """The resource on a socket of its own, with scripted sweepers behind it."""

    def __init__(self, directory: Path) -> None:
        self.acme, self.other = ScriptedSweeper(), ScriptedSweeper()
        self.sweepers = ScriptedSweepers({"acme": self.acme, "other": self.other})
        self.sweeping = Sweeping(self.sweepers, clock=FakeClock())
        self.path = directory / "relay.sock"
        self.socket = Socket(self.path, Sweeps(self.sweeping).routes())

    @asynccontextmanager
    async def posted(self, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        connector = aiohttp.UnixConnector(path=str(self.path))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(f"http://relay{PATH}", data=body) as answer,
        ):
            yield answer

    async def ask(self, **order: object) -> tuple[int, Lines]:
        async with self.posted(json.dumps(order).encode()) as answer:
            text = await answer.text()
            return answer.status, [json.loads(line) for line in text.splitlines()]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    made = Office(tmp_path)
    await made.socket.start()
    yield made
    await made.socket.close()


async def test_the_last_lines_say_what_each_source_and_all_came_to(
    office: Office,
) -> None:
    office.acme.news = [(sighting(1), sighting(2, outcome=None))]
    status, lines = await office.ask(source="acme", since="24h")
    assert (status, [line["type"] for line in lines][-2:]) == (
        200,
        ["source", "result"],
    )
    found, ended = lines[-2:]
    assert found["state"] == "done"
    assert found["since"] == text_of(NOW_US - 24 * HOUR)
    assert (found["missed"], found["running"]) == (1, 1)
    assert found["missing"] == [
        {"kind": "run", "id": "run_1", "outcome": "succeeded"},
        {"kind": "run", "id": "run_2", "outcome": None},
    ]
    assert (ended["outcome"], ended["missed"], ended["sources"]) == ("done", 1, 1)
    assert office.acme.asked == [(NOW_US - 24 * HOUR, None, False)]


async def test_without_a_source_all_are_swept_one_after_another(office: Office) -> None:
    _, lines = await office.ask(until="1h", dry_run=True)
    done = [line["source"] for line in lines if line["type"] == "source"]
    assert done == ["acme", "other"]
    assert office.other.asked == [(None, NOW_US - HOUR, True)]


async def test_progress_is_told_while_it_goes_on(office: Office) -> None:
    office.acme.news = [(sighting(1),)]
    office.acme.gate = asyncio.Event()
    async with office.posted(b'{"source": "acme"}') as answer:
        line = json.loads(await answer.content.readline())
        assert (line["type"], line["pages"]) == ("progress", 1)
        office.acme.gate.set()
        assert json.loads((await answer.read()).splitlines()[-1])["outcome"] == "done"


async def test_of_many_missing_runs_some_are_named_and_all_counted(
    office: Office,
) -> None:
    office.acme.news = [
        tuple(sighting(n * 60 + m) for m in range(60)) for n in range(5)
    ]
    _, lines = await office.ask(source="acme")
    assert (len(lines[-2]["missing"]), lines[-2]["missed"]) == (LISTED_MAX, 300)


async def test_a_second_sweep_by_hand_of_one_source_is_refused(office: Office) -> None:
    """And of all sources the others are swept all the same."""
    office.acme.gate = asyncio.Event()
    async with office.posted(b'{"source": "acme"}') as answer:
        await office.acme.began.wait()
        status, [problem] = await office.ask(source="acme")
        assert status == 409
        assert problem["type"] == "urn:runflow-relay:problem:sweep-under-way"
        _, lines = await office.ask()
        found = {line["source"]: line for line in lines if line["type"] == "source"}
        assert found["acme"]["reason"] == "under_way"
        assert (found["other"]["state"], lines[-1]["outcome"]) == ("done", "partly")
        office.acme.gate.set()
        await answer.read()
    assert (await office.ask(source="acme"))[0] == 200


async def test_who_goes_away_ends_the_sweep(office: Office) -> None:
    office.acme.gate = asyncio.Event()
    async with office.posted(b'{"source": "acme"}'):
        await office.acme.began.wait()
    await office.acme.ended.wait()
    office.acme.gate = None
    assert (await office.ask(source="acme"))[0] == 200


async def test_a_relay_that_stops_says_so_to_who_waits(office: Office) -> None:
    office.acme.gate = asyncio.Event()
    async with office.posted(b"{}") as answer:
        await office.acme.began.wait()
        office.sweeping.stop()
        office.acme.called_off.set()
        office.acme.gate.set()
        lines = [json.loads(line) for line in (await answer.read()).splitlines()]
    found = [line for line in lines if line["type"] == "source"]
    assert [line["reason"] for line in found] == ["called_off", "called_off"]
    assert office.other.asked == []


@pytest.mark.parametrize(
    "error,reason,setting",
    [
        (
            UnauthorizedError("GET /v1/runs: 401", status=401),
            "unauthorized",
            "api.token",
        ),
        (
            RateLimitedError("GET /v1/runs: 429", status=429, retry_after=7.0),
            "rate_limited",
            "api.rate",
        ),
        (StoreFullError("limits.store_bytes is reached"), "store_full", "limits."),
        (StoreBusyError("no commit in time"), "store", "no commit"),
        (RunflowError("odd\x1b[2J"), "error", "odd [2J"),
    ],
)
async def test_what_went_wrong_is_said_with_where_to_look(
    error: Exception, reason: str, setting: str, office: Office
) -> None:
    """What was found before that is counted."""
    office.acme.news, office.acme.error = [(sighting(1),)], error
    _, lines = await office.ask(source="acme")
    found, ended = lines[-2:]
    assert (found["reason"], found["missed"], ended["outcome"]) == (reason, 1, "failed")
    assert setting in found["why"]
    assert found["why"].isprintable()


async def test_a_source_that_cannot_be_swept_says_why(office: Office) -> None:
    office.sweepers.by_source["acme"] = Why(reason="no_token", text="set `api.token`")
    _, lines = await office.ask()
    found = next(line for line in lines if line["type"] == "source")
    assert (found["reason"], found["why"]) == ("no_token", "set `api.token`")
    assert lines[-1]["outcome"] == "partly"


@pytest.mark.parametrize(
    "body,status,slug",
    [
        (b'{"source": "nobody"}', 404, "unknown-source"),
        (b'{"since": "soon"}', 400, "bad-window"),
        (b'{"since": 5}', 400, "bad-order"),
        (b'{"sinc": "24h"}', 400, "bad-order"),
        (b"\xff", 400, "bad-order"),
        (b"[" * 10_000, 400, "bad-order"),
        (b" " * (BODY_BYTES_MAX + 1), 413, "too-large"),
    ],
)
async def test_an_order_that_cannot_be_meant_is_refused(
    body: bytes, status: int, slug: str, office: Office
) -> None:
    async with office.posted(body) as answer:
        problem = json.loads(await answer.read())
        assert answer.content_type == "application/problem+json"
    assert (answer.status, problem["status"]) == (status, status)
    assert problem["type"] == f"urn:runflow-relay:problem:{slug}"
    assert office.acme.asked == []
