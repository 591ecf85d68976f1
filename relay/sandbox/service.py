"""The sandbox as a whole: put together, started, and stopped at once.

Owns the listener, the HTTP client and the tasks, one for each run under way, and the
order in which they open and close. What the parts do is theirs.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp import web

from relay.sandbox.callbacks import RETRIES, Retries, Sender
from relay.sandbox.clock import pause, utc_now
from relay.sandbox.faults import NO_FAULTS, Faults
from relay.sandbox.server import Api
from relay.sandbox.state import RUNS_MAX, Book, Run, Truth
from relay.sandbox.wire import dump

__all__ = ["LOCAL_KEY", "Sandbox", "run"]

#: The bearer token of a sandbox that was given none; it guards nothing.
LOCAL_KEY: Final = "rf_live_sandbox"
#: How long requests under way may hold up a stop, in seconds.
_SHUTDOWN_S: Final = 0.5
#: How a run's time is shared out between ``queued``, ``dispatching`` and ``running``.
_QUEUED, _DISPATCHING, _RUNNING = 0.1, 0.1, 0.8
_EXAMPLE: Final = {
    "input": {},
    "client_ref": "order-1",
    "callback_url": "http://127.0.0.1:8080/callbacks/acme",
}


class Sandbox:
    """A local Runflow: an async context manager, or `start` and `stop`.

    Args:
        host: The address to listen on.
        port: The port; 0 picks one that is free.
        secret: What callbacks are signed with, a ``whsec_…`` text; None leaves them
            unsigned, as in an organisation without a secret.
        token: The bearer token that requests must carry.
        seed: Outcomes and faults follow from it and a run's number, never from time.
        faults: What goes wrong, and how runs end.
        run_seconds: The shortest and the longest time that a run takes.
        retry: How callbacks are tried.
        concurrency: How many callbacks are on the wire at once.
        runs_max: How many runs it makes before it answers 503; none is forgotten.
        now: The wall clock, in UTC.

    Raises:
        ValueError: `run_seconds` is no range, `concurrency` is below 1, or the secret is
            empty.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        secret: str | None = None,
        token: str = LOCAL_KEY,
        seed: int = 0,
        faults: Faults = NO_FAULTS,
        run_seconds: tuple[float, float] = (0.5, 2.0),
        retry: Retries = RETRIES,
        concurrency: int = 32,
        runs_max: int = RUNS_MAX,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        if not 0 <= run_seconds[0] <= run_seconds[1]:
            raise ValueError(
                "run_seconds is the shortest and the longest time of a run"
            )
        if concurrency < 1:
            raise ValueError("concurrency is at least 1")
        if secret is not None and not secret:
            raise ValueError("the secret is empty; for unsigned callbacks give None")
        self.secret = secret
        self.token = token
        self._host = host
        self._port = port
        self._run_seconds = run_seconds
        self._retry = retry
        self._concurrency = concurrency
        self._now = now
        self._book = Book(
            seed=seed, faults=faults, tries_max=retry.max_attempts, runs_max=runs_max
        )
        self._url: str | None = None
        self._resources = AsyncExitStack()
        self._lives: asyncio.TaskGroup | None = None
        self._sender: Sender | None = None
        #: Set by whoever wants `run` to end; also when a defect has ended the runs, which
        #: `stop` then raises.
        self.over = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end.

        Raises:
            RuntimeError: It has not been started.
        """
        if self._url is None:
            raise RuntimeError("the sandbox has not been started")
        return self._url

    def runs(self) -> list[Truth]:
        """What is true of every run, in the order of creation; to compare with."""
        return self._book.truths()

    async def settled(self) -> None:
        """Wait until every run is over and its callback is heard or given up."""
        await self._book.settled()

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: The address cannot be had.
            RuntimeError: It was started before; one that has stopped stays stopped.
        """
        if self._sender is not None:
            raise RuntimeError("a sandbox is started once")
        async with AsyncExitStack() as opening:
            client = await opening.enter_async_context(_client())
            self._sender = Sender(
                client=client,
                secret=self.secret,
                retries=self._retry,
                concurrency=self._concurrency,
                now=self._now,
            )
            self._lives = await _open_crew(opening, self.over.set)
            self._url = await self._listen(opening)
            self._resources = opening.pop_all()

    async def stop(self) -> None:
        """Stop listening and drop what is under way, at once; a second stop is nothing.

        Raises:
            ExceptionGroup: A run had died of a defect of the sandbox.
        """
        await self._resources.aclose()

    async def _listen(self, opening: AsyncExitStack) -> str:
        api = Api(
            book=self._book,
            token=self.token,
            signed=self.secret is not None,
            tries_max=self._retry.max_attempts,
            launch=self._launch,
            now=self._now,
        )
        runner = web.AppRunner(
            api.application(), access_log=None, shutdown_timeout=_SHUTDOWN_S
        )
        opening.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, self._host, self._port).start()
        port: int = runner.addresses[0][1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{port}"

    def _launch(self, run: Run) -> None:
        if self._lives is None or self._sender is None:
            raise RuntimeError("the sandbox has not been started")
        self._lives.create_task(self._live(run, self._sender), name=f"run {run.id}")

    async def _live(self, run: Run, sender: Sender) -> None:
        try:
            await self._course(run, sender)
        finally:
            # cut short by a stop, it is settled too: nobody waits for what cannot come
            self._book.settle(run)

    async def _course(self, run: Run, sender: Sender) -> None:
        shortest_s, longest_s = self._run_seconds
        length_s = shortest_s + (longest_s - shortest_s) * run.fate.span
        await pause(length_s * _QUEUED)
        run.dispatch()
        await pause(length_s * _DISPATCHING)
        run.begin(self._now())
        await pause(length_s * _RUNNING)
        run.finish(self._now())
        await sender.send(run)


def _client() -> aiohttp.ClientSession:
    """The client that sends callbacks: no cookies, no proxies, nothing inflated."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(limit=0),  # the sender's own bound holds
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "runflow-sandbox"},
        timeout=aiohttp.ClientTimeout(total=None),  # the sender has a limit of its own
    )


async def _open_crew(
    opening: AsyncExitStack, on_end: Callable[[], None]
) -> asyncio.TaskGroup:
    """A task group that lives until the stack closes and is then cancelled.

    A group must be left by the task that entered it, and a sandbox may be started and
    stopped by different ones: so the group has a task of its own, which the stack owns.
    """
    entered: asyncio.Future[asyncio.TaskGroup]
    entered = asyncio.get_running_loop().create_future()

    async def hold() -> None:
        async with asyncio.TaskGroup() as crew:
            entered.set_result(crew)
            await asyncio.Event().wait()

    holder = asyncio.get_running_loop().create_task(hold(), name="sandbox runs")
    holder.add_done_callback(lambda _: on_end())

    async def close() -> None:
        holder.cancel()
        await asyncio.wait({holder})
        if not holder.cancelled():
            holder.result()

    opening.push_async_callback(close)
    return await entered


async def run(sandbox: Sandbox, *, announce: Callable[[str], None]) -> None:
    """Serve until `sandbox.over` is set (or the task cancelled); say first how to use it.

    Args:
        sandbox: Not yet started.
        announce: Is given a few lines for people, one call for each.

    Raises:
        OSError: The address cannot be had.
        ExceptionGroup: A defect of the sandbox ended its runs.
    """
    async with sandbox:
        for line in _greeting(sandbox):
            announce(line)
        await sandbox.over.wait()


def _greeting(sandbox: Sandbox) -> tuple[str, ...]:
    signing = (
        f"signed with {sandbox.secret}" if sandbox.secret else "unsigned (no secret)"
    )
    return (
        f"A local Runflow listens on {sandbox.url}",
        f"  token      {sandbox.token}",
        f"  callbacks  {signing}",
        f"  the truth  {sandbox.url}/sandbox/runs",
        "Dispatch a run:",
        f"  curl -X POST {sandbox.url}/v1/models/runflow/tag-removal/runs \\",
        f"    -H 'Authorization: Bearer {sandbox.token}' \\",
        "    -H 'Content-Type: application/json' \\",
        f"    -d '{dump(_EXAMPLE)}'",
    )
