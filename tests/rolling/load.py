"""Load: signed callbacks that come when they are due, whether the ones before have been answered or not.

Owns the schedule and what each callback was answered. A sender that waited for its answers would hide a stall:
nothing would be due while it lasts.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from tests.acceptance.relays import callback, sign

__all__ = ["Load", "loading"]

#: How long a sender waits for an answer, in seconds.
_PATIENCE_S: Final = 10.0
#: A load that is not answered ends, instead of growing for ever.
_UNDER_WAY_MAX: Final = 1000
_FAILURES_SHOWN: Final = 20


@dataclass
class Load:
    """What was sent and what came back."""

    #: Where to, in turns.
    urls: Sequence[str]
    sent: int = 0
    acknowledged: set[int] = field(default_factory=set)
    #: How often what else came back.
    failures: Counter[str] = field(default_factory=Counter)
    first_failures: list[str] = field(default_factory=list)

    async def send(self, session: aiohttp.ClientSession, number: int) -> None:
        """Send one callback, once."""
        body = callback(number)
        url = self.urls[number % len(self.urls)]
        try:
            async with session.post(url, data=body, headers=sign(body)) as answer:
                said = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            self._fail(number, url, f"{type(error).__name__}: {error}")
            return
        if answer.status == 202:
            self.acknowledged.add(number)
        else:
            self._fail(number, url, f"{answer.status} {said[:80]!r}")

    def _fail(self, number: int, url: str, what: str) -> None:
        self.failures[what] += 1
        if len(self.first_failures) < _FAILURES_SHOWN:
            self.first_failures.append(f"{number} to {url}: {what}")


@asynccontextmanager
async def loading(
    urls: Sequence[str], *, per_second: float, most: int
) -> AsyncIterator[Load]:
    """Send for as long as the block runs, ``most`` callbacks at most; all are answered when it ends."""
    load = Load(urls)
    enough = asyncio.Event()
    # A connection for each, and as many as it takes: how a proxy closes those that it keeps with its clients
    # when it reloads is not the relay's doing, and a pool that is used up would hold callbacks back.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        asyncio.TaskGroup() as tasks,
    ):
        schedule = tasks.create_task(
            _schedule(load, session, enough, per_second=per_second, most=most)
        )
        try:
            yield load
        finally:
            enough.set()
            await schedule


async def _schedule(
    load: Load,
    session: aiohttp.ClientSession,
    enough: asyncio.Event,
    *,
    per_second: float,
    most: int,
) -> None:
    began = asyncio.get_running_loop().time()
    under_way: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as tasks:
        for number in itertools.islice(itertools.count(), most):
            try:
                async with asyncio.timeout_at(began + number / per_second):
                    await enough.wait()
            except TimeoutError:
                pass
            if enough.is_set():
                return
            if len(under_way) >= _UNDER_WAY_MAX:
                raise TimeoutError(f"{_UNDER_WAY_MAX} callbacks wait for an answer")
            load.sent += 1
            task = tasks.create_task(load.send(session, number))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
