"""Speaking: where a running relay is asked to do something, and what it can be asked for.

Owns joining the actions to the socket beside a SQLite store. A database of many relays needs none: whoever
asks something opens it beside them.
"""

from collections.abc import Callable
from typing import Final

import structlog

from relay.app.holds import holding_of
from relay.app.inquirers import Inquirers
from relay.app.replays import readmission_of, replaying_of
from relay.app.system import System
from relay.core.catalog import Current
from relay.deliver.warden import Warden
from relay.operate.actions.sweeping import Sweeping
from relay.operate.api.destinations import Destinations
from relay.operate.api.quarantine import Quarantined
from relay.operate.api.replays import Replays
from relay.operate.api.sweeps import Sweeps
from relay.operate.socket import Socket, socket_of
from relay.record.grouped import GroupedStore
from relay.settings import Settings

__all__ = ["Speaking"]

log: Final = structlog.stdlib.get_logger(__name__)


class Speaking:
    """One relay's ear."""

    def __init__(
        self,
        settings: Settings,
        inquirers: Inquirers,
        *,
        warden: Warden,
        store: GroupedStore,
        current: Current,
        ordered: Callable[[], None],
        system: System,
    ) -> None:
        """``ordered`` is called when there is something to be sent again."""
        self._inquirers = inquirers
        self._sweeping = Sweeping(inquirers, clock=system.clock)
        self._socket: Socket | None = None
        if settings.store.file is not None:
            clock = system.clock
            replaying = replaying_of(settings, store, current, ordered, clock=clock)
            readmission = readmission_of(settings, store, current, clock=clock)
            routes = [
                *Sweeps(self._sweeping).routes(),
                *Replays(replaying).routes(),
                *Quarantined(readmission).routes(),
                *Destinations(holding_of(warden, store, system=system)).routes(),
            ]
            self._socket = Socket(socket_of(settings.store_path), routes)

    async def open(self) -> None:
        """Listen. Callbacks come all the same where that cannot be: it is only said."""
        if self._socket is None:
            return
        try:
            await self._socket.start()
        except OSError as error:
            log.warning(
                "socket.unavailable", path=str(self._socket.path), why=str(error)
            )

    async def close(self) -> None:
        """End what was asked for, and listen no more. Idempotent and bounded."""
        self._sweeping.stop()
        self._inquirers.call_off()
        if self._socket is not None:
            await self._socket.close()
