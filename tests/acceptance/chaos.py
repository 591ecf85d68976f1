"""Chaos: the relay between a Runflow that does everything wrong, an endpoint and a topic.

Owns the scene: its configuration, the runs that are ordered, who is killed and when the secret is rotated,
and when all of it is over. What was heard is judged elsewhere.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import aiohttp

from relay.sandbox import Faults, Retries, Sandbox
from tests.acceptance.hearing import Hearing, Order, over_http
from tests.acceptance.relays import SINK_SECRET, Relay, Sink

#: The first of the sandbox's secrets; it is rotated away midway.
SECRET = "whsec_chaos-before-the-rotation"
#: How runs end, and what goes wrong from the first run on: refused calls leave nothing behind.
FAULTS = Faults(
    failed=0.10, cancelled=0.06, partial_succeeded=0.05, empty_output=0.02,
    revise=0.03, revise_silently=0.02,
    drop=0.10, lose=0.10, double=0.10, reorder=0.10, delay=0.10, delay_seconds=2.0,
    wrong_secret=0.01, old_secret=0.10,
    partial=0.10, partial_fields="event,run_id,status,output,completed_at,metadata",
    conflict=0.02, contradict=0.02, client_ref_conflict=0.02,
    api_429=0.05, api_5xx=0.05, stale=0.05,
)  # fmt: skip
#: More of the API's faults, once all is ordered: of a run whose order has no answer nobody knows the id.
WORSE = replace(
    FAULTS,
    api_404=0.01, api_hangup=0.01, api_truncated=0.01, api_html=0.01, api_redirect=0.005,
    api_endless=0.002, api_wrong_run=0.01, api_foreign_run=0.01,
)  # fmt: skip
#: Every so manieth run's client_ref is that of the one before it; it is nobody's key.
SHARED_REF = 40
#: For so many runs there is one batch of four.
BATCH_EVERY = 50
#: How long nothing may have moved until it is over; longer than a sweep and the grace together.
QUIET_S = 4.0


@dataclass
class ChaosRelay(Relay):
    """A relay with two sources on one organisation: one asks what is left open, one asks for everything."""

    sandbox: str = ""
    token: str = ""
    organization: str = ""
    secrets: tuple[str, str] = ("", "")
    brokers: str = ""
    topic: str = ""

    def configure(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        old, new = self.secrets
        keys = f'[{{id: old, secret: "{old}"}}, {{id: new, secret: "{new}"}}]'
        api = (
            f'{{base_url: "{self.sandbox}", token: {self.token}, organization_id: {self.organization},'
            " concurrency: 32, rate: 500/s, timeout: 2s, response_bytes: 1MiB}"
        )
        sweep = "{every: 1s, grace: 2s}"
        self.config.write_text(
            f"data_dir: {self.directory}\nstore: {self.store}\n"
            f'public: {{listen: "127.0.0.1:{self.port}", url: "http://127.0.0.1:{self.port}",'
            " stop_timeout: 5s}\n"
            f'operator: {{listen: "127.0.0.1:{self.operator}"}}\n'
            "limits: {min_free_disk: 1MiB, retry_after: 1s}\n"
            "sources:\n"
            f"  - {{name: acme, secrets: {keys}, api: {api}, sweep: {sweep}}}\n"
            f"  - {{name: rich, secrets: {keys}, api: {api}, sweep: {sweep}, enrich: always}}\n"
            "destinations:\n"
            f'  - {{name: sink, kind: http, url: "http://127.0.0.1:{self.sink_port}/",'
            f' private: true, secret: "{SINK_SECRET}", ladder: [0s, 200ms]}}\n'
            f'  - {{name: lake, kind: kafka, bootstrap_servers: "{self.brokers}", topic: {self.topic}}}\n'
        )

    def start(self, *arguments: str) -> None:
        super().start(*arguments)
        assert self.process is not None
        assert self.process.poll() is None, (self.directory / "log").read_text()

    def callbacks(self, source: str) -> str:
        return f"http://127.0.0.1:{self.port}/callbacks/{source}"

    def is_still(self) -> bool:
        """Whether the ledger, which balances, has nothing more to come."""
        account = self.ledger()
        sources, destinations = account["sources"], account["destinations"]
        assert isinstance(sources, dict)
        assert isinstance(destinations, dict)
        return not any(
            line[name]
            for lines, names in (
                (sources, ("waiting", "held")),
                (destinations, ("pending", "held", "dead")),
            )
            for line in lines.values()
            for name in names
        )


@dataclass
class Scene:
    """One history: so many runs, from the first order until nothing moves any more."""

    sandbox: Sandbox
    relay: ChaosRelay
    sink: Sink
    runs: int
    #: The id of the secret that is rotated to.
    second: str = ""
    orders: dict[str, Order] = field(default_factory=dict)
    heard: Hearing = field(default_factory=lambda: Hearing("the endpoint"))
    kills: int = 0
    _read: int = 0

    async def play(self, *, within_s: float) -> None:
        """Order everything, kill and rotate on the way, and wait until it is over.

        Raises:
            TimeoutError: It is not over in time.
        """
        async with asyncio.timeout(within_s), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._order())
            tasks.create_task(self._die())
        async with asyncio.timeout(within_s):
            await self.sandbox.settled()
            await self._rest()

    def listen(self) -> Hearing:
        """All that the endpoint has heard until now."""
        for name, body in self.sink.got[self._read :]:
            self.heard.hear(over_http(name, body))
        self._read = len(self.sink.got)
        return self.heard

    async def _order(self) -> None:
        async with calling(self.sandbox) as api:
            for number in range(1, self.runs + 1):
                await self._order_run(api, number)
                if number % BATCH_EVERY == 0:
                    await self._order_batch(api)
                if number == self.runs // 2:
                    secret = f"/v1/callback-secrets/{self.second}"
                    await ask(api, "PATCH", secret, '{"is_current": true}')
        self.sandbox.faults = WORSE

    async def _order_run(self, api: aiohttp.ClientSession, number: int) -> None:
        source = "rich" if number % 4 == 0 else "acme"
        metadata = f'{{"order":{number},"price":1.10,"big":{10**30 + number}}}'
        ref = number - 1 if number % SHARED_REF == 0 else number
        body = (
            f'{{"input":{{"prompt":"{number}"}},"metadata":{metadata},'
            f'"client_ref":"order-{ref}","callback_url":"{self.relay.callbacks(source)}"}}'
        )
        made = await ask(api, "POST", "/v1/models/acme/chaos/runs", body)
        self.orders[str(made["id"])] = Order(
            source=source, metadata=metadata, enriched=source == "rich"
        )

    async def _order_batch(self, api: aiohttp.ClientSession) -> None:
        items = [{"prompt": "batch", "client_ref": f"item-{n}"} for n in range(4)]
        body = {"input": items, "callback_url": self.relay.callbacks("acme")}
        path = "/v1/models/acme/chaos/batches"
        await ask(api, "POST", path, json.dumps(body))

    async def _die(self) -> None:
        """Twice: once in the middle of the callbacks, once in the middle of the asking."""
        for share in (0.25, 0.75):
            await until(lambda share=share: self._has_heard(share))  # type: ignore[misc]
            await asyncio.to_thread(self.relay.end, kill=True)
            self.kills += 1
            await asyncio.to_thread(self.relay.start)

    def _has_heard(self, share: float) -> bool:
        return len(self.listen().events) >= share * self.runs

    async def _rest(self) -> None:
        """Until everything is true, and then so long that another sweep would have changed it."""
        loop = asyncio.get_running_loop()
        while True:
            await until(self._is_true, every_s=1.0)
            if not await asyncio.to_thread(self.relay.is_still):
                continue
            before, begun = len(self.sink.got), loop.time()
            await until(lambda: loop.time() - begun >= QUIET_S)  # noqa: B023 - awaited at once
            if len(self.sink.got) == before and self._is_true():
                return

    def _is_true(self) -> bool:
        hearing = self.listen()
        return all(
            hearing.is_true(run)
            for run in self.sandbox.runs()
            if run.callback_url is not None
        )


@asynccontextmanager
async def calling(upstream: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    """A customer's program."""
    headers = {"Authorization": f"Bearer {upstream.token}"}
    async with aiohttp.ClientSession(upstream.url, headers=headers) as api:
        yield api


async def ask(
    api: aiohttp.ClientSession, method: str, path: str, body: str
) -> dict[str, object]:
    """Ask until it is not refused: whoever is refused has changed nothing."""
    while True:
        async with api.request(method, path, data=body.encode()) as answer:
            if answer.status < 300:
                found: dict[str, object] = await answer.json()
                return found
            assert answer.status in {429, 500, 502, 503}, await answer.text()


def sandbox(seed: int) -> Sandbox:
    """The upstream of a history."""
    return Sandbox(
        secret=SECRET,
        seed=seed,
        faults=FAULTS,
        run_seconds=(0.05, 6.0),
        # So patient that a relay which is killed and started again is still called back.
        retry=Retries(max_attempts=6, base_s=0.3),
    )


async def until(holds: Callable[[], bool], *, every_s: float = 0.2) -> None:
    """Wait until something holds, and look every so often; the caller sets the limit."""
    turn = asyncio.Event()
    while not holds():
        try:
            async with asyncio.timeout(every_s):
                await turn.wait()
        except TimeoutError:
            continue
