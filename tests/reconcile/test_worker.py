"""The inquirer asks each run once, gives up in time, and stands back while the API does not work."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.core.gate import GatePolicy
from relay.core.identity import Kind, Outcome, RunKey
from relay.core.inquiry import AskPolicy, Heard, Sighting, Silent, Told, Unended
from relay.core.pace import Pace
from relay.core.snapshot import Snapshot, read_answer
from relay.reconcile.worker import Inquirer, InquirerOptions
from relay.record.sqlite.store import SqliteStore
from tests.deliver.couriers import Watch
from tests.fakes import NOW_US
from tests.record.receipts import EVERYWHERE, callback, partial
from tests.record.sqlite_harness import SqliteHarness

pytestmark = pytest.mark.timeout(30, func_only=True)

DOWN = Silent(reason="server_error", of_source=True, status=500)
GONE = Silent(reason="not_found", of_source=False, status=404)


def told(key: RunKey, status: str = "succeeded") -> Heard:
    """The API says how it ended."""
    said = {
        "id": key.id,
        "status_code": status,
        "completed_at": "2026-03-01T11:59:58Z",
        "output": {"n": 1},
    }
    found = read_answer(json.dumps(said).encode(), key)
    assert isinstance(found, Snapshot)
    return Told(found)


class ScriptedUpstream:
    """Answers as it is told, holds every answer for as long as it is told, and remembers."""

    def __init__(self, watch: Watch) -> None:
        self.answer: Callable[[RunKey], Heard] = told
        self.asked: list[str] = []
        self.redelivered: list[str] = []
        self.refusal: Silent | None = None
        self.under_way = 0
        self.most_at_once = 0
        self.going = asyncio.Event()
        self.going.set()
        self._watch = watch

    async def ask(self, key: RunKey, /) -> Heard:
        self.asked.append(key.id)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await self._watch.tell()
        try:
            await self.going.wait()
        finally:
            self.under_way -= 1
        return self.answer(key)

    async def redeliver(self, key: RunKey, /) -> Silent | None:
        self.redelivered.append(key.id)
        return self.refusal


class Desk:
    """A real store, an inquirer at work, and a scripted API."""

    def __init__(self, folder: Path) -> None:
        self.harness = SqliteHarness(folder)
        self.watch = Watch()
        self.upstream = ScriptedUpstream(self.watch)
        self.options = InquirerOptions(
            policy=AskPolicy(),
            gate=GatePolicy(faults_to_open=2, probe_first_s=0.01, probe_last_s=0.02),
            concurrency=4,
        )
        self.pace = Pace(10_000)
        self.inquirer: Inquirer
        self._task: asyncio.Task[None] | None = None

    def start(self, *, asks: bool = True) -> None:
        self.inquirer = Inquirer(
            "acme",
            upstream=self.upstream if asks else None,
            inquiries=self.harness.store,
            router=lambda: EVERYWHERE,
            clock=self.harness.clock,
            metrics=self.harness.metrics,
            pace=self.pace,
            options=self.options,
        )
        self._task = asyncio.get_running_loop().create_task(self.inquirer.run())

    async def stop(self) -> None:
        if self._task is not None:
            self.inquirer.stop()
            async with asyncio.timeout(10):
                await self._task
            self._task = None

    async def rows(self, sql: str, wanted: object) -> None:
        """Wait until the rows are these."""
        async with asyncio.timeout(10):
            while (found := await self.harness.rows(sql)) != wanted:
                self.last = found
                await asyncio.wait(
                    [asyncio.get_running_loop().create_future()], timeout=0.01
                )

    async def events(self, count: int) -> None:
        await self.rows("SELECT COUNT(*) FROM events", [(count,)])

    async def held(self, count: int) -> None:
        await self.rows("SELECT COUNT(*) FROM inquiries WHERE state = 2", [(count,)])


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    await desk.harness.open()
    try:
        yield desk
        await desk.stop()
        await desk.harness.audit()
    finally:
        await desk.harness.vanish()


async def test_every_run_that_waits_is_asked_for_once(desk: Desk) -> None:
    """And no more of them at once than may be."""
    wanted = [f"run_{number}" for number in range(40)]
    await desk.harness.store.record([partial(run) for run in wanted])
    desk.start()
    await desk.events(40)
    assert sorted(desk.upstream.asked) == sorted(wanted)
    assert desk.upstream.most_at_once <= 4


async def test_a_run_that_begins_to_wait_is_asked_for_at_the_hint(desk: Desk) -> None:
    desk.start()
    await desk.harness.one(partial())
    assert desk.harness.handover.asked_for == ["acme"]
    desk.inquirer.hint()
    await desk.watch.until(lambda: desk.upstream.asked == ["run_1"])
    await desk.events(1)


async def test_a_complete_callback_asks_nothing(desk: Desk) -> None:
    await desk.harness.one(callback())
    assert desk.harness.handover.asked_for == []


async def test_callbacks_fill_in_where_the_api_is_silent(desk: Desk) -> None:
    """The API's output and time, the callback's metadata."""
    body = b'{"run_id":"run_1","status":"succeeded","metadata":{"k": 1.10}}'
    await desk.harness.one(callback(body=body))
    desk.start()
    await desk.events(1)
    [parcel] = await desk.harness.claim("lake")
    assert b'"metadata":{"k": 1.10}' in parcel.letter.event.data
    assert b'"output":{"n": 1}' in parcel.letter.event.data


async def test_a_run_that_is_not_found_is_asked_for_again_and_published_in_the_end(
    desk: Desk,
) -> None:
    """Every ask is remembered; unconfirmed, it says so."""
    desk.upstream.answer = lambda _: GONE
    await desk.harness.one(partial())
    desk.start()
    await desk.rows("SELECT answer FROM asks", [("not_found",)])
    desk.harness.clock.advance(seconds=15 * 60)
    desk.inquirer.hint()
    await desk.events(1)
    assert await desk.harness.rows("SELECT confirmed FROM events") == [(0,)]
    desk.upstream.answer = told
    desk.harness.clock.advance(seconds=3600)
    desk.inquirer.hint()
    await desk.events(2)


async def test_a_run_that_goes_on_is_not_published_while_it_does(desk: Desk) -> None:
    desk.upstream.answer = lambda _: Unended("running")
    await desk.harness.one(partial())
    desk.start()
    await desk.rows("SELECT answer, detail FROM asks", [("unended", "running")])
    assert await desk.harness.count("events") == 0


async def test_an_api_that_does_not_work_is_asked_by_probes_alone(desk: Desk) -> None:
    """One question at a time; when it is back, everyone is asked for."""
    desk.upstream.answer = lambda _: DOWN
    runs = [f"run_{number}" for number in range(30)]
    await desk.harness.store.record([partial(run) for run in runs])
    desk.start()
    await desk.watch.until(lambda: desk.inquirer.gate.open)
    asked = len(desk.upstream.asked)
    assert asked < 10
    desk.upstream.most_at_once = 0
    await desk.watch.until(lambda: len(desk.upstream.asked) >= asked + 3)
    assert desk.upstream.most_at_once <= 1
    desk.upstream.answer = told
    desk.harness.clock.advance(seconds=60)
    await desk.events(30)


async def test_deadlines_pass_while_the_api_does_not_work(desk: Desk) -> None:
    desk.options = InquirerOptions(
        policy=AskPolicy(on_unconfirmed="hold"),
        gate=GatePolicy(faults_to_open=1, probe_first_s=3600, probe_last_s=3600),
    )
    desk.upstream.answer = lambda _: DOWN
    await desk.harness.store.record([partial(f"run_{n}") for n in range(5)])
    desk.start()
    await desk.watch.until(lambda: desk.inquirer.gate.open)
    asked = len(desk.upstream.asked)
    desk.harness.clock.advance(seconds=15 * 60)
    desk.inquirer.hint()
    await desk.held(5)
    assert len(desk.upstream.asked) == asked


async def test_a_429_hushes_the_whole_source_for_as_long_as_it_says(desk: Desk) -> None:
    limited = Silent(
        reason="rate_limited", of_source=True, status=429, retry_after_us=3_600_000_000
    )
    desk.upstream.answer = lambda _: limited
    desk.options = InquirerOptions(policy=AskPolicy(), gate=GatePolicy(), concurrency=1)
    await desk.harness.store.record([partial(f"run_{n}") for n in range(5)])
    desk.start()
    await desk.rows("SELECT answer FROM asks", [("rate_limited",)])
    desk.inquirer.hint()
    assert desk.upstream.asked == ["run_0"]
    assert not desk.inquirer.gate.open


async def test_a_429_that_somebody_else_was_given_hushes_the_source_too(
    desk: Desk,
) -> None:
    """Whoever looks through the list asks the same API, at the same pace."""
    desk.pace.hush(asyncio.get_running_loop().time() + 3600)
    await desk.harness.store.record([partial("run_1")])
    desk.start()
    await desk.rows("SELECT state FROM inquiries", [(1,)])
    desk.inquirer.hint()
    await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.05)
    assert desk.upstream.asked == []


async def test_without_an_api_the_policy_decides_at_once(desk: Desk) -> None:
    """Published unconfirmed where an outcome is named, and never asked for again."""
    desk.options = InquirerOptions(policy=AskPolicy(asks=False), gate=GatePolicy())
    await desk.harness.one(partial())
    desk.start(asks=False)
    await desk.events(1)
    desk.inquirer.hint()
    await desk.rows("SELECT COUNT(*) FROM inquiries", [(0,)])
    assert await desk.harness.count("asks") == 0


@pytest.mark.parametrize("refusal", [None, 422])
async def test_a_callback_that_never_came_is_asked_for_before_its_run_is(
    desk: Desk, refusal: int | None
) -> None:
    """Once; refused because it is in flight, it will come as well. Then the run is asked for."""
    if refusal:
        desk.upstream.refusal = Silent(
            reason="unprocessable", of_source=False, status=refusal
        )
    desk.options = InquirerOptions(policy=AskPolicy(redeliver=True), gate=GatePolicy())
    seen = Sighting(
        key=RunKey("acme", Kind.RUN, "run_1"),
        outcome=Outcome.SUCCEEDED,
        due_at=NOW_US,
        at=NOW_US,
    )
    await desk.harness.store.watch("acme", [seen])
    desk.start()
    word = "redelivery_unprocessable" if refusal else "redelivery"
    await desk.rows("SELECT answer FROM asks", [(word,)])
    assert (desk.upstream.redelivered, desk.upstream.asked) == (["run_1"], [])
    desk.harness.clock.advance(seconds=120)
    desk.inquirer.hint()
    await desk.events(1)
    assert desk.upstream.redelivered == ["run_1"]


async def test_who_is_asked_for_when_we_stop_is_free_for_whoever_comes_next(
    desk: Desk,
) -> None:
    desk.upstream.going.clear()
    await desk.harness.store.record([partial(f"run_{n}") for n in range(3)])
    desk.start()
    await desk.watch.until(lambda: desk.upstream.under_way == 3)
    await desk.stop()
    await desk.rows("SELECT COUNT(*) FROM inquiries WHERE lease IS NULL", [(3,)])
    assert await desk.harness.count("asks") == 0


async def test_a_store_that_cannot_write_for_a_while_is_told_later(desk: Desk) -> None:
    """Nobody else may ask until then, and nobody would: the answer is kept."""
    await desk.harness.one(partial())
    store = desk.harness.store
    assert isinstance(store, SqliteStore)
    assert store._writer is not None
    whole = store._writer._db
    desk.upstream.going.clear()
    with capture_logs() as lines:
        desk.start()
        await desk.watch.until(lambda: desk.upstream.under_way == 1)
        desk.harness.obstruct("BEGIN IMMEDIATE", sqlite3.SQLITE_BUSY)
        desk.upstream.going.set()
        async with asyncio.timeout(10):
            while not any(line["event"] == "learn.postponed" for line in lines):
                await asyncio.wait(
                    [asyncio.get_running_loop().create_future()], timeout=0.01
                )
    store._writer._db = whole
    await desk.events(1)
    assert desk.upstream.asked == ["run_1"]
    await desk.rows("SELECT COUNT(*) FROM inquiries", [(0,)])


async def test_a_run_that_has_an_event_is_asked_for_without_its_callback(
    desk: Desk,
) -> None:
    """The list says that it ended otherwise; the signed original would only say so again."""
    desk.options = InquirerOptions(policy=AskPolicy(redeliver=True), gate=GatePolicy())
    await desk.harness.one(callback())
    seen = Sighting(
        key=RunKey("acme", Kind.RUN, "run_1"),
        outcome=Outcome.FAILED,
        due_at=NOW_US,
        at=NOW_US,
    )
    desk.upstream.answer = lambda key: told(key, "failed")
    await desk.harness.store.watch("acme", [seen])
    desk.start()
    await desk.events(2)
    assert (desk.upstream.redelivered, desk.upstream.asked) == ([], ["run_1"])


async def test_who_is_claimed_as_we_stop_is_free_as_well(desk: Desk) -> None:
    """Its ask is over before it began."""
    desk.options = InquirerOptions(policy=AskPolicy(), gate=GatePolicy(), concurrency=1)
    await desk.harness.one(partial())
    with desk.harness.held() as hold:
        desk.start()
        await hold.reached()
        desk.inquirer.stop()
    await desk.stop()
    assert desk.upstream.asked == []
    await desk.rows("SELECT lease FROM inquiries", [(None,)])


async def test_a_probe_that_is_told_to_wait_is_not_followed_by_the_next(
    desk: Desk,
) -> None:
    desk.upstream.answer = lambda _: DOWN
    desk.options = InquirerOptions(
        policy=AskPolicy(),
        gate=GatePolicy(faults_to_open=1, probe_first_s=0.01, probe_last_s=0.01),
        concurrency=1,
    )
    await desk.harness.store.record([partial(f"run_{n}") for n in range(5)])
    desk.start()
    await desk.watch.until(lambda: desk.inquirer.gate.open)
    desk.upstream.answer = lambda _: Silent(
        reason="rate_limited", of_source=True, status=429, retry_after_us=3_600_000_000
    )
    await desk.rows("SELECT COUNT(*) FROM asks WHERE answer = 'rate_limited'", [(1,)])
    asked = len(desk.upstream.asked)
    desk.inquirer.hint()
    await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.2)
    assert len(desk.upstream.asked) == asked


async def test_a_crowd_is_asked_no_faster_than_the_rate(desk: Desk) -> None:
    """Waiting for a turn counts as nobody being asked."""
    desk.options = InquirerOptions(policy=AskPolicy(), gate=GatePolicy(), concurrency=8)
    desk.pace = Pace(20)
    await desk.harness.store.record([partial(f"run_{n}") for n in range(60)])
    loop = asyncio.get_running_loop()
    started = loop.time()
    desk.start()
    await desk.watch.until(lambda: len(desk.upstream.asked) >= 30)
    # A second's worth may come at once; the rest has to wait for its time.
    assert loop.time() - started >= (30 - 21) / 20
