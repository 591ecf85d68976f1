"""The shared store: one database, and a loop of its own to speak with it.

Owns opening and closing, and what bounds the database. What a job does is the writer's.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from asyncpg import InterfaceError, PostgresError

from relay.core.backlog import LIMIT
from relay.core.delivery import Queue
from relay.core.errors import RelayError, StoreBusyError, StoreFailedError
from relay.core.holding import Condition
from relay.core.ports import Checkpoints, Clock, Handover, Metrics, Room
from relay.core.retention import PassStep, Progress
from relay.core.route import Router, nowhere
from relay.core.steady import Ahead
from relay.record.grouped import GroupedStore, Limits
from relay.record.jobs import Job, Register, Telling, Told
from relay.record.postgres.connection import connect, inspect, installation, migrate
from relay.record.postgres.dialling import not_connected
from relay.record.postgres.forgetting import Forgetting
from relay.record.postgres.hints import Hints
from relay.record.postgres.holding import read_conditions
from relay.record.postgres.leases import Leases
from relay.record.postgres.ledger import fold
from relay.record.postgres.resending import read_running
from relay.record.postgres.thread import LoopThread
from relay.record.postgres.writer import Writer
from relay.record.statements import statements

__all__ = ["PostgresStore"]

#: How often the database's size is looked at, in seconds.
MEASURE_S: Final = 5.0


class PostgresStore(GroupedStore):
    """A PostgreSQL database: Inbox, Outbox, Inquiries, RefusalLog and Forgetful in one."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        checkpoints: Checkpoints,
        metrics: Metrics,
        handover: Handover,
        limits: Limits,
        router: Callable[[], Router] = nowhere,
    ) -> None:
        super().__init__(
            clock=clock,
            metrics=metrics,
            handover=handover,
            limits=limits,
            router=router,
        )
        self._url = url
        self._checkpoints = checkpoints
        self._thread: LoopThread | None = None
        self._writer: Writer | None = None
        self._leases: Leases | None = None
        self._hints: Hints | None = None
        self._forgetting: Forgetting | None = None
        self._sql: Mapping[str, str] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._full: str | None = None
        self._measure_at = 0.0

    async def open(self, destinations: Sequence[tuple[str, str]]) -> None:
        """Connect, migrate, free what the dead held, and know the destinations.

        Raises:
            MisconfiguredError: not a database that can be trusted, or newer than this program.
            StoreBusyError: the database does not answer.
        """
        self._loop = asyncio.get_running_loop()
        self._thread = LoopThread("store")
        try:
            await self._thread.run(self._open(destinations))
        except BaseException as error:
            await self.close()
            if isinstance(error, (OSError, PostgresError, InterfaceError)):
                raise not_connected(error) from error
            raise

    async def close(self) -> None:
        """Free what is leased and leave the database. Idempotent."""
        thread, self._thread = self._thread, None
        if thread is not None:
            try:
                await thread.run(self._close())
            finally:
                thread.close()

    async def look_ahead(
        self, destination: str, after: Ahead | None, /, *, now: int, limit: int
    ) -> Sequence[Ahead]:
        """See :class:`relay.core.steady.Foresight`."""
        thread, writer = self._opened()
        look = writer.look_ahead(destination, after, now=now, limit=limit)
        return await thread.run(look)

    async def next_due(
        self, destination: str, queue: Queue | None = None, /
    ) -> int | None:
        """See :class:`relay.core.ports.Outbox`."""
        thread, writer = self._opened()
        return await thread.run(writer.next_due(destination, queue))

    async def next_inquiry(self, source: str, /) -> int | None:
        """See :class:`relay.core.ports.Inquiries`."""
        thread, writer = self._opened()
        return await thread.run(writer.next_inquiry(source))

    async def swept(self, source: str, /) -> int | None:
        """See :class:`relay.core.ports.Inquiries`."""
        thread, writer = self._opened()
        return await thread.run(writer.swept(source))

    async def _fall_behind(self, destination: str, telling: Telling) -> Told:
        thread, writer = self._opened()
        now = self._clock.now_us()
        return await thread.run(writer.fall_behind(destination, telling, now))

    async def fill(self, destination: str, /, *, limit: int) -> bool:
        """See :class:`relay.core.holding.Posts`."""
        thread, writer = self._opened()
        work = partial(
            writer.backlog.fill,
            name=destination,
            limit=limit,
            now=self._clock.now_us(),
            full=self._full,
        )
        return await thread.run(writer.apart(work))

    async def conditions(self) -> Sequence[Condition]:
        """See :class:`relay.core.holding.Posts`."""
        thread, writer = self._opened()
        # A relay that has nothing to do commits nothing, and the database may grow all the same.
        await self._between()
        return await thread.run(writer.apart(partial(read_conditions, sql=self._sql)))

    async def next_resend(
        self, router: Router, /, *, backlog: int = LIMIT
    ) -> tuple[int | None, bool]:
        """See :class:`relay.core.replay.Resending`."""
        thread, writer = self._opened()
        work = partial(read_running, sql=self._sql, router=router, backlog=backlog)
        return await thread.run(writer.apart(work))

    async def forget(self, step: PassStep, /) -> Progress:
        """See :class:`relay.core.ports.Forgetful`: no group waits for it, nor it for a group."""
        if self._thread is None or self._forgetting is None:
            raise StoreBusyError("the store is closing")
        return await self._thread.run(self._forgetting.take(step))

    @property
    def trouble(self) -> str | None:
        """See :class:`GroupedStore`."""
        if self._writer is not None and self._writer.is_away:
            return "store_unreachable"
        return "store_full" if self._full or self._has_refused else None

    async def _commit_group(
        self, jobs: Sequence[Job], room: Room, now: int
    ) -> Sequence[object]:
        thread, writer = self._opened()
        return await thread.run(writer.commit(jobs, room, now, self._full))

    async def _between(self) -> None:
        """Now and then the database's size is looked at."""
        at = asyncio.get_running_loop().time()
        if at < self._measure_at:
            return
        self._measure_at = at + MEASURE_S
        thread, writer = self._opened()
        size = await thread.run(writer.size())
        if size is None:
            return
        self._metrics.gauge("runflow_relay_store_bytes", size)
        limit = self._limits.store_bytes
        self._full = "limits.store_bytes is reached" if size >= limit else None

    def _tell_others(self, destinations: set[str]) -> None:
        """See :class:`GroupedStore`."""
        if self._thread is not None and self._hints is not None:
            self._thread.call(partial(self._hints.tell, frozenset(destinations)))

    def _heard(self, destinations: frozenset[str]) -> None:
        """On the store's own loop: another relay has stored deliveries for these."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._handover.hint, destinations)

    def _opened(self) -> tuple[LoopThread, Writer]:
        if self._thread is None or self._writer is None:
            raise StoreFailedError("the store is not open")
        return self._thread, self._writer

    # --- on the store's own loop ------------------------------------------------------------------

    async def _open(self, destinations: Sequence[tuple[str, str]]) -> None:
        sql = self._sql = await asyncio.to_thread(statements, "postgres")
        connection = await connect(self._url)
        try:
            await inspect(connection)
            await migrate(connection)
            await fold(connection, sql)
            self.installation = await installation(connection)
        finally:
            await connection.close()
        writer = Writer(
            self._url,
            sql,
            checkpoints=self._checkpoints,
            keeping=self._limits.keeping,
        )
        self._forgetting = Forgetting(self._url, sql, checkpoints=self._checkpoints)

        def began(incarnation: int) -> None:
            writer.incarnation = self.incarnation = incarnation

        self._hints = Hints(sql, heard=self._heard)
        self._leases = Leases(
            self._url, sql, clock=self._clock, began=began, hints=self._hints
        )
        await self._leases.begin()
        self._writer = writer
        now = self._clock.now_us()
        [failure] = await writer.commit([Register(destinations)], {}, now, None)
        if isinstance(failure, RelayError):
            raise failure

    async def _close(self) -> None:
        forgetting, self._forgetting = self._forgetting, None
        if forgetting is not None:
            await forgetting.close()
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.close()
        if self._leases is not None:
            await self._leases.end()
