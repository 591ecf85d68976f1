"""Supervise: start workers, watch them, and end them in order.

Owns tasks: nothing else in the relay creates one that outlives a call. A dead worker is never silent:
it is started again a bounded number of times, and after that the process stops and says so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from relay.core.errors import MisconfiguredError, StoreFailedError
from relay.core.ports import Metrics

__all__ = ["Supervisor", "Worker"]

log: Final = structlog.stdlib.get_logger(__name__)

#: More crashes than this within WITHIN_S seconds, and the worker is given up.
RESTARTS_MAX: Final = 5
WITHIN_S: Final = 60.0
#: Doubled with each crash.
RESTART_WAIT_S: Final = 0.5
#: Errors after which starting again would only make it worse.
_FATAL: Final = (StoreFailedError, MisconfiguredError)


@dataclass(frozen=True, slots=True)
class Worker:
    """Something that runs until it is asked to stop.

    ``stop`` is idempotent and instant, and lets ``run`` return; ``run`` returning by itself before
    that is a crash like any other.
    """

    name: str
    run: Callable[[], Awaitable[None]]
    stop: Callable[[], None]


class Supervisor:
    """Runs workers. ``failed`` is set when one could not be kept alive."""

    def __init__(self, *, metrics: Metrics) -> None:
        self._metrics = metrics
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._workers: dict[str, Worker] = {}
        #: By name; set when the worker has been asked to stop.
        self._stopping: dict[str, asyncio.Event] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.failed = asyncio.Event()
        self.failure: BaseException | None = None

    def start(self, worker: Worker) -> None:
        """Run a worker from now on."""
        stopping = asyncio.Event()
        self._workers[worker.name] = worker
        self._stopping[worker.name] = stopping
        task = asyncio.create_task(self._keep_alive(worker, stopping), name=worker.name)
        task.add_done_callback(self._look_at)
        self._tasks[worker.name] = task

    async def stop(self, names: Sequence[str], *, within_s: float) -> bool:
        """Let workers end by themselves for ``within_s`` seconds, then cancel them.

        True when every one ended by itself.
        """
        tasks = [self._tasks.pop(name) for name in names if name in self._tasks]
        for name in names:
            if name in self._workers:
                self._stopping.pop(name).set()
                self._workers.pop(name).stop()
        if not tasks:
            return True
        self._ending.update(tasks)
        _, late = await asyncio.wait(tasks, timeout=within_s)
        for task in late:
            log.warning("worker.late", worker=task.get_name(), within_s=within_s)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._ending.difference_update(tasks)
        return not late

    def hurry(self, names: Collection[str]) -> None:
        """Cancel these workers where they are being waited for, instead of waiting longer."""
        for task in self._ending:
            if task.get_name() in names:
                task.cancel()

    @property
    def names(self) -> Sequence[str]:
        """Workers that are running."""
        return list(self._tasks)

    async def _keep_alive(self, worker: Worker, stopping: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        crashes: list[float] = []
        while True:
            error = await _run(worker)
            if stopping.is_set():
                return
            crashes = [at for at in crashes if loop.time() - at < WITHIN_S]
            crashes.append(loop.time())
            if isinstance(error, _FATAL) or len(crashes) > RESTARTS_MAX:
                self._give_up(worker, error)
                return
            log.error("worker.crashed", worker=worker.name, exc_info=error)
            self._metrics.count(
                "runflow_relay_workers_restarted_total", reason=worker.name
            )
            # Asked to stop meanwhile, it runs once more all the same: that is how it gives back
            # what it holds.
            await _pause(stopping, RESTART_WAIT_S * 2 ** len(crashes))

    def _look_at(self, task: asyncio.Task[None]) -> None:
        """Whoever keeps a worker alive must not die unseen."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self.failed.set()

    def _give_up(self, worker: Worker, error: BaseException) -> None:
        self._fail(error)
        log.critical("worker.failed", worker=worker.name, exc_info=error)


async def _run(worker: Worker) -> BaseException:
    """Run a worker until it ends; gives what ended it."""
    try:
        await worker.run()
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it was, it is said and acted on
        return _cause(error)
    return RuntimeError("ended without being asked to")


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass


def _cause(error: BaseException) -> BaseException:
    """The first error inside a group: what a TaskGroup raises names only itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
