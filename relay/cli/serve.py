"""``relay serve``: run until told to stop."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog
import uvloop

from relay.app.files import allow_files, files_needed
from relay.app.reload import Reloader
from relay.app.service import Service
from relay.cli.common import (
    DEFAULT_CONFIG,
    DONE,
    FAILED,
    Config,
    fail,
    load_settings,
    mistakes_exit,
)
from relay.observe.logs import configure
from relay.settings import Settings
from relay.version import VERSION

__all__ = ["serve", "serve_until_stopped"]

#: Allocations between collections of the youngest generation; a callback makes about a hundred.
GC_YOUNG: Final = 20_000

#: How long the last lines may take to be written.
LOG_FLUSH_S: Final = 1.0

log: Final = structlog.stdlib.get_logger(__name__)


def serve(config: Config = DEFAULT_CONFIG) -> None:
    """Receive callbacks and deliver events until SIGTERM or SIGINT; a second signal means now."""
    with mistakes_exit():
        settings = load_settings(config)
        lines = configure(level=settings.log.level, form=settings.log.format)
        allow_files(files_needed(settings))
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                read = partial(asyncio.to_thread, load_settings, config)
                code = runner.run(serve_until_stopped(Service, settings, read=read))
        finally:
            lines.flush(within_s=LOG_FLUSH_S)
    if code != DONE:
        fail("relay: stopped because a part of it could not be kept running", code)


async def serve_until_stopped(
    make: type[Service],
    settings: Settings,
    *,
    read: Callable[[], Awaitable[Settings]] | None = None,
) -> int:
    """Run a service until a signal or until it fails; gives the exit code.

    ``read`` reads the configuration again: on SIGHUP, and when it has changed.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    service = make(settings)

    def on_signal() -> None:
        if stop.is_set():
            service.hurry()
        stop.set()
        service.dismiss()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    # Until there is something to reload; left alone it would end the process.
    loop.add_signal_handler(signal.SIGHUP, _nothing)
    async with service:
        _settle_memory()
        _announce(service, settings)
        async with asyncio.TaskGroup() as tasks:
            waits: list[asyncio.Task[object]] = [
                tasks.create_task(stop.wait()),
                tasks.create_task(service.failed()),
            ]
            if read is not None:
                reloader = Reloader(service, settings, read=read)
                loop.add_signal_handler(signal.SIGHUP, reloader.ask)
                waits.append(tasks.create_task(reloader.run()))
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
    log.info("relay.stopped", failed=service.supervisor.failure is not None)
    return DONE if service.supervisor.failure is None else FAILED


def _nothing() -> None:
    """Hear a signal and go on."""


def _settle_memory() -> None:
    """Let the collector pass over what start-up made.

    It lives as long as the process; walking it again and again held every callback up for some
    40 ms, which was the whole of the slowest percentile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_YOUNG, 20, 100)


def _announce(service: Service, settings: Settings) -> None:
    log.info(
        "relay.ready",
        version=VERSION,
        public=f"{settings.public.listen.host}:{service.public.port}",
        operator=f"{settings.operator.listen.host}:{service.operator.port}",
        store=settings.store_place,
        callback_urls=settings.callback_urls(service.public.port),
        destinations=[destination.name for destination in settings.destinations],
    )
