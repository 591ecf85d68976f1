"""The embedded store: one file, and the thread that alone writes to it.

Owns opening and closing, and what bounds the file. What a job does is the writer's.
"""

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from relay.core.backlog import LIMIT
from relay.core.delivery import Queue
from relay.core.errors import RelayError, StoreFailedError
from relay.core.holding import Condition
from relay.core.ports import (
    Checkpoints,
    Clock,
    Executor,
    Handover,
    Metrics,
    Room,
)
from relay.core.retention import PassStep, Progress
from relay.core.route import Router, nowhere
from relay.core.steady import Ahead
from relay.record.grouped import GroupedStore, Limits
from relay.record.jobs import Forget, Job, Register, Telling, Told
from relay.record.sqlite.connection import (
    LockFile,
    connect,
    inodes,
    installation,
    log_size,
    migrate,
    not_opened,
)
from relay.record.sqlite.ledger import fold
from relay.record.sqlite.writer import Writer
from relay.record.statements import statements

__all__ = ["SqliteStore"]


class SqliteStore(GroupedStore):
    """One SQLite file: Inbox, Outbox and RefusalLog in one."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        executor: Executor,
        checkpoints: Checkpoints,
        metrics: Metrics,
        handover: Handover,
        limits: Limits,
        synchronous: str = "FULL",
        router: Callable[[], Router] = nowhere,
    ) -> None:
        super().__init__(
            clock=clock,
            metrics=metrics,
            handover=handover,
            limits=limits,
            router=router,
        )
        self._path = path
        self._executor = executor
        self._checkpoints = checkpoints
        self._synchronous = synchronous
        self._lock = LockFile(path)
        self._connection: sqlite3.Connection | None = None
        self._writer: Writer | None = None
        self._measured_at: int | None = None
        self._full: str | None = None
        self._inodes: tuple[int | None, int | None] = (None, None)

    async def open(self, destinations: Sequence[tuple[str, str]]) -> None:
        """Lock, open, migrate, void what a dead process held, and know the destinations.

        Raises:
            MisconfiguredError: locked by another process, of another program, or newer than this one.
            StoreFullError: the disk has no room for what opening writes.
        """
        await self._executor.run(partial(self._open, destinations))

    async def close(self) -> None:
        """Close the file and give the lock back. Idempotent."""
        await self._executor.run(self._close)

    async def look_ahead(
        self, destination: str, after: Ahead | None, /, *, now: int, limit: int
    ) -> Sequence[Ahead]:
        """See :class:`relay.core.steady.Foresight`."""
        writer = self._open_writer()
        look = partial(writer.look_ahead, destination, after, now=now, limit=limit)
        return await self._executor.run(look)

    async def next_due(
        self, destination: str, queue: Queue | None = None, /
    ) -> int | None:
        """See :class:`relay.core.ports.Outbox`."""
        writer = self._open_writer()
        return await self._executor.run(partial(writer.next_due, destination, queue))

    async def next_inquiry(self, source: str, /) -> int | None:
        """See :class:`relay.core.ports.Inquiries`."""
        writer = self._open_writer()
        return await self._executor.run(partial(writer.next_inquiry, source))

    async def swept(self, source: str, /) -> int | None:
        """See :class:`relay.core.ports.Inquiries`."""
        writer = self._open_writer()
        return await self._executor.run(partial(writer.swept, source))

    async def next_resend(
        self, router: Router, /, *, backlog: int = LIMIT
    ) -> tuple[int | None, bool]:
        """See :class:`relay.core.replay.Resending`."""
        writer = self._open_writer()
        return await self._executor.run(lambda: writer.next_resend(router, backlog))

    async def _fall_behind(self, destination: str, telling: Telling) -> Told:
        writer, now = self._open_writer(), self._clock.now_us()
        work = partial(writer.fall_behind, destination, telling, now)
        return await self._executor.run(work)

    async def fill(self, destination: str, /, *, limit: int) -> bool:
        """See :class:`relay.core.holding.Posts`."""
        writer = self._open_writer()
        now = self._clock.now_us()
        return await self._executor.run(partial(writer.fill, destination, limit, now))

    async def conditions(self) -> Sequence[Condition]:
        """See :class:`relay.core.holding.Posts`."""
        writer = self._open_writer()

        def look() -> Sequence[Condition]:
            # A relay that has nothing to do commits nothing, and its disk may fill all the same.
            self._is_full()
            return writer.conditions()

        return await self._executor.run(look)

    async def forget(self, step: PassStep, /) -> Progress:
        """See :class:`relay.core.ports.Forgetful`: it rides with a group commit like anything else."""
        return cast("Progress", await self._grouper.submit(Forget(step)))

    @property
    def trouble(self) -> str | None:
        """See :class:`GroupedStore`."""
        return "store_full" if self._full or self._has_refused else None

    async def _commit_group(
        self, jobs: Sequence[Job], room: Room, now: int
    ) -> Sequence[object]:
        writer = self._open_writer()
        return await self._executor.run(partial(writer.commit, jobs, room, now))

    async def _between(self) -> None:
        """Empty pages may be given back, and the log be moved into the file."""
        writer = self._open_writer()
        if writer.wants_vacuum:
            await self._executor.run(writer.vacuum)
        if writer.wants_checkpoint:
            await self._executor.run(writer.checkpoint)

    def _tell_others(self, destinations: set[str]) -> None:
        """There are none: the file is locked."""

    # --- on the writer's thread -------------------------------------------------------------------

    def _open(self, destinations: Sequence[tuple[str, str]]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._prepare(destinations)
        except (OSError, sqlite3.Error) as error:
            self._close()
            raise not_opened(self._path, error) from error
        except BaseException:
            self._close()
            raise

    def _prepare(self, destinations: Sequence[tuple[str, str]]) -> None:
        sql = statements("sqlite")
        now = self._clock.now_us()
        connection = connect(self._path, synchronous=self._synchronous)
        self._connection = connection
        migrate(connection)
        self.installation = installation(connection)
        [(self.incarnation,)] = connection.execute(
            sql["insert_incarnation"], (now,)
        ).fetchall()
        connection.execute(sql["void_leases"])
        connection.execute(sql["void_inquiries"])
        fold(connection, sql, self.incarnation)
        self._writer = Writer(
            connection,
            sql,
            path=self._path,
            incarnation=self.incarnation,
            checkpoints=self._checkpoints,
            is_full=self._is_full,
            keeping=self._limits.keeping,
        )
        self._inodes = inodes(self._path)
        [failure] = self._writer.commit([Register(destinations)], {}, now)
        if isinstance(failure, RelayError):
            raise failure

    def _close(self) -> None:
        self._writer = None
        try:
            if self._connection is not None:
                # The last connection to close moves the log into the file and removes it.
                self._connection.close()
        finally:
            self._connection = None
            self._lock.release()

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise StoreFailedError("the store is not open")
        return self._writer

    def _is_full(self) -> str | None:
        """Look whether the files are still there, and at most once a second at the disk."""
        if inodes(self._path) != self._inodes:
            # What is written to a file without a name is gone when the process ends.
            raise StoreFailedError(f"a file of the store {self._path} is gone")
        now = self._clock.now_us()
        if self._measured_at is None or abs(now - self._measured_at) >= 1_000_000:
            self._measured_at = now
            self._full = self._measure()
        return self._full

    def _measure(self) -> str | None:
        try:
            free = shutil.disk_usage(self._path.parent).free
            size = self._path.stat().st_size + log_size(self._path)
        except OSError as error:
            raise StoreFailedError(f"the store cannot be looked at: {error}") from error
        self._metrics.gauge("runflow_relay_disk_free_bytes", free)
        self._metrics.gauge("runflow_relay_store_bytes", size)
        if free < self._limits.min_free_disk:
            return "limits.min_free_disk is reached"
        if size >= self._limits.store_bytes:
            return "limits.store_bytes is reached"
        return None
