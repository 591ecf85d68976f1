"""Writer: what one group does to the database.

Owns the transaction: locks, receipts, settlements, claims, counters, commit; one by one again when a group
fails; coming back after a lost connection. Knows nothing of who waits for the answers. Runs on the
store's own loop, one group at a time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final, TypeVar

from relay.core.delivery import Queue
from relay.core.errors import (
    InternalError,
    MisconfiguredError,
    RelayError,
    StoreBusyError,
    StoreFailedError,
    StoreFullError,
    UnstorableError,
)
from relay.core.ports import Checkpoints, Room
from relay.core.retention import Keeping
from relay.core.steady import Ahead
from relay.record.accounts import Accounts
from relay.record.jobs import (
    Claim,
    Inquire,
    Job,
    Resend,
    Telling,
    Told,
    cursors_of,
    entries_of,
    is_intake,
)
from relay.record.postgres.backlog import SHARE, Backlog
from relay.record.postgres.bringing import bring
from relay.record.postgres.connection import Connection, begin, connect, inspect
from relay.record.postgres.faults import ContendedError, is_lost, translated
from relay.record.postgres.holding import write_entry
from relay.record.postgres.moving import (
    due_of_source,
    inquire,
    write_counters,
)
from relay.record.postgres.numbers import PostgresNumbers
from relay.record.postgres.outgoing import claim, look_ahead, next_due
from relay.record.postgres.partitions import Partitions
from relay.record.postgres.resending import resend
from relay.record.runs import Identity

__all__ = ["Writer"]

R = TypeVar("R")

#: How often a group is tried again because another relay wanted the same rows.
CONTENDED_MAX: Final = 5


class Writer:
    """The one connection of this process that writes."""

    def __init__(
        self,
        url: str,
        sql: Mapping[str, str],
        *,
        checkpoints: Checkpoints,
        keeping: Keeping,
    ) -> None:
        self._url = url
        self._sql = sql
        self._checkpoints = checkpoints
        self._keeping = keeping
        self._connection: Connection | None = None
        self._numbers = PostgresNumbers(sql)
        self._partitions = Partitions()
        self._turn = asyncio.Lock()
        #: Given by whoever keeps this process's leases alive; part of every lease.
        self.incarnation = 0
        self._leases = 0
        self._away = False
        #: Leases of commits that may have happened, and whose parcels nobody was handed.
        self._unsure: list[int] = []
        self.backlog = Backlog(sql, write=self._count, checkpoints=checkpoints)

    async def commit(
        self, jobs: Sequence[Job], room: Room, now: int, full: str | None
    ) -> Sequence[object | RelayError]:
        """Do a group's jobs in one transaction; one answer each."""
        async with self._turn:
            left = dict(room)
            if full is not None:
                return await self._while_full(jobs, left, now, full)
            return await self._attempt(jobs, left, now)

    async def look_ahead(
        self, destination: str, after: Ahead | None, *, now: int, limit: int
    ) -> Sequence[Ahead]:
        """Some of what is not due yet, and that nobody has claimed."""
        place = (self._sql, self._numbers, destination, after)
        return await self.apart(lambda it: look_ahead(it, *place, now=now, limit=limit))

    async def next_due(self, destination: str, queue: Queue | None) -> int | None:
        """When the earliest unclaimed delivery of a destination is due."""
        return await self.apart(
            lambda it: next_due(it, self._sql, self._numbers, destination, queue)
        )

    async def next_inquiry(self, source: str) -> int | None:
        """When the earliest unclaimed inquiry of a source is due."""
        return await self._look_at("next_inquiry", source)

    async def swept(self, source: str) -> int | None:
        """How far a source has been swept."""
        return await self._look_at("read_sweep", source)

    async def apart(self, work: Callable[[Connection], Awaitable[R]]) -> R:
        """Do something between two groups, in a transaction of its own if it needs one."""
        async with self._turn:
            try:
                return await work(await self._connected())
            except Exception as error:
                failure = await self._failed(error)
                await self._undo()
                raise failure from error

    async def fall_behind(self, destination: str, telling: Telling, now: int) -> Told:
        """Make no deliveries for a destination from the next event on."""

        async def work(connection: Connection) -> Told:
            await self._partitions.ensure(connection, now)
            return await self.backlog.fall_behind(
                connection,
                destination,
                numbers=self._numbers,
                telling=telling,
                now=now,
            )

        return await self.apart(work)

    async def _look_at(self, statement: str, source: str) -> int | None:
        sql, numbers = self._sql[statement], self._numbers
        return await self.apart(lambda it: due_of_source(it, sql, numbers, source))

    async def size(self) -> int | None:
        """Bytes of the whole database; None when nobody answers."""
        try:
            return int(await self.apart(_size))
        except RelayError:
            return None

    @property
    def is_away(self) -> bool:
        """Whether the database could not be reached when it was last tried."""
        return self._away

    async def close(self) -> None:
        """Close the connection. Idempotent."""
        async with self._turn:
            await self._drop()

    # --- the connection ---------------------------------------------------------------------------

    async def _connected(self) -> Connection:
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = self._connection = await connect(self._url)
            try:
                # It may be another server than before: one that only reads, or that may forget.
                await inspect(connection)
                await self._numbers.load(connection)
            except BaseException:
                # Half looked at it is of no use: the next one begins with all of this again.
                await self._drop()
                raise
            self._away = False
        if self._unsure:
            await self._free_unsure(connection)
        return connection

    async def _free_unsure(self, connection: Connection) -> None:
        """Free what commits of unknown end have leased, once they have ended.

        A commit goes on without us (a standby that is waited for, a pooler in between), and until its end
        what it leases cannot be seen. While it runs it holds our incarnation; what is asked after that sees it.
        """
        # What an incarnation held that was taken for dead is free already.
        self._unsure = [n for n in self._unsure if n >> 32 == self.incarnation]
        if await connection.fetchval(self._sql["is_unheld"], self.incarnation):
            for name in ("free_leases", "free_inquiries"):
                await connection.execute(self._sql[name], self._unsure)
            self._unsure.clear()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _failed(self, error: Exception) -> RelayError:
        if is_lost(error) or isinstance(error, StoreBusyError | MisconfiguredError):
            self._away = True
            await self._drop()
        failure = translated(error)
        if isinstance(failure, MisconfiguredError):
            # It could be used once: who has changed it will change it back.
            failure = StoreBusyError(str(failure))
        failure.__cause__ = error
        return failure

    # --- a group ----------------------------------------------------------------------------------

    async def _attempt(
        self, jobs: Sequence[Job], room: dict[str, int], now: int
    ) -> Sequence[object | RelayError]:
        """Try a group; where it fails, find out who has to pay for it."""
        failure: RelayError = StoreBusyError("other relays want the same rows")
        needed: set[Identity] = set()
        for _ in range(CONTENDED_MAX):
            first = self._leases + 1
            try:
                answers = await self._transact(jobs, room, now, needed)
            except Exception as error:  # noqa: BLE001 - whatever it was, it is translated and acted on
                failure = await self._failed(error)
                if self._connection is None:
                    # Whether it was committed nobody knows; whom it leased to nobody was told.
                    self._unsure += [
                        self._lease(n) for n in range(first, self._leases + 1)
                    ]
                else:
                    await self._undo()
                if not isinstance(failure, ContendedError):
                    return await self._after(failure, jobs, room, now)
                needed.update(failure.needs)
                continue
            # What is raised from here on must not undo, or do again, what is on disk.
            self._checkpoints.reach("after-commit")
            return answers
        return [StoreBusyError(str(failure))] * len(jobs)

    async def _after(
        self, failure: RelayError, jobs: Sequence[Job], room: dict[str, int], now: int
    ) -> Sequence[object | RelayError]:
        """A group was undone: nothing of it is on disk."""
        if isinstance(failure, StoreFailedError):
            raise failure
        if isinstance(failure, StoreFullError) and any(map(is_intake, jobs)):
            return await self._while_full(jobs, room, now, str(failure))
        if isinstance(failure, UnstorableError | InternalError) and len(jobs) > 1:
            return [(await self._attempt([job], room, now))[0] for job in jobs]
        return [failure] * len(jobs)

    async def _while_full(
        self, jobs: Sequence[Job], room: dict[str, int], now: int, reason: str
    ) -> Sequence[object | RelayError]:
        """Take nothing in, but let what is stored go on its way."""
        kept = [job for job in jobs if not is_intake(job)]
        answers = iter(await self._attempt(kept, room, now) if kept else [])
        return [
            StoreFullError(reason) if is_intake(job) else next(answers) for job in jobs
        ]

    async def _undo(self) -> None:
        connection = self._connection
        try:
            if connection is None:
                return
            if connection.is_in_transaction():
                await connection.execute("ROLLBACK")
            # Names that this group has brought are gone with it.
            await self._numbers.load(connection)
        except Exception:  # noqa: BLE001 - a connection that cannot even undo is of no use
            await self._drop()

    async def _transact(
        self,
        jobs: Sequence[Job],
        room: dict[str, int],
        now: int,
        also: Collection[Identity],
    ) -> Sequence[object]:
        """``also`` are runs to be locked along with those that the group speaks of."""
        connection = await self._connected()
        await self._partitions.ensure(connection, now)
        await begin(connection, SHARE)
        # Who was taken for dead leases nothing until he has begun anew: nobody would ever free it.
        alive = await connection.fetchval(
            self._sql["hold_incarnation"], self.incarnation
        )
        accounts, left = Accounts(), dict(room) if alive else {}
        answers = await bring(
            connection,
            self._sql,
            self._numbers,
            jobs,
            also=also,
            accounts=accounts,
            room=left,
            lease=self._next_lease(),
            keeping=self._keeping,
            now=now,
        )
        for entry in entries_of(jobs):
            await write_entry(connection, self._sql, entry)
        for source, cursor in cursors_of(jobs):
            number = self._numbers.source(source)
            await connection.execute(self._sql["put_sweep"], number, cursor)
        # Claims come last: they must not see a run before its earlier deliveries are written.
        for index, job in enumerate(jobs):
            if isinstance(job, Claim):
                answers[index] = await self._claim(connection, job) if alive else []
            elif isinstance(job, Inquire):
                answers[index] = await self._inquire(connection, job) if alive else []
            elif isinstance(job, Resend):
                place = (self._sql, self._numbers, job)
                answers[index] = await resend(
                    connection, *place, accounts=accounts, now=now
                )
        await self._count(connection, accounts)
        self._checkpoints.reach("before-commit")
        await connection.execute("COMMIT")
        room.update(left)
        return answers

    async def _claim(self, connection: Connection, job: Claim) -> object:
        return await claim(
            connection,
            self._sql,
            self._numbers,
            destination=job.destination,
            wish=job.wish,
            lease=self._next_lease(),
        )

    async def _inquire(self, connection: Connection, job: Inquire) -> object:
        return await inquire(
            connection, self._sql, self._numbers, job, lease=self._next_lease()
        )

    async def _count(self, connection: Connection, accounts: Accounts) -> None:
        await write_counters(connection, self._sql, accounts, self.incarnation)

    def _next_lease(self) -> int:
        self._leases += 1
        return self._lease(self._leases)

    def _lease(self, count: int) -> int:
        return (self.incarnation << 32) + count


async def _size(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT pg_database_size(current_database())"))
