"""The sandbox as a whole: put together, started, and stopped at once.

Owns the listener, the HTTP client and the state's file, and the order in which they open and close. What the
parts do is theirs.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp import web

from relay.sandbox.api.application import Api
from relay.sandbox.api.context import Context
from relay.sandbox.book import RUNS_MAX, Book
from relay.sandbox.clock import utc_now
from relay.sandbox.faults import NO_FAULTS, Faults
from relay.sandbox.lives import Lives
from relay.sandbox.sender import RETRIES, Retries, Sender
from relay.sandbox.shelf import Shelf
from relay.sandbox.state import Subject
from relay.sandbox.truth import BatchTruth, Truth, truth_of, truth_of_batch

__all__ = ["LOCAL_KEY", "Sandbox"]

#: The bearer token of a sandbox that was given none; it guards nothing.
LOCAL_KEY: Final = "rf_live_sandbox"
#: The version that Runflow's own document has.
_API_VERSION: Final = "0.1.0"
#: How long requests under way may hold up a stop, in seconds.
_SHUTDOWN_S: Final = 0.5


class Sandbox:
    """A local Runflow: an async context manager, or `start` and `stop`.

    Args:
        host: The address to listen on.
        port: The port; 0 picks one that is free.
        secret: What callbacks are signed with, a ``whsec_…`` text; None leaves them unsigned, as in an
            organisation without a secret. Where a state file has secrets, those hold.
        token: The bearer token that requests must carry.
        seed: Outcomes and faults follow from it and a run's number, never from time. A state file keeps the
            seed that it began with.
        faults: What goes wrong, and how runs end.
        run_seconds: The shortest and the longest time that a run takes.
        retry: How callbacks are tried.
        concurrency: How many callbacks are on the wire at once.
        runs_max: How many runs it makes before it answers 503; none is forgotten.
        state: A file in which everything is kept, so that it can begin again where it stopped; None keeps
            nothing.
        now: The wall clock, in UTC.

    Raises:
        ValueError: `run_seconds` is no range, `concurrency` is below 1, or the secret is empty.
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
        state: Path | None = None,
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
        self.token = token
        self.state = state
        self._first_secret = secret
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
        self._lives: Lives | None = None
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

    @property
    def secret(self) -> str | None:
        """What signs callbacks now; None where they are unsigned."""
        current, _ = self._book.signers()
        return self._first_secret if current is None else current.plain

    @property
    def seed(self) -> int:
        """What outcomes and faults follow from; the state file's, where it has one."""
        return self._book.seed

    @property
    def faults(self) -> Faults:
        """What goes wrong now."""
        return self._book.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._book.faults = faults
        self._book.note_settings()

    def runs(self) -> list[Truth]:
        """What is true of every run, in the order of creation; to compare with."""
        base = self._url or ""
        return [truth_of(run, base=base) for run in self._book.runs]

    def batches(self) -> list[BatchTruth]:
        """What is true of every batch, in the order of creation; to compare with."""
        return [truth_of_batch(batch) for batch in self._book.batches]

    async def settled(self) -> None:
        """Wait until every run is over and its callbacks are heard or given up."""
        if self._lives is not None:
            await self._lives.settled()

    async def start(self) -> None:
        """Begin to listen, and take up what the state file says was under way.

        Raises:
            OSError: The address cannot be had.
            RuntimeError: It was started before; one that has stopped stays stopped. Or the state file cannot
                be used (`ShelfError`).
        """
        if self._lives is not None:
            raise RuntimeError("a sandbox is started once")
        async with AsyncExitStack() as opening:
            await self._take_up(opening)
            client = await opening.enter_async_context(_client())
            sender = Sender(
                client=client,
                retries=self._retry,
                concurrency=self._concurrency,
                now=self._now,
                changed=self._changed,
            )
            self._lives = Lives(
                book=self._book,
                sender=sender,
                run_seconds=self._run_seconds,
                now=self._now,
            )
            await self._listen(opening, self._lives)
            self._resources = opening.pop_all()

    async def stop(self) -> None:
        """Stop listening and drop what is under way, at once; a second stop is nothing.

        What is dropped goes on when the same state file is started again.

        Raises:
            ExceptionGroup: A run had died of a defect of the sandbox.
        """
        await self._resources.aclose()

    async def _take_up(self, opening: AsyncExitStack) -> None:
        if self.state is not None:
            shelf = await Shelf(self.state).open()
            opening.push_async_callback(shelf.close)
            await self._book.load(shelf)
        if self._first_secret is not None and not self._book.secrets:
            self._book.add_secret(
                self._first_secret, "the sandbox's first", self._now(), current=True
            )
        await self._book.kept()

    async def _changed(self, subject: Subject) -> None:
        self._book.note(subject)
        await self._book.kept()

    async def _listen(self, opening: AsyncExitStack, lives: Lives) -> None:
        context = Context(
            book=self._book,
            lives=lives,
            now=self._now,
            tries_max=self._retry.max_attempts,
        )
        api = Api(context, token=self.token, version=_API_VERSION)
        runner = web.AppRunner(
            api.application(), access_log=None, shutdown_timeout=_SHUTDOWN_S
        )
        await lives.open(opening, on_end=self.over.set)
        # closed before the lives: what still answers may launch one
        opening.push_async_callback(runner.cleanup)
        await runner.setup()
        site = web.TCPSite(runner, self._host, self._port)
        await site.start()
        port: int = runner.addresses[0][1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._url = context.base = f"http://{host}:{port}"
        lives.begin(self._url)  # no request has been taken since the start


def _client() -> aiohttp.ClientSession:
    """The client that sends callbacks: no cookies, no proxies, nothing inflated."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(limit=0),  # the sender's own bound holds
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "runflow-sandbox"},
        timeout=aiohttp.ClientTimeout(total=None),  # the sender has a limit of its own
    )
