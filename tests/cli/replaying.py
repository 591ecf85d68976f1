"""A store with dead letters in it, a relay that serves it or not, an endpoint, and commands typed at them.

Relay and endpoint live on a loop of their own, in a thread, as they would in other processes: a command has
the main thread for itself, and its signals.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Thread
from typing import Any, TypeVar

import pytest
from typer.testing import CliRunner

from relay.app.alone import store_alone
from relay.app.replays import letters_of
from relay.app.service import Service
from relay.app.stores import recount
from relay.app.system import System
from relay.cli.main import app
from relay.core.deadletter import Letters
from relay.core.delivery import Refused
from relay.core.ports import Wish
from relay.core.route import Router
from relay.settings import Settings, load
from tests.acceptance.relays import SECRET, SINK_SECRET, callback
from tests.app.relaying import post
from tests.cli.sweeping import Typed
from tests.deliver.endpoint import Endpoint
from tests.patience import PatientLoop
from tests.record.harness import settle_as
from tests.record.receipts import callback as receipt

__all__ = ["Ground"]

R = TypeVar("R")

CONFIG = """\
data_dir: {directory}
store: "{store}"
public: {{listen: "127.0.0.1:0", stop_timeout: 2s}}
operator: {{listen: "{operator}"}}
limits: {{min_free_disk: 1MiB}}
sources: [{{name: acme, secret: "{secret}"}}]
destinations:
  - {{name: orders, kind: http, url: "{url}", private: true, secret: {sink}{policy}}}
{more}"""


@dataclass
class Ground:
    """Where a command is typed."""

    directory: Path
    store: str = "sqlite:///relay.db"
    operator: str = "127.0.0.1:0"
    #: More of how the endpoint is tried, as YAML.
    policy: str = ""
    #: More destinations, as YAML.
    more: str = ""
    endpoint: Endpoint = field(default_factory=Endpoint)
    loop: asyncio.AbstractEventLoop = field(default_factory=PatientLoop)
    service: Service | None = None

    @contextmanager
    def opened(self) -> Iterator["Ground"]:
        """The endpoint answers."""
        thread = Thread(target=self.loop.run_forever, daemon=True)
        thread.start()
        self.do(self.endpoint.__aenter__())
        try:
            yield self
        finally:
            self.do(self.endpoint.__aexit__(None, None, None))
            self.loop.call_soon_threadsafe(self.loop.stop)
            thread.join()
            self.loop.close()

    def do(self, work: Coroutine[Any, Any, R]) -> R:
        """Have it done backstage."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    @property
    def config(self) -> Path:
        return self.directory / "relay.yaml"

    def settings(self) -> Settings:
        self.config.write_text(
            CONFIG.format(
                directory=self.directory,
                store=self.store,
                operator=self.operator,
                secret=SECRET,
                url=self.endpoint.url,
                policy=self.policy,
                sink=SINK_SECRET,
                more=self.more,
            )
        )
        return load(self.config, {})

    @contextmanager
    def served(self) -> Iterator[Service]:
        """A relay."""
        self.service = service = Service(self.settings())
        self.do(service.__aenter__())
        try:
            yield service
        finally:
            self.do(service.stop())
            self.service = None

    def send(self, *numbers: int) -> None:
        """Callbacks of these runs."""
        assert self.service is not None
        for number in numbers:
            assert self.do(post(self.service, number)) == 202

    def die(self, *numbers: int, output: str = "{}") -> None:
        """Runs whose events have died at the endpoint, though nobody serves the store now."""
        asyncio.run(self._die(numbers, output))

    async def _die(self, numbers: Sequence[int], output: str) -> None:
        settings = await asyncio.to_thread(self.settings)
        only = Router(routes=[], destinations=["orders"])
        now = System.real().clock.now_us()
        receipts = [
            receipt(body=callback(number, output=output), router=only, at=now)
            for number in numbers
        ]
        async with store_alone(settings) as store:
            await store.register(
                [(one.name, one.kind) for one in settings.destinations]
            )
            await store.record(receipts)
            now = System.real().clock.now_us()
            parcels = await store.claim(
                "orders", Wish(first=1000, size=1 << 30, now=now)
            )
            gone = Refused(reason="status_410", status=410, detail="gone for good")
            await store.settle(settle_as(gone, *parcels, now=now))

    def until(self, seen: Callable[[Letters], Awaitable[bool]]) -> None:
        """Wait until what is looked at is so."""
        self.do(self._until(seen))

    async def _until(self, seen: Callable[[Letters], Awaitable[bool]]) -> None:
        letters = letters_of(await asyncio.to_thread(self.settings))
        async with asyncio.timeout(20):
            while not await seen(letters):
                await asyncio.wait(
                    [asyncio.get_running_loop().create_future()], timeout=0.02
                )

    async def has_heard(self, _: Letters) -> bool:
        """Whether the endpoint was sent anything."""
        return bool(self.endpoint.requests)

    @property
    def heard(self) -> list[dict[str, str]]:
        """The headers of what the endpoint was sent."""
        return [request.headers for request in self.endpoint.requests]

    def balances(self) -> bool:
        """Whether the account holds, and the rows say the same."""
        counted, recounted = asyncio.run(recount(self.settings()))
        return counted.balance().holds and counted == recounted

    def type(self, *words: str, answers: str | None = None) -> Typed:
        """A command, to its end; ``answers`` is typed when it asks, at a terminal."""
        with pytest.MonkeyPatch.context() as patch:
            if answers is not None:
                patch.setattr("relay.cli.replay.verb.can_be_asked", lambda: True)
            said = CliRunner().invoke(
                app, [*words, "--config", str(self.config)], input=answers
            )
        if said.exception is not None and not isinstance(said.exception, SystemExit):
            raise said.exception
        return Typed(said.exit_code, said.stdout, said.stderr)

    def document(self, *words: str) -> Any:
        """What a program reads."""
        return json.loads(self.type(*words, "--json").out)

    def interrupt(
        self, *words: str, when: Callable[[Letters], Awaitable[bool]]
    ) -> Typed:
        """A command in a process of its own, and Ctrl-C when something is so."""
        command = [sys.executable, "-m", "relay", *words]
        process = Popen(
            [*command, "--config", str(self.config)],
            stdout=PIPE,
            stderr=PIPE,
            text=True,
        )
        self.until(when)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        return Typed(process.returncode, out, err)
