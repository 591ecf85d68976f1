"""Leases: this process shows that it lives, and gives free what those held who no longer do.

Owns the incarnation's beat, by the server's clock, on a connection of its own: a long commit must not
look like a death. Whoever could not beat for so long that others have taken over begins a new incarnation.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from relay.core.ports import Clock
from relay.record.postgres.connection import Connection, connect
from relay.record.postgres.hints import Hints

__all__ = ["Leases"]

log: Final = structlog.stdlib.get_logger(__name__)

#: How long a lease outlives its last beat, in milliseconds, and how often beats come, in seconds.
TERM_MS: Final = 10_000
BEAT_S: Final = 1.5


class Leases:
    """Keeps one process's leases alive."""

    def __init__(
        self,
        url: str,
        sql: Mapping[str, str],
        *,
        clock: Clock,
        began: Callable[[int], None],
        hints: Hints,
    ) -> None:
        """``began`` is told the number of each incarnation, before anything is leased under it."""
        self._hints = hints
        self._url = url
        self._sql = sql
        self._clock = clock
        self._began = began
        self._connection: Connection | None = None
        self._beating: asyncio.Task[None] | None = None
        self.incarnation = 0

    async def begin(self) -> int:
        """Begin an incarnation, and free what the dead have held.

        Raises:
            StoreBusyError: the database does not answer.
        """
        connection = await self._connect()
        await self._begin(connection)
        await self._void(connection)
        self._beating = asyncio.get_running_loop().create_task(self._beat_on())
        return self.incarnation

    async def end(self) -> None:
        """Give everything free at once, as far as the database can be reached. Idempotent."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait([self._beating])
            self._beating = None
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if not connection.is_closed():
                await connection.execute(self._sql["beat"], self.incarnation, -1)
                await self._void(connection)
                await connection.close()
        except Exception:  # noqa: BLE001 - then they end by themselves
            connection.terminate()

    async def _connect(self) -> Connection:
        connection = self._connection = await connect(self._url)
        # What lies still between two beats is there for listening, too.
        await self._hints.listen(connection)
        return connection

    async def _begin(self, connection: Connection) -> None:
        number = await connection.fetchval(
            self._sql["insert_incarnation"], self._clock.now_us(), TERM_MS
        )
        self.incarnation = int(number)
        self._began(self.incarnation)

    async def _void(self, connection: Connection) -> None:
        """Free what those held who have stopped beating."""
        async with connection.transaction():
            rows = await connection.fetch(self._sql["hold_dead"])
            if rows:
                dead = [row["number"] for row in rows]
                for name in ("void_leases", "void_inquiries"):
                    await connection.execute(self._sql[name], dead)

    async def _beat_on(self) -> None:
        while True:
            await _pause(BEAT_S)
            try:
                await self._beat()
            except Exception as error:  # noqa: BLE001 - the next beat may get through
                log.warning("leases.unheard", why=str(error) or type(error).__name__)
                if self._connection is not None:
                    self._connection.terminate()

    async def _beat(self) -> None:
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = await self._connect()
        beaten = await connection.fetchval(self._sql["beat"], self.incarnation, TERM_MS)
        if beaten is None:
            # Others took us for dead: what we held is theirs.
            await self._begin(connection)
            log.warning("leases.lost", incarnation=self.incarnation)
        await self._void(connection)


async def _pause(seconds: float) -> None:
    """Let time pass."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().create_future()
    except TimeoutError:
        pass
