"""The embedded store as the rest of the relay sees it.

Owns opening and closing, and turning calls into jobs that ride with the next group commit. What a
job does is the writer's; who waits is the grouping's.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from relay.core.delivery import Policy, Released, Step, Tried, follow
from relay.core.errors import (
    MisconfiguredError,
    RelayError,
    StoreFailedError,
    StoreFullError,
    UnstorableError,
)
from relay.core.ports import (
    Checkpoints,
    Clock,
    Executor,
    Handover,
    Metrics,
    Parcel,
    Recorded,
    Refusal,
    Room,
    Settlement,
)
from relay.core.receipt import Receipt
from relay.record.grouping import Grouper
from relay.record.jobs import Claim, Job, Keep, Record, Register, Settle
from relay.record.sqlite.connection import (
    LockFile,
    connect,
    inodes,
    installation,
    log_size,
    migrate,
)
from relay.record.sqlite.writer import Writer
from relay.record.statements import statements

__all__ = ["Limits", "SqliteStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds the store."""

    group_size: int = 512
    waiting: int = 4096
    ack_timeout_s: float = 4.0
    min_free_disk: int = 512 * 1024 * 1024
    store_bytes: int = 256 * 1024**3
    refusals_kept: int = 1000


class SqliteStore:
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
    ) -> None:
        self._path = path
        self._clock = clock
        self._executor = executor
        self._checkpoints = checkpoints
        self._metrics = metrics
        self._handover = handover
        self._limits = limits
        self._synchronous = synchronous
        self._lock = LockFile(path)
        self._connection: sqlite3.Connection | None = None
        self._writer: Writer | None = None
        self._measured_at: int | None = None
        self._full: str | None = None
        self._inodes: tuple[int | None, int | None] = (None, None)
        self._grouper: Grouper[Job] = Grouper(
            self._commit,
            between=self._between,
            group_size=limits.group_size,
            waiting=limits.waiting,
            timeout_s=limits.ack_timeout_s,
            metrics=metrics,
        )
        self.installation = ""
        self.incarnation = 0

    async def open(self, destinations: Sequence[tuple[str, str]]) -> None:
        """Lock, open, migrate, void what a dead process held, and know the destinations.

        Raises:
            MisconfiguredError: locked by another process, of another program, or newer than this one.
        """
        await self._executor.run(partial(self._open, destinations))

    async def run(self) -> None:
        """Commit groups until :meth:`close`.

        Raises:
            StoreFailedError: nothing can be acknowledged any more.
        """
        await self._grouper.run()

    def stop(self) -> None:
        """Take nothing more; what waits is still committed and then :meth:`run` ends."""
        self._grouper.close()

    async def close(self) -> None:
        """Close the file and give the lock back. Idempotent."""
        await self._executor.run(self._close)

    async def register(self, destinations: Sequence[tuple[str, str]]) -> None:
        """Know these destinations (name, kind) before events are routed to them."""
        await self._grouper.submit(Register(destinations), urgent=True)

    async def record(
        self, receipts: Sequence[Receipt], /
    ) -> Sequence[Recorded | UnstorableError]:
        """See :class:`relay.core.ports.Inbox`."""
        try:
            answer = await self._grouper.submit(Record(receipts))
        except UnstorableError as error:
            if len(receipts) == 1:
                return [error]
            return [(await self.record([receipt]))[0] for receipt in receipts]
        return cast("Sequence[Recorded]", answer)

    async def claim(
        self, destination: str, /, *, limit: int, size: int, now: int
    ) -> Sequence[Parcel]:
        """See :class:`relay.core.ports.Outbox`."""
        job = Claim(destination, limit, size, now)
        answer = self._grouper.submit(job, urgent=True)
        try:
            return cast("Sequence[Parcel]", await asyncio.shield(answer))
        except asyncio.CancelledError:
            # It is committed all the same, and nobody is left to deliver what it leases.
            answer.add_done_callback(self._give_back)
            raise

    async def settle(self, settlements: Sequence[Settlement], /) -> Sequence[bool]:
        """See :class:`relay.core.ports.Outbox`."""
        answer = await self._grouper.submit(Settle(settlements), urgent=True)
        return cast("Sequence[bool]", answer)

    async def next_due(self, destination: str, /) -> int | None:
        """See :class:`relay.core.ports.Outbox`."""
        writer = self._open_writer()
        return await self._executor.run(partial(writer.next_due, destination))

    async def refuse(self, refusals: Sequence[Refusal], /) -> None:
        """See :class:`relay.core.ports.RefusalLog`."""
        await self._grouper.submit(Keep(refusals, self._limits.refusals_kept))

    @property
    def full(self) -> str | None:
        """Why nothing can be taken in now; None while it can."""
        return self._full

    async def _commit(self, jobs: Sequence[Job]) -> Sequence[object]:
        room = self._handover.room()
        answers = await self._executor.run(partial(self._in_thread, jobs, room))
        self._hand_over(answers)
        return answers

    async def _between(self) -> None:
        """After a group was answered and before the next: the log may be moved into the file."""
        writer = self._open_writer()
        if writer.wants_checkpoint:
            await self._executor.run(writer.checkpoint)

    def _give_back(self, claimed: asyncio.Future[object]) -> None:
        """Release what was claimed for a caller that has gone."""
        if claimed.cancelled() or claimed.exception() is not None:
            return
        now = self._clock.now_us()
        settlements = [
            Settlement(parcel=parcel, outcome=Released(), step=_released(parcel, now))
            for parcel in cast("Sequence[Parcel]", claimed.result())
        ]
        if settlements:
            # A store that closes or has failed is opened again, and that voids every lease.
            with suppress(RelayError):
                self._grouper.submit(
                    Settle(settlements), urgent=True
                ).add_done_callback(_look_away)

    def _hand_over(self, answers: Sequence[object]) -> None:
        parcels: list[Parcel] = []
        stored: set[str] = set()
        for answer in answers:
            if isinstance(answer, list):
                for item in answer:
                    if isinstance(item, Recorded):
                        parcels.extend(item.parcels)
                        stored.update(item.stored_for)
        if parcels:
            self._handover.hand(parcels)
        if stored:
            self._handover.hint(stored)

    # --- on the writer's thread -------------------------------------------------------------------

    def _in_thread(self, jobs: Sequence[Job], room: Room) -> Sequence[object]:
        return self._open_writer().commit(jobs, room, self._clock.now_us())

    def _open(self, destinations: Sequence[tuple[str, str]]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._prepare(destinations)
        except (OSError, sqlite3.Error) as error:
            self._close()
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise StoreFullError(
                    f"no room to open the store {self._path}"
                ) from error
            raise MisconfiguredError(
                f"cannot open the store {self._path.absolute()}: {error}"
            ) from error
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
        self._writer = Writer(
            connection,
            sql,
            path=self._path,
            incarnation=self.incarnation,
            checkpoints=self._checkpoints,
            is_full=self._is_full,
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


def _released(parcel: Parcel, now: int) -> Step:
    tried = Tried(created_at=parcel.created_at, attempts=parcel.attempts, seed=b"")
    return follow(tried, Released(), policy=Policy(), now=now, gate_open=False)


def _look_away(answer: asyncio.Future[object]) -> None:
    """Nobody asks for this answer; its error is not one that was forgotten."""
    if not answer.cancelled():
        answer.exception()
