"""A relay as a process of its own, callbacks to send it, and a sink that remembers everything."""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from standardwebhooks import Webhook

from tests.places import free_port

HERE = Path(__file__).parent
SECRET = "whsec_acceptance"
SINK_SECRET = "whsec_YWNjZXB0YW5jZS1zaW5rLXNlY3JldC1hY2NlcHRhbmNl"
READY_LIMIT_S = 20.0


def callback(number: int, *, output: str = '{"n": 1.10}') -> bytes:
    """A whole callback of run ``number``, its output spliced in as it stands."""
    return (
        f'{{"event":"run.completed","run_id":"{run_id(number)}","status":"succeeded",'
        f'"output":{output},"duration_ms":5,'
        f'"created_at":"2026-05-06T10:00:00.000+00:00",'
        f'"completed_at":"2026-05-06T10:01:42.345123+00:00","metadata":null}}'
    ).encode()


def run_id(number: int) -> str:
    return f"0197f0f0-0000-7000-8000-{number:012x}"


def sign(body: bytes, secret: str = SECRET) -> dict[str, str]:
    mac = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"Runflow-Signature": mac, "Content-Type": "application/json"}


@dataclass
class Relay:
    """`relay serve` on one data directory; started, killed and started again."""

    directory: Path
    sink_port: int
    kind: str = "http"
    wrapper: Sequence[str] = ()
    #: Where it keeps everything; a file in its directory unless a database is named.
    store: str = "sqlite:///relay.db"
    port: int = field(default_factory=free_port)
    operator: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/callbacks/acme"

    @property
    def config(self) -> Path:
        return self.directory / "relay.yaml"

    def configure(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            f"data_dir: {self.directory}\nstore: {self.store}\n"
            f'public: {{listen: "127.0.0.1:{self.port}", stop_timeout: 5s}}\n'
            f'operator: {{listen: "127.0.0.1:{self.operator}"}}\n'
            "limits: {min_free_disk: 1MiB}\n"
            f'sources: [{{name: acme, secret: "{SECRET}"}}]\n'
            "destinations:\n"
            f'  - {{name: sink, kind: http, url: "http://127.0.0.1:{self.sink_port}/",'
            f' private: true, secret: "{SINK_SECRET}", ladder: [0s, 200ms]}}\n'
            "  - {name: audit, kind: file, path: events.jsonl}\n"
        )

    def start(self, *arguments: str) -> None:
        """Start it, and wait until it is ready or has ended."""
        command = [*self.wrapper, sys.executable, str(HERE / "kill.py")]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, str(self.config), *arguments], stdout=log, stderr=log
            )
        deadline = time.monotonic() + READY_LIMIT_S
        while self.process.poll() is None and not self._is_ready():
            if time.monotonic() > deadline:
                raise TimeoutError((self.directory / "log").read_text())

    def _is_ready(self) -> bool:
        url = f"http://127.0.0.1:{self.operator}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=READY_LIMIT_S) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def end(self, *, kill: bool = False) -> int:
        assert self.process is not None
        os.kill(self._pid(), signal.SIGKILL if kill else signal.SIGTERM)
        return self.process.wait(30)

    def _pid(self) -> int:
        """The relay's own process: a wrapper's first child, else what was started."""
        assert self.process is not None
        pid = self.process.pid
        if not self.wrapper:
            return pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def ledger(self) -> dict[str, object]:
        """What `relay ledger --verify` says; it must exit 0."""
        said = subprocess.run(
            [
                sys.executable,
                "-m",
                "relay",
                "ledger",
                "--verify",
                "--json",
                "--config",
                str(self.config),
            ],
            check=False,
            capture_output=True,
        )
        found: dict[str, object] = json.loads(said.stdout)
        assert (said.returncode, found["faults"]) == (0, [])
        return found

    def file_events(self) -> list[dict[str, object]]:
        path = self.directory / "events.jsonl"
        return [json.loads(line) for line in path.read_bytes().splitlines()]


@dataclass
class Sink:
    """An HTTP endpoint that verifies with the outside library and remembers every request."""

    port: int = 0
    got: list[tuple[str, bytes]] = field(default_factory=list)

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        Webhook(SINK_SECRET).verify(body, dict(request.headers))
        self.got.append((request.headers["webhook-id"], body))
        return web.Response(status=204)

    def bodies(self) -> dict[str, set[bytes]]:
        """Every body by the id it came with."""
        found: dict[str, set[bytes]] = {}
        for name, body in self.got:
            found.setdefault(name, set()).add(body)
        return found

    def runs(self) -> set[str]:
        return {json.loads(body)["subject"] for _, body in self.got}


@asynccontextmanager
async def open_sink(sink: Sink | None = None) -> AsyncIterator[Sink]:
    sink = Sink() if sink is None else sink
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


async def load(
    url: str,
    numbers: Sequence[int],
    *,
    at_once: int = 24,
    heard: Callable[[int], None] | None = None,
) -> set[int]:
    """Send callbacks, several at once; the numbers that were answered 2xx.

    ``heard`` is told, with each of those answers, how many there are: what is to happen in the midst of a
    load is bound to them and not to a time, which a slow machine would not fill.
    """
    acknowledged: set[int] = set()
    left = iter(numbers)

    async def sender(session: aiohttp.ClientSession) -> None:
        for number in left:
            body = callback(number)
            try:
                async with session.post(url, data=body, headers=sign(body)) as answer:
                    if answer.status in (200, 202):
                        acknowledged.add(number)
                        if heard is not None:
                            heard(len(acknowledged))
            except (aiohttp.ClientError, OSError):
                return

    timeout = aiohttp.ClientTimeout(total=20)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        asyncio.TaskGroup() as tasks,
    ):
        for _ in range(at_once):
            tasks.create_task(sender(session))
    return acknowledged
