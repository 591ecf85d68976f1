"""A running relay takes over a changed configuration, and loses nothing on the way."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from relay.app.reload import Reloader
from relay.app.service import Service
from relay.app.stores import read_ledger
from relay.core.errors import MisconfiguredError, StoreBusyError
from relay.settings import ConfigError, Mistake, Settings, parse
from tests.acceptance.relays import SECRET, callback, run_id, sign
from tests.places import free_port

CONFIG = """
data_dir: {directory}
store: "{store}"
public: {{listen: "127.0.0.1:0", stop_timeout: 2s}}
operator: {{listen: "127.0.0.1:0"}}
limits: {{min_free_disk: 1MiB, ready_parcels: {ready}}}
sources: [{{name: acme, secret: "{secret}"}}]
destinations: [{destinations}]
"""
FILE = "sqlite:///relay.db"
AUDIT = "{name: audit, kind: file, path: audit.jsonl}"
COPY = "{name: copy, kind: file, path: copy.jsonl}"


async def settings_of(
    directory: Path,
    *destinations: str,
    secret: str = SECRET,
    ready: int = 1000,
    store: str = FILE,
) -> Settings:
    text = CONFIG.format(
        directory=directory,
        secret=secret,
        ready=ready,
        store=store,
        destinations=", ".join(destinations),
    )
    return await asyncio.to_thread(parse, text, {}, file="relay.yaml")


class Place:
    """A service in a directory."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self.service = service
        self.settings = settings
        self.directory = settings.data_dir

    async def post(self, number: int, secret: str = SECRET) -> int:
        body = callback(number)
        url = f"http://127.0.0.1:{self.service.public.port}/callbacks/acme"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=sign(body, secret)) as answer,
        ):
            return answer.status

    async def holds(self, file: str, *numbers: int) -> None:
        """Wait until the file has these runs."""
        path = self.directory / file
        async with asyncio.timeout(5):
            while True:
                text = await asyncio.to_thread(_text, path)
                if all(run_id(number) in text for number in numbers):
                    return
                await asyncio.wait(
                    [asyncio.get_running_loop().create_future()], timeout=0.01
                )

    async def audit(self) -> Any:
        ledger = await read_ledger(self.settings)
        assert ledger.balance().faults == ()
        return ledger


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@asynccontextmanager
async def place(
    directory: Path, *destinations: str, store: str = FILE
) -> AsyncIterator[Place]:
    settings = await settings_of(directory, *destinations, store=store)
    async with Service(settings) as service:
        yield Place(service, settings)


async def test_a_new_destination_gets_what_comes_from_now_on(
    tmp_path: Path, store: str
) -> None:
    async with place(tmp_path, AUDIT, store=store) as it:
        assert await it.post(1) == 202
        await it.holds("audit.jsonl", 1)
        both = await settings_of(tmp_path, AUDIT, COPY, store=store)
        await it.service.reload(both)
        assert await it.post(2) == 202
        await it.holds("audit.jsonl", 1, 2)
        await it.holds("copy.jsonl", 2)
        assert run_id(1) not in await asyncio.to_thread(_text, tmp_path / "copy.jsonl")
        await it.audit()


async def test_what_stays_as_it_was_is_not_disturbed(tmp_path: Path) -> None:
    async with place(tmp_path, AUDIT) as it:
        before = [
            task for task in asyncio.all_tasks() if task.get_name() == "deliver.audit"
        ]
        await it.service.reload(await settings_of(tmp_path, AUDIT, COPY))
        after = [
            task for task in asyncio.all_tasks() if task.get_name() == "deliver.audit"
        ]
        assert before == after


async def test_a_destination_that_is_gone_keeps_what_it_is_owed(
    tmp_path: Path, store: str
) -> None:
    """It is held in the store: named again, it gets it."""
    dead = f'{{name: web, kind: http, url: "http://127.0.0.1:{free_port()}/", private: true, secret: "whsec_YWNjZXB0YW5jZS1zaW5rLXNlY3JldC1hY2NlcHRhbmNl"}}'
    async with place(tmp_path, AUDIT, dead, store=store) as it:
        assert await it.post(1) == 202
        await it.service.reload(await settings_of(tmp_path, AUDIT, store=store))
        assert await it.post(2) == 202
        await it.holds("audit.jsonl", 1, 2)
        ledger = await it.audit()
        assert ledger.destinations["web"].created == 1
        assert ledger.destinations["web"].pending == 1


async def test_an_endpoint_that_moves_gets_the_rest_at_its_new_place(
    tmp_path: Path, store: str
) -> None:
    """A try under way ends where it began; nothing is lost and nothing is sent to nobody."""
    heard: dict[str, list[str]] = {"old": [], "new": []}
    arrived, answer = asyncio.Event(), asyncio.Event()

    async def respond(request: web.Request) -> web.Response:
        name = request.path.strip("/")
        heard[name].append((await request.json())["subject"])
        if name == "old":
            arrived.set()
            await answer.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/{name}", respond)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    url = f"http://127.0.0.1:{port}"
    web_of = (
        f'{{name: web, kind: http, private: true, concurrency: 1, url: "{url}/%s",'
        ' secret: "whsec_YWNjZXB0YW5jZS1zaW5rLXNlY3JldC1hY2NlcHRhbmNl"}'
    )
    try:
        async with place(tmp_path, web_of % "old", store=store) as it:
            for number in range(6):
                assert await it.post(number) == 202
            await arrived.wait()
            moved = await settings_of(tmp_path, web_of % "new", store=store)
            reloading = asyncio.get_running_loop().create_task(it.service.reload(moved))
            await asyncio.wait([reloading], timeout=0.05)
            assert await it.post(6) == 202
            answer.set()
            await reloading
            async with asyncio.timeout(5):
                while len(set(heard["old"] + heard["new"])) < 7:
                    await asyncio.wait(
                        [asyncio.get_running_loop().create_future()], timeout=0.01
                    )
        assert heard["old"] == [run_id(0)]
        assert sorted(heard["new"]) == [run_id(number) for number in range(1, 7)]
    finally:
        answer.set()
        await runner.cleanup()


async def test_secrets_change_without_a_dropped_request(tmp_path: Path) -> None:
    async with place(tmp_path, AUDIT) as it:
        assert await it.post(1, "whsec_another") == 401
        changed = await settings_of(tmp_path, AUDIT, secret="whsec_another")
        await it.service.reload(changed)
        assert (await it.post(1, "whsec_another"), await it.post(2)) == (202, 401)


async def test_a_request_ends_with_the_configuration_it_began_with(
    tmp_path: Path,
) -> None:
    async with place(tmp_path, AUDIT) as it:
        body = callback(1)
        head = "".join(f"{name}: {value}\r\n" for name, value in sign(body).items())
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", it.service.public.port
        )
        writer.write(
            f"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{head}"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
        )
        await reader.readuntil(b"100 Continue\r\n\r\n")
        await it.service.reload(
            await settings_of(tmp_path, COPY, secret="whsec_another")
        )
        writer.write(body)
        assert (await reader.readline()).startswith(b"HTTP/1.1 202")
        writer.close()
        ledger = await it.audit()
        assert ledger.destinations["audit"].created == 1
        assert ledger.sources["acme"].quarantined == 0


async def test_a_destination_that_cannot_work_leaves_the_old_one_in_place(
    tmp_path: Path,
) -> None:
    async with place(tmp_path, AUDIT) as it:
        nowhere = "{name: audit, kind: file, path: /proc/nowhere/audit.jsonl}"
        with capture_logs() as said:
            await it.service.reload(await settings_of(tmp_path, nowhere))
        assert "destination.refused" in [line["event"] for line in said]
        assert await it.post(1) == 202
        await it.holds("audit.jsonl", 1)


async def test_what_needs_a_restart_is_named(tmp_path: Path) -> None:
    async with place(tmp_path, AUDIT) as it:
        with capture_logs() as said:
            await it.service.reload(await settings_of(tmp_path, AUDIT, ready=7))
        [line] = [one for one in said if one["event"] == "configuration.restart_needed"]
        assert line["settings"] == ["limits.ready_parcels"]


# --- when it is read again ------------------------------------------------------------------------


class Scripted:
    """A configuration that changes, and a service that is told."""

    def __init__(self, *read: Settings | Exception) -> None:
        self.script = list(read)
        self.told: list[Settings] = []
        #: So many times the store does not answer.
        self.away = 0
        self.looks = asyncio.Semaphore(0)

    async def read(self) -> Settings:
        found = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        self.looks.release()
        if isinstance(found, Exception):
            raise found
        return found

    async def reload(self, settings: Settings) -> None:
        if self.away:
            self.away -= 1
            raise StoreBusyError("the database does not answer")
        self.told.append(settings)

    async def looked(self, times: int) -> None:
        async with asyncio.timeout(5):
            for _ in range(times):
                await self.looks.acquire()


@asynccontextmanager
async def reloading(
    scripted: Scripted, settings: Settings, every_s: float
) -> AsyncIterator[Reloader]:
    reloader = Reloader(scripted, settings, read=scripted.read, every_s=every_s)
    task = asyncio.get_running_loop().create_task(reloader.run())
    try:
        yield reloader
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_changed_file_is_taken_over_once(tmp_path: Path) -> None:
    old, new = await settings_of(tmp_path, AUDIT), await settings_of(tmp_path, COPY)
    scripted = Scripted(old, old, new)
    async with reloading(scripted, old, 0.001):
        await scripted.looked(6)
    assert scripted.told == [new]


async def test_a_bad_file_is_said_once_and_changes_nothing(tmp_path: Path) -> None:
    old = await settings_of(tmp_path, AUDIT)
    bad = ConfigError(
        "relay.yaml", [Mistake(path="routes", line=3, message="must be a list")]
    )
    gone = MisconfiguredError("there is no such file")
    # The words of an error that nobody expected may hold a secret of the file.
    odd = TypeError("unhashable: whsec_abc")
    scripted = Scripted(bad, bad, bad, gone, odd, old)
    with capture_logs() as said:
        async with reloading(scripted, old, 0.001):
            await scripted.looked(9)
    refused = [line for line in said if line["event"] == "configuration.refused"]
    assert [line["mistakes"] for line in refused] == [
        ["routes: must be a list"],
        ["there is no such file"],
        ["it cannot be read, for a mistake of this program (TypeError)"],
    ]
    assert scripted.told == []


async def test_a_change_waits_for_a_store_that_is_away(tmp_path: Path) -> None:
    """It is taken over when the store is back; the relay goes on as it was until then."""
    old, new = await settings_of(tmp_path, AUDIT), await settings_of(tmp_path, COPY)
    scripted = Scripted(old, new)
    scripted.away = 2
    with capture_logs() as said:
        async with reloading(scripted, old, 0.001):
            await scripted.looked(6)
    postponed = [line for line in said if line["event"] == "configuration.postponed"]
    assert len(postponed) == 2
    assert scripted.told == [new]


async def test_who_asks_is_told_at_once_also_that_nothing_has_changed(
    tmp_path: Path,
) -> None:
    old = await settings_of(tmp_path, AUDIT)
    scripted = Scripted(old)
    with capture_logs() as said:
        async with reloading(scripted, old, 3600.0) as reloader:
            reloader.ask()
            await scripted.looked(1)
            await asyncio.wait(
                [asyncio.get_running_loop().create_future()], timeout=0.01
            )
    assert [line["event"] for line in said] == ["configuration.unchanged"]


# --- as a process ---------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    text = CONFIG.format(
        directory=tmp_path, secret=SECRET, ready=1000, store=FILE, destinations=AUDIT
    )
    config = tmp_path / "relay.yaml"
    config.write_text(text)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "relay", "serve", "--config", str(config)],
            stderr=log,
            stdout=log,
        )
        try:
            yield process, config
        finally:
            process.kill()
            process.wait()


def _until_said(process: subprocess.Popen[bytes], log: Path, word: str) -> None:
    deadline = time.monotonic() + 15
    while word not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        with suppress(subprocess.TimeoutExpired):
            assert process.wait(0.02) is None, log.read_text()


@pytest.mark.process
def test_sighup_reloads_a_served_relay(
    served: tuple[subprocess.Popen[bytes], Path],
) -> None:
    process, config = served
    log = config.with_name("log")
    _until_said(process, log, "relay.ready")
    config.write_text(config.read_text().replace(AUDIT, f"{AUDIT}, {COPY}"))
    process.send_signal(signal.SIGHUP)
    _until_said(process, log, "configuration.reloaded")
    assert config.with_name("copy.jsonl").exists()
    config.write_text("sources: []")
    process.send_signal(signal.SIGHUP)
    _until_said(process, log, "configuration.refused")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
