"""A scripted Runflow with a list of runs, a store of either kind, and `relay sweep` typed at them.

API and relay live on a loop of their own, in a thread, as they would in other processes: a command has the
main thread for itself, and its signals.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Thread
from typing import Any, TypeVar

from aiohttp import web
from typer.testing import CliRunner

from relay.app.service import Service
from relay.cli.main import app
from relay.core.moment import text_of
from relay.settings import Settings, load
from tests.fakes import NOW_US
from tests.patience import PatientLoop
from tests.runflow.upstream import TOKEN, Reply, Upstream

__all__ = ["SINCE", "Ground", "Typed", "row"]

R = TypeVar("R")

SINCE = "2026-03-01T00:00:00Z"
MINUTE = 60_000_000
CONFIG = """\
data_dir: {directory}
store: "{store}"
public: {{listen: "127.0.0.1:0"}}
operator: {{listen: "127.0.0.1:0"}}
limits: {{min_free_disk: 1MiB}}
sources:
  - name: acme
    secret: whsec_something
    api: {{base_url: "{url}", token: {token}}}
    sweep: {{enabled: false, only: all, grace: 0s}}
{more}destinations: [{{name: {destination}, kind: file, path: events.jsonl}}]
"""


def row(
    number: int, *, status: str = "succeeded", at: int | None = None
) -> dict[str, object]:
    """One run of the list, created then, or ``number`` minutes before noon."""
    created = text_of(NOW_US - number * MINUTE if at is None else at)
    return {
        "id": f"run_{number}",
        "status_code": status,
        "created_at": created,
        "completed_at": created if status == "succeeded" else None,
    }


@dataclass(frozen=True)
class Typed:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@dataclass
class Ground:
    """Where a command is typed."""

    directory: Path
    upstream: Upstream = field(default_factory=Upstream)
    store: str = "sqlite:///relay.db"
    #: What is typed.
    verb: str = "sweep"
    #: The name of the one destination.
    destination: str = "audit"
    #: More sources, as YAML.
    more: str = ""
    pages: Sequence[Sequence[dict[str, object]]] = ((),)
    #: In the place of the list.
    refusal: Reply | None = None
    #: The page at which the list waits for ever, and whether it has come to that.
    stuck_at: int | None = None
    stuck: asyncio.Event = field(default_factory=asyncio.Event)
    #: Whether a run has been asked for.
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=PatientLoop)

    @property
    def config(self) -> Path:
        return self.directory / "relay.yaml"

    @contextmanager
    def opened(self) -> Iterator["Ground"]:
        """The API answers."""
        thread = Thread(target=self.loop.run_forever, daemon=True)
        thread.start()
        runner = self.do(self._open())
        try:
            yield self
        finally:
            self.do(runner.cleanup())
            self.loop.call_soon_threadsafe(self.loop.stop)
            thread.join()
            self.loop.close()

    def do(self, work: Coroutine[Any, Any, R]) -> R:
        """Have it done backstage."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def settings(self) -> Settings:
        self.config.write_text(
            CONFIG.format(
                directory=self.directory,
                store=self.store,
                url=self.upstream.url,
                token=TOKEN,
                more=self.more,
                destination=self.destination,
            )
        )
        return load(self.config, {})

    @contextmanager
    def served(self, *, running: bool = True) -> Iterator[Service]:
        """A relay; or a store that nobody serves any more."""
        service = Service(self.settings())
        self.do(service.__aenter__())
        try:
            if not running:
                self.do(service.stop())
            yield service
        finally:
            self.do(service.stop())

    def type(self, *words: str) -> Typed:
        """A command, to its end."""
        arguments = [self.verb, *words, "--config", str(self.config)]
        said = CliRunner().invoke(app, arguments)
        if said.exception is not None and not isinstance(said.exception, SystemExit):
            raise said.exception
        return Typed(said.exit_code, said.stdout, said.stderr)

    def interrupt(self, *words: str) -> Typed:
        """A command in a process of its own, and Ctrl-C when it is stuck."""
        command = [sys.executable, "-m", "relay", "sweep", *words]
        process = Popen(
            [*command, "--config", str(self.config)],
            stdout=PIPE,
            stderr=PIPE,
            text=True,
        )
        self.do(self.reaches(self.stuck))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        return Typed(process.returncode, out, err)

    async def reaches(self, event: asyncio.Event) -> None:
        await event.wait()

    async def _open(self) -> web.AppRunner:
        self.upstream.says(self._answer)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.upstream.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path != "/v1/runs":
            self.asked.set()
            return Reply(status=404, json={}).response()
        if self.refusal is not None:
            return self.refusal.response()
        number = int(request.query.get("pq", "0"))
        if number == self.stuck_at:
            self.stuck.set()
            await asyncio.Event().wait()
        last = number + 1 >= len(self.pages)
        page = {"items": self.pages[number], "next": None if last else str(number + 1)}
        return Reply(json=page).response()
