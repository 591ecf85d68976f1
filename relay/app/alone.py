"""Alone: a store that a command opens by itself, where no relay serves it or others may be beside it.

Owns the few objects that writing needs where no service runs. Knows no verb.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from relay.app.catalogs import build_catalog
from relay.app.handovers import Handovers
from relay.app.stores import build_store
from relay.app.system import System, ThreadExecutor
from relay.deliver.dispatch import Dispatch
from relay.observe.metrics import PrometheusMetrics
from relay.record.grouped import GroupedStore
from relay.settings import Settings
from relay.supervise import Supervisor, Worker

__all__ = ["store_alone"]

#: How long the last commit may take, in seconds.
_COMMITS_S: Final = 5.0


@asynccontextmanager
async def store_alone(
    settings: Settings, *, system: System | None = None
) -> AsyncIterator[GroupedStore]:
    """Open the store to write to it; nothing is delivered or asked.

    Raises:
        StoreTakenError: a relay is serving the store, which only one process may.
        MisconfiguredError: the store cannot work as configured.
        StoreBusyError: it does not answer.
    """
    metrics = PrometheusMetrics()
    thread = ThreadExecutor("store")
    router = build_catalog(settings).router
    async with AsyncExitStack() as stack:
        stack.callback(thread.close)
        store = build_store(
            settings,
            system=system or System.real(),
            metrics=metrics,
            handover=Handovers(Dispatch()),
            executor=lambda _: thread,
            synchronous="FULL",
            router=lambda: router,
        )
        # Known to the store, so that they can be told of what is done here.
        await store.open([(one.name, one.kind) for one in settings.destinations])
        stack.push_async_callback(store.close)
        supervisor = Supervisor(metrics=metrics)
        supervisor.start(Worker("store", store.run, store.stop))
        stack.push_async_callback(supervisor.stop, ["store"], within_s=_COMMITS_S)
        yield store
