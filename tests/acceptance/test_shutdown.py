"""Stopping: unready first, who was heard is answered, nothing acknowledged is lost, and it has an end."""

import asyncio
import gc
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from relay.app.service import Service, stop_budget_s
from relay.cli.serve import serve_until_stopped
from relay.settings import parse
from tests.acceptance.kill import HANGING
from tests.acceptance.relays import Relay, Sink, load, open_sink, run_id

process = pytest.mark.process
pytestmark = pytest.mark.timeout(90, func_only=True)


class StuckSink(Sink):
    """Takes what comes and answers nobody until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.going = asyncio.Event()

    async def receive(self, request: web.Request) -> web.Response:
        self.asked.set()
        await self.going.wait()
        return await super().receive(request)


@asynccontextmanager
async def _open(sink: Sink) -> AsyncIterator[Sink]:
    app = web.Application()
    app.router.add_post("/", sink.receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sink.port = runner.addresses[0][1]
    try:
        yield sink
    finally:
        await runner.cleanup()


Make = Callable[[Sink, str], Relay]


@pytest.fixture
def make(tmp_path: Path, store: str) -> Iterator[Make]:
    """Makes relays on either store, with other settings of their listener; none outlives its test."""
    made: list[Relay] = []

    def one(sink: Sink, public: str) -> Relay:
        relay = Relay(tmp_path / "relay", sink.port, store=store)
        relay.configure()
        text = relay.config.read_text()
        assert "stop_timeout: 5s" in text
        relay.config.write_text(text.replace("stop_timeout: 5s", public))
        made.append(relay)
        return relay

    yield one
    for relay in made:
        if relay.process is not None and relay.process.poll() is None:
            relay.process.kill()
            relay.process.wait()


def _readiness(relay: Relay) -> tuple[int, bytes]:
    """Status and body of /readyz; (0, b"") when nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{relay.operator}/readyz") as it:
            return it.status, it.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, b""


async def _until(holds: Callable[[], bool]) -> None:
    never = asyncio.Event()
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(holds):
            try:
                async with asyncio.timeout(0.02):
                    await never.wait()
            except TimeoutError:
                continue


def _signal(relay: Relay) -> None:
    assert relay.process is not None
    os.kill(relay.process.pid, signal.SIGTERM)


async def _exit(relay: Relay, *, within_s: float) -> int:
    assert relay.process is not None
    return await asyncio.to_thread(relay.process.wait, within_s)


def _is_draining(relay: Relay) -> bool:
    status, body = _readiness(relay)
    return status == 503 and b'"draining"' in body


def _everywhere(relay: Relay, sink: Sink, acknowledged: set[int]) -> bool:
    wanted = {run_id(number) for number in acknowledged}
    in_file = {str(event["subject"]) for event in relay.file_events()}
    return wanted <= sink.runs() and wanted <= in_file


@process
async def test_under_load_it_is_unready_first_and_loses_nothing(make: Make) -> None:
    async with open_sink() as sink:
        # Long enough for what comes late on a machine that others keep busy.
        relay = make(sink, "stop_timeout: 5s, drain_delay: 3s")
        await asyncio.to_thread(relay.start)
        loading = asyncio.gather(load(relay.url, range(20_000)))
        await _until(lambda: len(sink.got) > 50)
        _signal(relay)
        await _until(lambda: _is_draining(relay))
        # Unready, and still at work for who has not heard of it yet.
        late = await load(relay.url, range(30_000, 30_020), at_once=4)
        assert late == set(range(30_000, 30_020))
        assert await _exit(relay, within_s=30) == 0
        [acknowledged] = await loading
        await asyncio.to_thread(relay.start)
        everything = acknowledged | late
        await _until(lambda: _everywhere(relay, sink, everything))
        assert await asyncio.to_thread(relay.end) == 0
        assert {len(bodies) for bodies in sink.bodies().values()} == {1}
        await asyncio.to_thread(relay.ledger)


@process
async def test_a_second_signal_ends_the_delay(make: Make) -> None:
    async with open_sink() as sink:
        relay = make(sink, "drain_delay: 5m")
        await asyncio.to_thread(relay.start)
        _signal(relay)
        await _until(lambda: _is_draining(relay))
        _signal(relay)
        assert await _exit(relay, within_s=10) == 0


@process
async def test_a_second_signal_waits_for_no_destination_and_loses_nothing(
    make: Make,
) -> None:
    async with _open(StuckSink()) as sink:
        assert isinstance(sink, StuckSink)
        relay = make(sink, "stop_timeout: 5m")
        await asyncio.to_thread(relay.start)
        acknowledged = await load(relay.url, range(3))
        await sink.asked.wait()
        _signal(relay)
        await _until(lambda: not _accepts(relay.port))
        _signal(relay)
        assert await _exit(relay, within_s=10) == 0
        assert sink.got == []
        sink.going.set()
        await asyncio.to_thread(relay.start)
        await _until(lambda: _everywhere(relay, sink, acknowledged))
        assert await asyncio.to_thread(relay.end) == 0


@process
async def test_a_destination_that_hangs_holds_a_stop_up_no_longer_than_allowed(
    make: Make,
) -> None:
    async with _open(StuckSink()) as sink:
        assert isinstance(sink, StuckSink)
        relay = make(sink, "stop_timeout: 1s")
        await asyncio.to_thread(relay.start)
        await load(relay.url, range(1))
        await sink.asked.wait()
        began = time.monotonic()
        assert await asyncio.to_thread(relay.end) == 0
        settings = await asyncio.to_thread(
            parse, relay.config.read_text(), {}, file="relay.yaml"
        )
        assert 1.0 <= time.monotonic() - began < stop_budget_s(settings)


@process
async def test_a_commit_that_hangs_holds_the_end_up_no_longer_than_allowed(
    make: Make,
) -> None:
    """The thread of the call that never comes back ends with the process, not the other way round."""
    async with open_sink() as sink:
        relay = make(sink, "stop_timeout: 1s")
        await asyncio.to_thread(relay.start, "before-commit", "0", "--hang")
        unanswered = asyncio.gather(load(relay.url, range(1)))
        await _until(lambda: HANGING in (relay.directory / "log").read_bytes())
        began = time.monotonic()
        await asyncio.to_thread(relay.end)
        settings = await asyncio.to_thread(
            parse, relay.config.read_text(), {}, file="relay.yaml"
        )
        assert time.monotonic() - began < stop_budget_s(settings)
        [acknowledged] = await unanswered
        assert acknowledged == set()


def _accepts(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


@process
@pytest.mark.parametrize(
    "which,setting", [("port", "public.listen"), ("operator", "operator.listen")]
)
async def test_a_start_that_fails_half_way_says_why_and_leaves_the_store_whole(
    which: str, setting: str, make: Make
) -> None:
    async with open_sink() as sink:
        relay = make(sink, "stop_timeout: 1s")
        port: int = getattr(relay, which)
        with socket.create_server(("127.0.0.1", port)):
            started = await asyncio.create_subprocess_exec(
                *_serve(relay), stderr=asyncio.subprocess.PIPE
            )
            _, said = await started.communicate()
        assert started.returncode == 2
        assert f"{setting}: cannot listen on 127.0.0.1:{port}: Address" in said.decode()
        assert b"Traceback" not in said
        if relay.store.startswith("sqlite"):
            file = relay.directory / "relay.db"
            assert file.exists()
            assert not file.with_name("relay.db-wal").exists()
        await asyncio.to_thread(relay.start)
        assert await load(relay.url, range(3)) == {0, 1, 2}
        assert await asyncio.to_thread(relay.end) == 0


def _serve(relay: Relay) -> list[str]:
    return [sys.executable, "-m", "relay", "serve", "--config", str(relay.config)]


class EarlySignals(Service):
    """Is told to stop, and to hurry, before it has a listener."""

    async def _open_operator(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        await self._hurried.wait()
        await super()._open_operator()


@pytest.fixture
def own_memory() -> Iterator[None]:
    """What serving changes in its process is put back."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


async def test_a_second_signal_while_starting_means_now_as_well(
    tmp_path: Path,
    own_memory: None,  # noqa: ARG001 - asked for by what it puts back
) -> None:
    text = (
        f"data_dir: {tmp_path}\n"
        "public: {listen: '127.0.0.1:0', drain_delay: 5m}\n"
        "operator: {listen: '127.0.0.1:0'}\nlimits: {min_free_disk: 1MiB}\n"
        "sources: [{name: acme, secret: whsec_something}]\n"
        "destinations: [{name: a, kind: file, path: a.jsonl}]\n"
    )
    settings = await asyncio.to_thread(parse, text, {}, file="relay.yaml")
    loop = asyncio.get_running_loop()
    faults: list[object] = []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    async with asyncio.timeout(20):
        assert await serve_until_stopped(EarlySignals, settings) == 0
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    assert faults == []


async def test_while_it_drains_each_connection_ends_with_its_answer(
    tmp_path: Path,
) -> None:
    """Who keeps one is led elsewhere before there is nobody here."""
    text = (
        f"data_dir: {tmp_path}\n"
        "public: {listen: '127.0.0.1:0', drain_delay: 5m}\n"
        "operator: {listen: '127.0.0.1:0'}\nlimits: {min_free_disk: 1MiB}\n"
        "sources: [{name: acme, secret: whsec_something}]\n"
        "destinations: [{name: a, kind: file, path: a.jsonl}]\n"
    )
    settings = await asyncio.to_thread(parse, text, {}, file="relay.yaml")
    async with (
        Service(settings) as service,
        aiohttp.ClientSession() as session,
        asyncio.TaskGroup() as tasks,
    ):
        url = f"http://127.0.0.1:{service.public.port}/healthz"
        async with session.get(url) as before:
            assert "Connection" not in before.headers
        tasks.create_task(service.stop())
        await _until(lambda: service.state == "draining")
        async with session.get(url) as while_it_drains:
            assert while_it_drains.headers["Connection"] == "close"
        service.hurry()


async def test_the_steps_of_stopping_add_up_to_their_budget(tmp_path: Path) -> None:
    text = (
        f"data_dir: {tmp_path}\n"
        "public: {listen: '127.0.0.1:0', stop_timeout: 7s, drain_delay: 30ms}\n"
        "operator: {listen: '127.0.0.1:0'}\nlimits: {min_free_disk: 1MiB}\n"
        "sources: [{name: acme, secret: whsec_something}]\n"
        "destinations:\n"
        "  - {name: a, kind: file, path: a.jsonl}\n"
        "  - {name: b, kind: file, path: b.jsonl}\n"
    )
    settings = await asyncio.to_thread(parse, text, {}, file="relay.yaml")
    async with Service(settings) as service:
        await service.stop()
        assert sum(service.stop_steps.values()) == stop_budget_s(settings)
        assert len(service.stop_steps) == 15
