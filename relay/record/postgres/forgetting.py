"""Forgetting: one small step of retention in the database, on a connection of its own.

Owns the transaction of a step. Receipts and attempts go by the day; see :mod:`.leaving`. What is left of them,
events with their deliveries, and runs go row by row.

Nobody waits in a circle. A step waits for no row: it takes its turn by an advisory lock that is tried, not
waited for, and the runs (and winners) whose rows it touches by SKIP LOCKED. Groups change what belongs to a run only under that
run's lock, settle and claim only deliveries that are open, and a step deletes only those that are not; the
archive is written under the turn alone. It waits for tables only where a day leaves, before it holds
anything that a group could want, and gives up long before the server would look for a deadlock.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg

from relay.core.ports import Checkpoints
from relay.core.retention import ROWS, PassStep, Progress, look
from relay.record.archive import Archive
from relay.record.postgres.connection import Connection, begin, connect
from relay.record.postgres.faults import ContendedError, translated
from relay.record.postgres.leaving import (
    drop_attempts,
    fetch,
    leave,
    write_archive,
)

__all__ = ["Forgetting"]

#: ``Rfly``: the key of the lock under which a step is taken.
_TURN: Final = 0x52666C79
#: How long a step waits for a table, in milliseconds: less than ``deadlock_timeout``, which is a second.
LOCK_MS: Final = 200


class Forgetting:
    """Takes steps. Runs on the store's own loop."""

    def __init__(
        self, url: str, sql: Mapping[str, str], *, checkpoints: Checkpoints
    ) -> None:
        self._url = url
        self._sql = sql
        self._checkpoints = checkpoints
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def take(self, step: PassStep) -> Progress:
        """Take a step of a pass.

        Raises:
            StoreBusyError: the database does not answer.
        """
        if step.table == "pages":
            # The server finds its own; and until the next pass the connection is of no use.
            await self.close()
            return Progress()
        async with self._turn:
            try:
                return await self._transact(step)
            except Exception as error:
                self._drop()
                failure = translated(error)
                if isinstance(error, asyncpg.LockNotAvailableError) or isinstance(
                    failure, ContendedError
                ):
                    return Progress(given_way=True)
                raise failure from error
            except BaseException:
                self._drop()
                raise

    async def close(self) -> None:
        """Leave the database, also in the middle of a step. Idempotent."""
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _transact(self, step: PassStep) -> Progress:
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = self._connection = await connect(self._url)
        await begin(connection)
        await connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
        if not await connection.fetchval(self._sql["take_turn"], _TURN):
            await connection.execute("ROLLBACK")
            return Progress(given_way=True)
        progress = await self._take(connection, step)
        self._checkpoints.reach("before-commit")
        await connection.execute("COMMIT")
        self._checkpoints.reach("after-commit")
        return progress

    async def _take(self, connection: Connection, step: PassStep) -> Progress:
        match step.table:
            case "receipts":
                return await leave(connection, self._sql, step)
            case "attempts":
                return await drop_attempts(connection, self._sql, step)
            case "asks":
                return await self._forget_asks(connection, step)
            case "events":
                return await self._forget_events(connection, step)
            case "runs":
                return await self._forget_runs(connection, step)
            case "pages":
                return Progress()

    async def _forget_events(self, connection: Connection, step: PassStep) -> Progress:
        sql = self._sql
        rows = await fetch(connection, sql["look_at_events"], step.after[0], ROWS)
        ahead = look(step, [row[:3] for row in rows])
        after = None if ahead.is_last else (ahead.upto, 0)
        if not ahead.is_due:
            return Progress(after=after)
        archive = Archive()
        events = archive.events(
            await fetch(
                connection,
                sql["forget_events"],
                step.after[0],
                ahead.upto,
                step.before,
                step.horizons.dead_letters,
                await self._hold(connection, [row[3] for row in rows]),
            )
        )
        deliveries = archive.deliveries(
            await fetch(connection, sql["forget_deliveries"], _first(events))
        )
        await connection.execute(sql["forget_attempts_of"], _first(deliveries))
        await write_archive(connection, sql, archive)
        return Progress(forgotten=len(events), after=after)

    async def _forget_asks(self, connection: Connection, step: PassStep) -> Progress:
        """Written once and never changed: nobody has to be kept away."""
        sql = self._sql
        rows = await fetch(connection, sql["look_at_asks"], step.after[0], ROWS)
        ahead = look(step, [row[:3] for row in rows])
        after = None if ahead.is_last else (ahead.upto, 0)
        if not ahead.is_due:
            return Progress(after=after)
        gone = await fetch(
            connection, sql["forget_asks"], step.after[0], ahead.upto, step.before
        )
        return Progress(forgotten=len(gone), after=after)

    async def _forget_runs(self, connection: Connection, step: PassStep) -> Progress:
        sql = self._sql
        rows = await fetch(connection, sql["look_at_runs"], step.after[0], ROWS)
        ahead = look(step, [row[:3] for row in rows])
        after = None if ahead.is_last else (ahead.upto, 0)
        if not ahead.is_due:
            return Progress(after=after)
        archive = Archive()
        held = await self._hold(connection, [row[3] for row in rows])
        gone = archive.runs(
            await fetch(
                connection,
                sql["forget_runs"],
                step.after[0],
                ahead.upto,
                step.before,
                held,
                _first(await fetch(connection, sql["hold_winners"], held)),
            )
        )
        for name in ("forget_asks_of", "forget_winners_of", "forget_collapsed_of"):
            await connection.execute(sql[name], _first(gone))
        await write_archive(connection, sql, archive)
        return Progress(forgotten=len(gone), after=after)

    async def _hold(self, connection: Connection, runs: Sequence[int]) -> list[int]:
        held = await fetch(connection, self._sql["hold_runs"], runs)
        return [row[0] for row in held]


def _first(rows: Sequence[Sequence[Any]]) -> list[Any]:
    return [row[0] for row in rows]
