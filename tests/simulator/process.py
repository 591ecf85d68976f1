"""Process: one life of the relay, wired as the service wires it, with scripted ways out.

Owns the order of starting and stopping, and taking requests. What it is wired from is the relay's own:
the store, the couriers, the supervisor, and the webhook's whole path.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import Any, Final, cast

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from relay.app.handovers import Handovers
from relay.core.catalog import CALLBACK, Catalog, Channel, Current, Source
from relay.core.credential import Credential
from relay.core.delivery import Policy
from relay.core.gate import GatePolicy
from relay.core.limiter import Limiter
from relay.core.route import Router
from relay.core.signature import RunflowKey, RunflowVerifier
from relay.deliver.dispatch import Dispatch
from relay.deliver.worker import Courier, CourierOptions
from relay.receive.body import InFlight
from relay.receive.peers import PeerReader
from relay.receive.refusals import RefusalBook
from relay.receive.webhook import Webhook, WebhookOptions
from relay.record.grouped import Limits
from relay.record.sqlite.store import SqliteStore
from relay.supervise import Supervisor, Worker
from tests.fakes import NullMetrics
from tests.simulator.destinations import Destination, ScriptedSender
from tests.simulator.disk import Disk
from tests.simulator.loop import Life
from tests.simulator.ports import Machine, Thread
from tests.simulator.script import Place, Script

__all__ = ["KEY", "SOURCE", "Answer", "Process"]

SOURCE: Final = "acme"
KEY: Final = RunflowKey("whsec_simulated")
#: Status, and whether the sender was told when to come again.
Answer = tuple[int, bool]

_URL: Final = URL(f"/callbacks/{SOURCE}")
_CREDENTIAL: Final = Credential(id="k1", key=KEY, not_before=None, not_after=None)
_VERIFIER: Final = RunflowVerifier(credentials=(_CREDENTIAL,))
_LADDER: Final = (0, 500_000, 1_000_000, 2_000_000)
_GATE: Final = GatePolicy(
    faults_to_open=3, apart_s=1.0, probe_first_s=0.25, probe_last_s=2.0
)


class Process:
    """One life. Everything it starts dies with it."""

    def __init__(
        self,
        disk: Disk,
        machine: Machine,
        thread: Thread,
        destinations: Sequence[Destination],
        *,
        script: Script,
        world: Context,
    ) -> None:
        self.life = Life()
        self.ready = False
        self.stopping = False
        self.thread = thread
        self.dispatch = Dispatch()
        self.supervisor: Supervisor
        self._disk = disk
        self._machine = machine
        self._destinations = destinations
        self._world = world
        self._requests: set[asyncio.Task[Any]] = set()
        metrics = NullMetrics()
        self._metrics = metrics
        self.store = SqliteStore(
            disk.path,
            clock=machine,
            executor=thread,
            checkpoints=machine,
            metrics=metrics,
            handover=Handovers(self.dispatch),
            limits=Limits(
                group_size=script.group_size, waiting=script.waiting, min_free_disk=0
            ),
            synchronous="OFF",
        )
        self._webhook: Webhook

    # --- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open in the order of the path."""
        places = [destination.place for destination in self._destinations]
        self.supervisor = Supervisor(metrics=self._metrics)
        await self.store.open([(place.name, "http") for place in places])
        self._disk.attach(self.store)
        self.supervisor.start(Worker("store", self.store.run, self.store.stop))
        couriers = [self._courier(found) for found in self._destinations]
        self.dispatch.employ(couriers)
        for courier in couriers:
            name = f"deliver.{courier.name}"
            self.supervisor.start(Worker(name, courier.run, courier.stop))
        refusals = RefusalBook(self.store, lines_max=10)
        self.supervisor.start(Worker("refusals", refusals.run, refusals.stop))
        self._webhook = self._door(refusals, places)
        self.ready = True

    async def stop(self, *, within_s: float) -> None:
        """Close in reverse order, as the service does."""
        self.ready = False
        self.stopping = True
        if self._requests:
            await asyncio.wait(self._requests, timeout=within_s)
        await self.supervisor.stop(["refusals"], within_s=2.0)
        workers = [f"deliver.{found.place.name}" for found in self._destinations]
        await self.supervisor.stop(workers, within_s=within_s)
        await self.supervisor.stop(["store"], within_s=5.0)
        await self.store.close()

    async def failed(self) -> None:
        """Wait until a worker could not be kept alive."""
        await self.supervisor.failed.wait()

    # --- requests ---------------------------------------------------------------------------------

    async def answer(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Answer one request, as the listener would."""
        task = asyncio.current_task()
        assert task is not None
        self._requests.add(task)
        try:
            response = await self._webhook.respond(_request(body, headers, task))
        finally:
            self._requests.discard(task)
        return response.status, "Retry-After" in response.headers

    # --- wiring -----------------------------------------------------------------------------------

    def _courier(self, destination: Destination) -> Courier:
        place = destination.place
        return Courier(
            place.name,
            sender=ScriptedSender(destination, world=self._world),
            outbox=self.store,
            clock=self._machine,
            checkpoints=self._machine,
            metrics=self._metrics,
            options=CourierOptions(
                policy=Policy(ladder=_LADDER, laddered=place.laddered),
                gate=_GATE,
                ready_max=place.ready_max,
                ready_bytes=place.ready_bytes,
            ),
        )

    def _door(self, refusals: RefusalBook, places: Sequence[Place]) -> Webhook:
        channel = Channel(name=CALLBACK, verifier=_VERIFIER)
        catalog = Catalog(
            sources={SOURCE: Source(name=SOURCE, channels={CALLBACK: channel})},
            router=Router(routes=[], destinations=[place.name for place in places]),
        )
        return Webhook(
            current=Current(catalog),
            inbox=self.store,
            clock=self._machine,
            dice=self._machine,
            monotonic=asyncio.get_running_loop().time,
            checkpoints=self._machine,
            metrics=self._metrics,
            limiter=Limiter(per_minute=60),
            peers=PeerReader(()),
            refusals=refusals,
            in_flight=InFlight(1 << 20),
            options=WebhookOptions(
                body_bytes=1 << 16, body_timeout_s=5.0, retry_after_s=1.0
            ),
        )


class _Connection:
    """What a request asks of the connection that it came on."""

    ssl_context = None
    peername = ("192.0.2.1", 1)
    sockname = None
    _reading_paused = False

    def resume_reading(self, *, resume_parser: bool = True) -> None:
        """Everything has been read."""


def _request(
    body: bytes, headers: Mapping[str, str], task: "asyncio.Task[Any]"
) -> web.BaseRequest:
    """A request whose head and body came in one piece."""
    loop = asyncio.get_running_loop()
    connection: Any = _Connection()
    content = StreamReader(connection, 1 << 16, loop=loop)
    content.feed_data(body)
    content.feed_eof()
    message = RawRequestMessage(
        "POST",
        _URL.path,
        HttpVersion11,
        CIMultiDictProxy(CIMultiDict(headers)),
        tuple((k.encode(), v.encode()) for k, v in headers.items()),
        False,  # noqa: FBT003 - a record of aiohttp's
        None,
        False,  # noqa: FBT003
        False,  # noqa: FBT003
        _URL,
    )
    return web.BaseRequest(
        message, content, connection, cast("Any", None), cast("Any", task), loop
    )
