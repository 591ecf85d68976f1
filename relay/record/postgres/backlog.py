"""Backlog: a destination falls behind, and what it is behind with becomes deliveries.

Owns the transactions, and that they meet no group half way. Events of groups that are not committed yet
cannot be seen, and their numbers may be smaller than those that can. Therefore every group begins with a
shared lock, and where it has to be known that all events up to a number are there, the same lock is taken
alone: when a destination falls behind, so that the cut lies between two groups, and for the last of what it
is behind with. In between, all up to a *horizon* that was read under the lock is filled without it.

The lock is the first thing that any of them waits for, so that nobody waits in a circle.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from relay.core.errors import StoreFullError
from relay.core.notice import tell_of_backlog
from relay.core.ports import Checkpoints
from relay.record.accounts import Accounts
from relay.record.holding import bystander, count_filled, filled, is_missing
from relay.record.jobs import Telling, Told
from relay.record.postgres.connection import Connection, begin
from relay.record.postgres.holding import tell
from relay.record.postgres.moving import columns
from relay.record.postgres.numbers import PostgresNumbers

__all__ = ["SHARE", "Backlog"]

#: ``Rflb``: the key of the lock.
_KEY: Final = 0x52666C62
#: What every group begins with.
SHARE: Final = f"SELECT pg_advisory_xact_lock_shared({_KEY})"
_ALONE: Final = f"SELECT pg_advisory_xact_lock({_KEY})"
#: How long somebody waits to be alone, and others behind them, in milliseconds: some commits, not more.
_WAIT_MS = 250


class Backlog:
    """Lets destinations fall behind, and fills what they lack. One call at a time."""

    def __init__(
        self,
        sql: Mapping[str, str],
        *,
        write: Callable[[Connection, Accounts], Awaitable[None]],
        checkpoints: Checkpoints,
    ) -> None:
        """``write`` adds to the ledger's counters."""
        self._sql = sql
        self._write = write
        self._checkpoints = checkpoints
        #: Up to which event everything is known to be there, by destination.
        self._horizons: dict[int, int] = {}

    async def fall_behind(
        self,
        connection: Connection,
        name: str,
        *,
        numbers: PostgresNumbers,
        telling: Telling,
        now: int,
    ) -> Told:
        """Make no deliveries from the next event on; the answer is whether that is news."""
        await _begin_alone(connection)
        accounts = Accounts()
        stored: tuple[str, ...] = ()
        found = await connection.fetchval(self._sql["fall_behind"], name)
        if found is not None:
            row = tuple(await connection.fetchrow(self._sql["read_hold"], name) or ())
            notice = tell_of_backlog(name, bystander(row), at=now)
            stored = await tell(
                connection,
                self._sql,
                numbers,
                telling,
                notice,
                accounts=accounts,
                now=now,
            )
        await self._write(connection, accounts)
        await self._commit(connection)
        return Told(answer=found is not None, stored_for=stored)

    async def fill(
        self,
        connection: Connection,
        name: str,
        *,
        limit: int,
        now: int,
        full: str | None,
    ) -> bool:
        """Make deliveries of the next ``limit`` events; gives whether there may be more.

        Raises:
            StoreFullError: there are some to be made, and no room for them (``full`` says why).
        """
        row = await connection.fetchrow(self._sql["read_behind"], name)
        if row is None or row[1] is None:
            return False
        destination, behind_from, epoch = row
        horizon = self._horizons.get(destination, 0)
        alone = horizon < behind_from
        if alone:
            await _begin_alone(connection)
            horizon = await connection.fetchval(self._sql["read_horizon"])
        else:
            await begin(connection)
        # Another relay may be at it as well.
        behind_from = await connection.fetchval(self._sql["hold_behind"], destination)
        if behind_from is None or (horizon < behind_from and not alone):
            # Beyond the horizon events may still be missing: the next call is alone, and reads it anew.
            await connection.execute("COMMIT")
            return behind_from is not None
        rows = [
            tuple(row)
            for row in await connection.fetch(
                self._sql["look_behind"], destination, behind_from, horizon, limit
            )
        ]
        if full is not None and any(map(is_missing, rows)):
            raise StoreFullError(full)
        await self._make(connection, rows, (destination, epoch, now))
        more = len(rows) == limit
        after = rows[-1][0] + 1 if more else horizon + 1
        # Alone, and nothing is left: from here on groups make their own.
        is_last = alone and not more
        await connection.execute(
            self._sql["catch_up"], destination, None if is_last else after
        )
        await self._commit(connection)
        self._horizons[destination] = horizon
        return not is_last

    async def _commit(self, connection: Connection) -> None:
        self._checkpoints.reach("before-commit")
        await connection.execute("COMMIT")
        self._checkpoints.reach("after-commit")

    async def _make(
        self,
        connection: Connection,
        rows: list[tuple[int, int, int, bool, bool]],
        whose: tuple[int, int, int],
    ) -> None:
        destination, epoch, now = whose
        missing = sum(map(is_missing, rows))
        if missing:
            sql = self._sql["take_numbers"]
            taken = await connection.fetchrow(sql, 0, 0, 0, missing)
            numbers = [] if taken is None else taken[3]
            made = filled(rows, numbers, destination=destination, epoch=epoch, now=now)
            await connection.fetch(self._sql["insert_delivery"], *columns(made))
        accounts = Accounts()
        count_filled(accounts, destination, rows)
        await self._write(connection, accounts)


async def _begin_alone(connection: Connection) -> None:
    await begin(connection)
    await connection.execute(f"SET LOCAL lock_timeout = {_WAIT_MS}")
    await connection.execute(_ALONE)
    await connection.execute("SET LOCAL lock_timeout = DEFAULT")
