"""Hints: relays tell each other that deliveries wait.

Owns one notification for all that was stored within a moment, outside of any commit, and hearing those of
others. A hint makes a poll happen sooner; the poll is the truth, so that a hint may be lost, and behind a
pooler, which hands on none, everything works as well.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from relay.record.postgres.connection import Connection

__all__ = ["Hints"]

_CHANNEL: Final = "runflow_relay_due"
#: Seconds between two notifications of one relay.
SPREAD_S: Final = 0.05


class Hints:
    """Tells and hears, on a connection that somebody else keeps. To be used on the store's own loop."""

    def __init__(
        self, sql: Mapping[str, str], *, heard: Callable[[frozenset[str]], None]
    ) -> None:
        """``heard`` is told the destinations of another relay's hint."""
        self._sql = sql
        self._heard = heard
        self._connection: Connection | None = None
        self._stored: set[str] = set()
        self._telling: asyncio.Task[None] | None = None

    async def listen(self, connection: Connection) -> None:
        """Hear what comes in on this connection, and tell through it from now on."""
        self._connection = connection
        await connection.add_listener(_CHANNEL, self._hear)

    def tell(self, destinations: Iterable[str]) -> None:
        """Deliveries were stored for these; others hear of it within a moment."""
        self._stored.update(destinations)
        if self._telling is None:
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        try:
            async with asyncio.timeout(SPREAD_S):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            pass
        names, self._stored, self._telling = sorted(self._stored), set(), None
        connection = self._connection
        if connection is None or connection.is_closed():
            return
        try:
            await connection.execute(self._sql["notify"], _CHANNEL, "\n".join(names))
        except Exception:  # noqa: BLE001 - a hint may be lost
            return

    def _hear(
        self, _connection: object, pid: int, _channel: str, payload: object
    ) -> None:
        connection = self._connection
        if connection is None or pid == connection.get_server_pid():
            return
        self._heard(frozenset(str(payload).split("\n")))
