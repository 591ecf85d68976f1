"""Service: ``relay serve``, from opening the store to closing it.

Owns the order of things. Opened in the order of the path and closed in reverse, also when starting
fails half way; each step of stopping has a budget, and their sum is bounded.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Final, Self

import structlog

from relay.app import stopping
from relay.app.catalogs import build_catalog
from relay.app.deliveries import Deliveries
from relay.app.handovers import Handovers
from relay.app.holds import look_s
from relay.app.inquirers import Inquirers
from relay.app.measuring import begin_metrics
from relay.app.naming import named
from relay.app.replays import employ_replayer
from relay.app.speaking import Speaking
from relay.app.stopping import stop_budget_s
from relay.app.stores import build_store, keeping_of, read_ledger, wait_for_store
from relay.app.system import System, ThreadExecutor
from relay.core.catalog import Current
from relay.core.errors import StoreBusyError
from relay.core.limiter import Limiter
from relay.deliver.dispatch import Dispatch
from relay.observe.operator import Health, OperatorListener, State
from relay.receive.body import InFlight
from relay.receive.listener import Listener, ListenerOptions
from relay.receive.peers import PeerReader
from relay.receive.refusals import RefusalBook
from relay.receive.webhook import Webhook, WebhookOptions
from relay.record.forgetting import Forgetting
from relay.record.grouped import GroupedStore
from relay.settings import Settings, fixed_changes
from relay.supervise import Supervisor, Worker

__all__ = ["Service", "ServiceOptions", "stop_budget_s"]

log: Final = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """What tests change; production takes the defaults."""

    synchronous: str = "FULL"


class Service:
    """One relay process. ``async with Service(...)`` starts and stops it."""

    def __init__(
        self,
        settings: Settings,
        *,
        system: System | None = None,
        options: ServiceOptions | None = None,
    ) -> None:
        self._settings = settings
        self._system = system or System.real()
        self._options = options or ServiceOptions()
        self._stack = AsyncExitStack()
        self._hurried = asyncio.Event()
        self._unwanted = asyncio.Event()
        #: What ends every wait for a client or a destination; empty while starting.
        self._hang_ups: list[Callable[[], None]] = []
        self._threads: list[ThreadExecutor] = []
        #: What stopping does, in reverse order, and how long each step may take (seconds).
        self.stop_steps: dict[str, float] = {}
        self.metrics = begin_metrics(self._system)
        self.supervisor = Supervisor(metrics=self.metrics)
        self.current = Current(build_catalog(settings))
        self._dispatch = Dispatch()
        self._handovers = Handovers(self._dispatch)
        self.state: State = "starting"
        self.store: GroupedStore
        self.deliveries: Deliveries
        self.inquirers: Inquirers
        self.public: Listener
        self.operator: OperatorListener

    @property
    def reasons(self) -> Sequence[str]:
        """Why the process cannot do its work on the store."""
        if self.supervisor.failure is not None:
            return ["worker_failed"]
        return [self.store.trouble] if self.store.trouble else []

    @property
    def degraded(self) -> Sequence[str]:
        """Destinations, and sources' APIs, that do not answer now."""
        asked = [f"api of {name}" for name in self.inquirers.degraded]
        return [*self._dispatch.degraded, *asked]

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            self.state = "failed"
            await self._stack.aclose()
            raise
        self.state = "ready"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Unready first, then everything in reverse order of starting.

        Idempotent; takes at most :func:`stop_budget_s`.
        """
        if self.state == "ready":
            self.state = "draining"
            log.info("relay.draining")
            self.public.wind_down()
            await self._drain_delay()
        await self._stack.aclose()

    def dismiss(self) -> None:
        """While it starts: wait for the store no longer. Once it has started this does nothing."""
        self._unwanted.set()

    def hurry(self) -> None:
        """Wait for no sender and no destination any more; what is recorded stays recorded."""
        self._hurried.set()
        for hang_up in self._hang_ups:
            hang_up()

    async def reload(self, settings: Settings) -> None:
        """Take over sources, routes and destinations; say what else has changed and needs a restart.

        Requests under way end with what they began with. Not to be called twice at a time.

        Raises:
            StoreBusyError: the store does not answer; nothing has been changed.
        """
        kept = fixed_changes(self._settings, settings)
        if kept:
            log.warning("configuration.restart_needed", settings=kept)
        # Known to the store first, then routed to, then delivered to: what comes meanwhile is stored.
        await self.store.register([(d.name, d.kind) for d in settings.destinations])
        self.current.swap(build_catalog(settings))
        within_s = self._settings.public.stop_timeout.seconds
        await self.deliveries.replace(settings, within_s=within_s)
        # Where callbacks come is fixed: what the file says of it now needs a restart.
        await self.inquirers.replace(
            settings.sources,
            public_url=self._settings.public.url,
            within_s=within_s,
        )
        log.info(
            "configuration.reloaded",
            sources=[source.name for source in settings.sources],
            destinations=[destination.name for destination in settings.destinations],
        )

    async def failed(self) -> BaseException | None:
        """Wait until a worker could not be kept alive; gives its error."""
        await self.supervisor.failed.wait()
        return self.supervisor.failure

    async def _start(self) -> None:
        # Threads end last: whatever closes may need its own.
        self._stack.callback(self._close_threads)
        await self._open_store()
        await self._open_destinations()
        await self._open_operator()
        self._employ()
        await self._open_public()
        await self._open_socket()

    async def _open_store(self) -> None:
        settings = self._settings
        self.store = build_store(
            settings,
            system=self._system,
            metrics=self.metrics,
            handover=self._handovers,
            executor=self._thread,
            synchronous=self._options.synchronous,
            router=lambda: self.current.catalog.router,
        )
        await wait_for_store(
            self.store,
            [(d.name, d.kind) for d in settings.destinations],
            place=settings,
            unwanted=self._unwanted,
        )
        self._at_stop("store", self.store.close, within_s=stopping.STORE_S)
        self.supervisor.start(
            Worker(name="store", run=self.store.run, stop=self.store.stop)
        )
        self._at_stop_end("commits", lambda: ["store"], within_s=stopping.COMMITS_S)
        forgetting = Forgetting(
            self.store,
            keeping_of(settings),
            clock=self._system.clock,
            metrics=self.metrics,
        )
        self.supervisor.start(Worker("retention", forgetting.run, forgetting.stop))
        self._at_stop_end(
            "retention", lambda: ["retention"], within_s=stopping.RETENTION_S
        )

        clock, backlog = self._system.clock, self._settings.limits.backlog
        self.replayer = employ_replayer(
            self.store, self.current, self.supervisor, clock=clock, backlog=backlog
        )
        self._at_stop_end("replays", lambda: ["replays"], within_s=stopping.REPLAYS_S)

    async def _open_destinations(self) -> None:
        self.deliveries = Deliveries(
            outbox=self.store,
            posts=self.store,
            look_s=look_s(self._settings),
            backlog=self._settings.limits.backlog,
            system=self._system,
            metrics=self.metrics,
            supervisor=self.supervisor,
            dispatch=self._dispatch,
            thread=self._thread,
            barrier=self._commits_under_way,
        )
        self._at_stop("senders", self.deliveries.close, within_s=stopping.SENDERS_S)
        await self.deliveries.open(self._settings)
        self.inquirers = Inquirers(
            inquiries=self.store,
            router=lambda: self.current.catalog.router,
            system=self._system,
            metrics=self.metrics,
            supervisor=self.supervisor,
            keeping=keeping_of(self._settings),
        )
        self._at_stop("clients", self.inquirers.close, within_s=stopping.CLIENTS_S)
        self._handovers.asker = self.inquirers.question

    async def _commits_under_way(self) -> None:
        """Wait for them: groups go one by one, so that one which fails comes after them as well."""
        with suppress(StoreBusyError):
            await self.store.register(())

    def _thread(self, name: str) -> ThreadExecutor:
        executor = ThreadExecutor(name)
        self._threads.append(executor)
        return executor

    def _close_threads(self) -> None:
        for executor in self._threads:
            executor.close()

    def _employ(self) -> None:
        # After the deliveries: what their last tries say is written as well.
        self._at_stop_end("holds", lambda: ["holds"], within_s=stopping.HOLDS_S)
        self.deliveries.employ()
        self.inquirers.employ(
            self._settings.sources, public_url=self._settings.public.url
        )
        self._hang_ups.append(lambda: self.supervisor.hurry(self.deliveries.workers))
        self._at_stop_end(
            "deliveries",
            lambda: self.deliveries.workers,
            within_s=self._settings.public.stop_timeout.seconds,
        )
        # Nothing is lost by ending an ask: whoever comes next asks again.
        self._at_stop_end(
            "asks", lambda: self.inquirers.workers, within_s=stopping.ASKS_S
        )

    async def _open_operator(self) -> None:
        listen = self._settings.operator.listen
        place = self._settings
        self.operator = OperatorListener(
            host=listen.host,
            port=listen.port,
            health=Health(self),
            exposition=self.metrics.exposition,
            metrics=self.metrics,
            ledger=lambda: read_ledger(place),
        )
        self._at_stop("operator", self.operator.close, within_s=stopping.OPERATOR_S)
        with named("operator.listen"):
            await self.operator.start()

    async def _open_public(self) -> None:
        refusals = RefusalBook(
            self.store, lines_max=max(1, self._settings.limits.refusals_kept)
        )
        self.supervisor.start(Worker("refusals", refusals.run, refusals.stop))
        self._at_stop_end(
            "refusals", lambda: ["refusals"], within_s=stopping.REFUSALS_S
        )
        self.public = self._listener(self._webhook(refusals))
        self._hang_ups.append(self.public.hurry)
        # Until the last connection is closed, late ones are still looked for.
        self._at_stop_end(
            "listener", lambda: ["listener"], within_s=stopping.LISTENER_S
        )
        self._at_stop(
            "requests",
            self.public.close,
            within_s=self._settings.public.stop_timeout.seconds,
        )
        with named("public.listen"):
            await self.public.start()
        self.supervisor.start(Worker("listener", self.public.run, self.public.stop))

    async def _open_socket(self) -> None:
        spoken = Speaking(
            self._settings,
            self.inquirers,
            warden=self.deliveries.warden,
            store=self.store,
            current=self.current,
            ordered=self.replayer.hint,
            system=self._system,
        )
        self._at_stop("socket", spoken.close, within_s=stopping.SOCKET_S)
        await spoken.open()

    def _webhook(self, refusals: RefusalBook) -> Webhook:
        limits, system = self._settings.limits, self._system
        return Webhook(
            current=self.current,
            inbox=self.store,
            clock=system.clock,
            dice=system.dice,
            monotonic=asyncio.get_running_loop().time,
            checkpoints=system.checkpoints,
            metrics=self.metrics,
            limiter=Limiter(per_minute=limits.unverified_per_minute),
            peers=PeerReader(self._settings.public.trusted_proxies),
            refusals=refusals,
            in_flight=InFlight(limits.in_flight_bytes),
            options=WebhookOptions(
                body_bytes=limits.body_bytes,
                body_timeout_s=limits.body_timeout.seconds,
                retry_after_s=limits.retry_after.seconds,
            ),
        )

    def _listener(self, webhook: Webhook) -> Listener:
        limits, public = self._settings.limits, self._settings.public
        return Listener(
            webhook.respond,
            options=ListenerOptions(
                host=public.listen.host,
                port=public.listen.port,
                connections=limits.connections,
                headers=limits.headers,
                header_bytes=limits.header_bytes,
                header_timeout_s=limits.header_timeout.seconds,
                idle_timeout_s=limits.idle_timeout.seconds,
            ),
            stop_timeout_s=public.stop_timeout.seconds,
        )

    # --- stopping ---------------------------------------------------------------------------------

    def _at_stop(
        self, name: str, close: Callable[[], Awaitable[None]], *, within_s: float
    ) -> None:
        """Close something when its turn comes, and wait so long for it."""

        async def step() -> None:
            try:
                async with asyncio.timeout(within_s):
                    await close()
            except TimeoutError:
                log.warning("stop.late", step=name, within_s=within_s)

        self.stop_steps[name] = within_s
        self._stack.push_async_callback(step)

    def _at_stop_end(
        self, name: str, workers: Callable[[], Sequence[str]], *, within_s: float
    ) -> None:
        """End workers when their turn comes, and cancel those that take longer."""

        async def step() -> None:
            hurry = self._hurried.is_set() and name == "deliveries"
            await self.supervisor.stop(workers(), within_s=0.0 if hurry else within_s)

        self.stop_steps[name] = within_s
        self._stack.push_async_callback(step)

    async def _drain_delay(self) -> None:
        within_s = self._settings.public.drain_delay.seconds
        self.stop_steps["drain_delay"] = within_s
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._hurried.wait()
