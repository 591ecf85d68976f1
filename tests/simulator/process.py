"""Process: one life of the relay, wired as the service wires it, with scripted ways out.

Owns the order of starting, reloading and stopping, and taking requests. What it is wired from is the
relay's own: the store, the couriers and who hires them, the supervisor, the reloader, and the webhook's
whole path.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from functools import cache, partial
from typing import Any, Final, cast

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from relay.app.deliveries import Deliveries, _Post
from relay.app.handovers import Handovers
from relay.app.holds import ALONE_S
from relay.app.inquirers import Inquirers
from relay.app.reload import Reloader
from relay.app.replays import employ_replayer
from relay.app.system import System
from relay.core.catalog import Current
from relay.core.delivery import Outcome, Policy, Queue
from relay.core.gate import GatePolicy
from relay.core.health import HealthPolicy
from relay.core.limiter import Limiter
from relay.core.ports import Metrics, Outbox
from relay.core.retention import DEFAULT_KEEPING
from relay.deliver.dispatch import Dispatch
from relay.deliver.worker import Courier, CourierOptions
from relay.receive.body import InFlight
from relay.receive.peers import PeerReader
from relay.receive.refusals import RefusalBook
from relay.receive.webhook import Webhook, WebhookOptions
from relay.record.grouped import Limits
from relay.record.sqlite.store import SqliteStore
from relay.runflow import Answer as Told
from relay.runflow import Runflow
from relay.runflow.system import System as ClientSystem
from relay.runflow.transport import Question
from relay.settings import Settings, Source
from relay.supervise import Supervisor, Worker
from tests.fakes import NullMetrics
from tests.simulator.api import Api, scripted
from tests.simulator.destinations import Destination, ScriptedSender
from tests.simulator.disk import Disk
from tests.simulator.layout import PUBLIC_URL, Layout
from tests.simulator.loop import Life
from tests.simulator.ports import Machine, Thread, no_thread
from tests.simulator.script import Place, Script

__all__ = ["Answer", "Process"]

#: Status, and whether the sender was told when to come again.
Answer = tuple[int, bool]

_LADDER: Final = (0, 500_000, 1_000_000, 2_000_000)
_GATE: Final = GatePolicy(
    faults_to_open=3, apart_s=1.0, probe_first_s=0.25, probe_last_s=2.0
)
#: The brake comes seldom: what it does is the store's, which is tried in its own tests.
_HEALTH: Final = HealthPolicy(brake=None)
#: Seconds that tries under way may take when their courier is replaced: some take longer.
_REPLACE_S: Final = 0.6
_ASKS_S: Final = 2.0


class _ScriptedDeliveries(Deliveries):
    """The relay's own, but for where a destination's sender leads."""

    def __init__(
        self, destinations: Sequence[Destination], *, world: Context, **wired: Any
    ) -> None:
        super().__init__(thread=no_thread, **wired)
        self._places = {found.place.name: found for found in destinations}
        self._world = world

    def _policies(self, settings: Settings) -> Mapping[str, HealthPolicy]:
        return {place.name: _HEALTH for place in cast("Layout", settings).places}

    async def _hire(self, destination: Any, settings: Settings) -> _Post:
        del settings
        place: Place = destination
        system, outbox, metrics = self._system, self._outbox, self._metrics
        sender = ScriptedSender(
            self._places[place.name], place, clock=system.clock, world=self._world
        )
        courier = _courier(
            place,
            sender=sender,
            outbox=outbox,
            system=system,
            metrics=metrics,
            told=self.warden.ear(place.name),
        )
        return _Post(destination, sender, courier)


class _ScriptedInquirers(Inquirers):
    """The relay's own, but for where a source's client leads."""

    def __init__(
        self, exchange: Callable[[str, Question], Awaitable[Told]], **wired: Any
    ) -> None:
        super().__init__(**wired)
        self._exchange = exchange

    def _client(self, source: Source) -> Runflow | None:
        client = super()._client(source)
        if client is None:
            return None
        machine = self._system
        world = ClientSystem(
            monotonic=asyncio.get_running_loop().time,
            wall=lambda: machine.clock.now_us() / 1e6,
            unit=machine.dice.unit,
        )
        exchange = partial(self._exchange, source.name)
        return scripted(client, exchange, system=world)


def _courier(
    place: Place,
    *,
    sender: ScriptedSender,
    outbox: Outbox,
    system: System,
    metrics: Metrics,
    told: Callable[[Queue, Sequence[Outcome]], None],
) -> Courier:
    return Courier(
        place.name,
        sender=sender,
        outbox=outbox,
        clock=system.clock,
        checkpoints=system.checkpoints,
        metrics=metrics,
        options=CourierOptions(
            policy=Policy(ladder=_LADDER, laddered=place.laddered),
            gate=_GATE,
            ready_max=place.ready_max,
            ready_bytes=place.ready_bytes,
            rate=place.rate,
        ),
        told=told,
    )


class Process:
    """One life. Everything it starts dies with it."""

    def __init__(
        self,
        disk: Disk,
        machine: Machine,
        thread: Thread,
        destinations: Sequence[Destination],
        api: Api,
        *,
        script: Script,
        read: Callable[[], Layout],
        world: Context,
    ) -> None:
        """``read`` reads the configuration."""
        self.life = Life()
        self.ready = False
        self.stopping = False
        self.thread = thread
        self.disk = disk
        self.dispatch = Dispatch()
        self._handovers = Handovers(self.dispatch)
        #: What is in force.
        self.layout = read()
        self._read = read
        self._script = script
        self._machine = machine
        self._api = api
        self._destinations = destinations
        self._world = world
        self._requests: set[asyncio.Task[Any]] = set()
        self._metrics = NullMetrics()
        self._current = Current(self.layout.catalog())
        self.store = SqliteStore(
            disk.path,
            clock=machine,
            executor=thread,
            checkpoints=machine,
            metrics=self._metrics,
            handover=self._handovers,
            router=lambda: self._current.catalog.router,
            limits=Limits(
                group_size=script.group_size,
                waiting=script.waiting,
                min_free_disk=disk.least_free,
            ),
        )
        self.supervisor: Supervisor
        self.reloader: Reloader
        self._deliveries: Deliveries
        self._inquirers: Inquirers
        self._webhook: Webhook
        self._reloading: asyncio.Task[None] | None = None

    # --- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open in the order of the path."""
        self.supervisor = Supervisor(metrics=self._metrics)
        await self.store.open(_named(self.layout))
        self.disk.attach(self.store)
        self.supervisor.start(Worker("store", self.store.run, self.store.stop))
        machine = self._machine
        self._deliveries = _ScriptedDeliveries(
            self._destinations,
            world=self._world,
            outbox=self.store,
            system=System(clock=machine, dice=machine, checkpoints=machine),
            metrics=self._metrics,
            supervisor=self.supervisor,
            dispatch=self.dispatch,
            posts=self.store,
            look_s=ALONE_S,
            backlog=self._script.backlog,
            barrier=lambda: self.store.register(()),
        )
        await self._deliveries.open(_settings(self.layout))
        self._open_inquirers()
        self._deliveries.employ()
        self._inquirers.employ(self.layout.sources, public_url=PUBLIC_URL)
        if self._script.replays:
            employ_replayer(self.store, self._current, self.supervisor, clock=machine)
        refusals = RefusalBook(self.store, lines_max=10)
        self.supervisor.start(Worker("refusals", refusals.run, refusals.stop))
        self._webhook = self._door(refusals)
        self.ready = True
        service: Any = self
        self.reloader = Reloader(service, _settings(self.layout), read=self._reread)
        self._reloading = asyncio.get_running_loop().create_task(self.reloader.run())

    async def stop(self, *, within_s: float) -> None:
        """Close in reverse order, as the service does."""
        self.ready = False
        self.stopping = True
        if self._reloading is not None:
            self._reloading.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._reloading
        if self._requests:
            await asyncio.wait(self._requests, timeout=within_s)
        await self.supervisor.stop(["refusals"], within_s=2.0)
        await self.supervisor.stop(self._inquirers.workers, within_s=_ASKS_S)
        await self.supervisor.stop(self._deliveries.workers, within_s=within_s)
        await self.supervisor.stop(["holds", "replays"], within_s=1.0)
        await self._inquirers.close()
        await self._deliveries.close()
        await self.supervisor.stop(["store"], within_s=5.0)
        await self.store.close()

    async def failed(self) -> None:
        """Wait until a worker could not be kept alive, or a reload went wrong."""
        assert self._reloading is not None
        failed = asyncio.get_running_loop().create_task(self.supervisor.failed.wait())
        await asyncio.wait(
            [failed, self._reloading], return_when=asyncio.FIRST_COMPLETED
        )
        failed.cancel()

    # --- the configuration ------------------------------------------------------------------------

    async def reload(self, settings: Any) -> None:
        """Take a new configuration over, in the service's order."""
        layout: Layout = settings
        await self.store.register(_named(layout))
        self._current.swap(layout.catalog())
        self.layout = layout
        await self._deliveries.replace(settings, within_s=_REPLACE_S)
        await self._inquirers.replace(
            layout.sources, public_url=PUBLIC_URL, within_s=_REPLACE_S
        )

    async def _reread(self) -> Settings:
        return _settings(self._read())

    # --- requests ---------------------------------------------------------------------------------

    async def answer(
        self,
        source: str,
        body: bytes,
        headers: Mapping[str, str],
        begun: Callable[[Layout], None],
    ) -> Answer:
        """Answer one request, as the listener would. ``begun`` is told what was in force then."""
        task = asyncio.current_task()
        assert task is not None
        self._requests.add(task)
        try:
            request = _request(_url(source), body, headers, task)
            begun(self.layout)
            response = await self._webhook.respond(request)
        finally:
            self._requests.discard(task)
        return response.status, "Retry-After" in response.headers

    # --- wiring -----------------------------------------------------------------------------------

    def _open_inquirers(self) -> None:
        machine = self._machine
        self._inquirers = _ScriptedInquirers(
            self._exchange,
            inquiries=self.store,
            router=lambda: self._current.catalog.router,
            system=System(clock=machine, dice=machine, checkpoints=machine),
            metrics=self._metrics,
            supervisor=self.supervisor,
            keeping=DEFAULT_KEEPING,
            # Seconds in which nothing is due are long in a history.
            poll_s=3.0,
        )
        self._handovers.asker = self._inquirers.question

    async def _exchange(self, source: str, question: Question) -> Told:
        return await self._api.exchange(
            source, question, self.life, lambda: self.layout
        )

    def _door(self, refusals: RefusalBook) -> Webhook:
        return Webhook(
            current=self._current,
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


def _settings(layout: Layout) -> Settings:
    """As much of settings as replacing destinations asks for."""
    return cast("Settings", layout)


def _named(layout: Layout) -> Sequence[tuple[str, str]]:
    return [(place.name, "http") for place in layout.places]


@cache
def _url(source: str) -> URL:
    return URL(f"/callbacks/{source}")


class _Connection:
    """What a request asks of the connection that it came on."""

    ssl_context = None
    peername = ("192.0.2.1", 1)
    sockname = None
    _reading_paused = False

    def resume_reading(self, *, resume_parser: bool = True) -> None:
        """Everything has been read."""


def _request(
    url: URL, body: bytes, headers: Mapping[str, str], task: "asyncio.Task[Any]"
) -> web.BaseRequest:
    """A request whose head and body came in one piece."""
    loop = asyncio.get_running_loop()
    connection: Any = _Connection()
    content = StreamReader(connection, 1 << 16, loop=loop)
    content.feed_data(body)
    content.feed_eof()
    message = RawRequestMessage(
        "POST",
        url.path,
        HttpVersion11,
        CIMultiDictProxy(CIMultiDict(headers)),
        tuple((k.encode(), v.encode()) for k, v in headers.items()),
        False,  # noqa: FBT003 - a record of aiohttp's
        None,
        False,  # noqa: FBT003
        False,  # noqa: FBT003
        url,
    )
    return web.BaseRequest(
        message, content, connection, cast("Any", None), cast("Any", task), loop
    )
