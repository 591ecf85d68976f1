"""Stage: sandbox, relay, endpoint, file and (if asked for) Kafka, joined by a real configuration file.

Owns starting them in order, dispatching the runs as a customer's program would, and reading at the end
what each sink holds. Decides nothing and draws nothing.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import aiohttp

from relay.app.service import Service
from relay.app.stores import is_empty, read_ledger, recount
from relay.cli.demo.compare import Expected, Heard, differences
from relay.cli.demo.endpoint import Endpoint, heard_of
from relay.cli.demo.topic import Topic
from relay.core.errors import MisconfiguredError
from relay.core.ledger import Ledger, SourceCounts
from relay.sandbox import Faults, Retries, Sandbox, Truth
from relay.settings import Settings, load

__all__ = ["ENDPOINT_SECRET", "FAULTS", "SOURCE", "Counts", "Stage", "StageOptions"]

SOURCE: Final = "acme"
#: Local and for show: guards nothing.
CALLBACK_SECRET: Final = "whsec_demo-callbacks"  # noqa: S105 - guards nothing
ENDPOINT_SECRET: Final = "whsec_ZGVtby1lbmRwb2ludC1zZWNyZXQtZGVtby1lbmRw"  # noqa: S105
TOPIC: Final = "runflow.runs"
#: Beside the configuration, which is shown around.
STORE_FILE: Final = "store.url"
FAULTS: Final = Faults(
    drop=0.15,
    double=0.15,
    lose=0.05,
    partial=0.05,
    failed=0.1,
    cancelled=0.05,
    partial_succeeded=0.05,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOptions:
    """What the demo is asked to do."""

    directory: Path
    runs: int = 200
    seed: int = 7
    kafka: bool = False
    #: The URL of an empty PostgreSQL database; without one, a file in the directory.
    store: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Where everything stands right now."""

    dispatched: int
    ended: int
    tries: int
    tries_lost: int
    ledger: Ledger
    endpoint: int
    endpoint_repeats: int
    #: Runs whose callback was partial, and runs whose callback never came.
    partial: int
    lost: int


class Stage:
    """Everything that plays. ``async with`` starts and ends it."""

    def __init__(self, options: StageOptions, *, endpoint: Endpoint) -> None:
        self.options = options
        self.endpoint = endpoint
        self.topic = Topic(TOPIC) if options.kafka else None
        self.sandbox = Sandbox(
            secret=CALLBACK_SECRET,
            seed=options.seed,
            faults=FAULTS,
            run_seconds=(0.2, 6.0),
            retry=Retries(max_attempts=6),
        )
        self._stack = AsyncExitStack()
        self.service: Service
        self.settings: Settings

    @property
    def config(self) -> Path:
        """The configuration that the relay of the demo runs on."""
        return self.options.directory / "relay.yaml"

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        if self.topic is not None:
            await self.topic.start()
            self._stack.push_async_callback(self.topic.close)
        # The relay asks it what callbacks leave open, and for those that never come.
        await self._stack.enter_async_context(self.sandbox)
        await self.endpoint.start()
        self._stack.push_async_callback(self.endpoint.close)
        self.settings = await asyncio.to_thread(self._configure)
        if not await is_empty(self.settings):
            raise MisconfiguredError(
                "relay demo: there are tables in this database already. The demo leaves its own behind:"
                " give it an empty database, or an empty schema (…?search_path=NAME)"
            )
        self.service = await self._stack.enter_async_context(Service(self.settings))

    def _configure(self) -> Settings:
        self.config.write_text(self._configuration())
        if self.options.store is not None:
            # Nobody else may read it: it can hold a password.
            url = self.options.directory / STORE_FILE
            url.touch(mode=0o600)
            url.write_text(self.options.store)
        return load(self.config, {})

    def _configuration(self) -> str:
        hook = f"http://127.0.0.1:{self.endpoint.port}/hooks"
        lines = [
            "# The relay of `relay demo`.",
            f"data_dir: {self.options.directory}",
            *([f"store: {{file: {STORE_FILE}}}"] if self.options.store else []),
            'public:   {listen: "127.0.0.1:0"}',
            'operator: {listen: "127.0.0.1:0"}',
            "limits:   {min_free_disk: 64MiB}",
            "sources:",
            f"  - name: {SOURCE}",
            f'    secret: "{CALLBACK_SECRET}"',
            f'    api: {{base_url: "{self.sandbox.url}", token: {self.sandbox.token}}}',
            # In a hurry, as a demo is; the callbacks' port is not known before it is open.
            "    sweep: {every: 1s, grace: 2s, only: all}",
            "destinations:",
            "  - name: endpoint",
            "    kind: http",
            f"    url: {hook}",
            "    private: true",
            f'    secret: "{ENDPOINT_SECRET}"',
            "  - {name: audit, kind: file, path: events.jsonl}",
        ]
        if self.topic is not None:
            lines += [
                "  - name: lake",
                "    kind: kafka",
                f'    bootstrap_servers: "{self.topic.servers}"',
                f"    topic: {TOPIC}",
            ]
        return "\n".join(lines) + "\n"

    async def dispatch(self) -> None:
        """Create the runs through the sandbox's API, as a customer's program would."""
        url = f"{self.sandbox.url}/v1/models/acme/demo/runs"
        callback = f"http://127.0.0.1:{self.service.public.port}/callbacks/{SOURCE}"
        headers = {"Authorization": f"Bearer {self.sandbox.token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for number in range(self.options.runs):
                order = {
                    "input": {"prompt": f"demo {number}"},
                    "client_ref": f"order-{number:04}",
                    "callback_url": callback,
                }
                async with session.post(url, json=order, raise_for_status=True):
                    pass

    async def counts(self) -> Counts:
        """Where everything stands."""
        truth = self.sandbox.runs()
        return Counts(
            dispatched=len(truth),
            ended=sum(run.outcome is not None for run in truth),
            tries=sum(run.attempts for run in truth),
            tries_lost=sum(run.attempts_dropped for run in truth),
            ledger=await self.ledger(),
            endpoint=self.endpoint.distinct,
            endpoint_repeats=len(self.endpoint.heard) - self.endpoint.distinct,
            partial=sum(run.partial for run in truth),
            lost=sum("lose" in run.injected for run in truth),
        )

    async def ledger(self) -> Ledger:
        """The relay's own account."""
        return await read_ledger(self.settings)

    async def is_over(self) -> bool:
        """Whether every run has its event, and every event is where it belongs."""
        account = await self.ledger()
        source = account.sources.get(SOURCE, SourceCounts())
        due = any(line.pending for line in account.destinations.values())
        return source.events >= self.options.runs and not due

    async def verify(self) -> list[str]:
        """Everything in which what the sinks hold differs from what the sandbox knows."""
        expected = [_expected(run) for run in self.sandbox.runs()]
        account = await self.ledger()
        _, recounted = await recount(self.settings)
        found = [
            *differences("the endpoint", SOURCE, expected, self.endpoint.heard),
            *differences("the file", SOURCE, expected, await self._file()),
            *account.balance().faults,
        ]
        if self.topic is not None:
            records = await self.topic.read()
            found += differences("the topic", SOURCE, expected, records)
        if account != recounted:
            found.append("the ledger's counters differ from its rows")
        if self.endpoint.refused:
            found.append(f"the endpoint refused {self.endpoint.refused} requests")
        return found

    async def _file(self) -> Sequence[Heard]:
        path = self.options.directory / "events.jsonl"
        lines = (await asyncio.to_thread(path.read_bytes)).splitlines()
        return [heard_of(line) for line in lines]


def _expected(run: Truth) -> Expected:
    return Expected(run_id=run.id, outcome=run.outcome or "", output=run.output)
