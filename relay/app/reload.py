"""Reload: a running relay takes over a changed configuration.

Owns when the configuration is read again (when asked to, and every few seconds, because a mounted file
changes without telling), and that one which cannot be used changes nothing. Knows no signals.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from relay.core.errors import RelayError, StoreBusyError
from relay.settings import ConfigError, Settings

__all__ = ["Reloader"]

log: Final = structlog.stdlib.get_logger(__name__)

#: Seconds between two looks at the file, and at the files of secrets that it names.
LOOK_S: Final = 5.0


class _Service(Protocol):
    async def reload(self, settings: Settings) -> None: ...


class Reloader:
    """Reads the configuration again, and hands over what has changed."""

    def __init__(
        self,
        service: _Service,
        settings: Settings,
        *,
        read: Callable[[], Awaitable[Settings]],
        every_s: float = LOOK_S,
    ) -> None:
        """``read`` reads the configuration off the event loop."""
        self._service = service
        self._settings = settings
        self._read = read
        self._every_s = every_s
        self._wake = asyncio.Event()
        self._refused = ""

    def ask(self) -> None:
        """Look now, and say what came of it."""
        # Said again, also when it is the same mistake as before.
        self._refused = ""
        self._wake.set()

    async def run(self) -> None:
        """Look again and again."""
        while True:
            try:
                async with asyncio.timeout(self._every_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            asked = self._wake.is_set()
            self._wake.clear()
            await self._look(asked=asked)

    async def _look(self, *, asked: bool) -> None:
        try:
            settings = await self._read()
        except Exception as error:  # noqa: BLE001 - no file, whatever is in it, takes a relay that serves down
            self._refuse(error)
            return
        self._refused = ""
        if settings == self._settings:
            if asked:
                log.info("configuration.unchanged")
            return
        try:
            await self._service.reload(settings)
        except StoreBusyError as error:
            # Nothing has been changed yet; the next look finds the same difference.
            log.warning("configuration.postponed", why=str(error))
            return
        self._settings = settings

    def _refuse(self, error: Exception) -> None:
        """Say once what is wrong; the configuration in force stays."""
        # The words of an error that nobody expected may hold what is in the file, secrets too.
        said = (
            str(error)
            if isinstance(error, RelayError)
            else f"it cannot be read, for a mistake of this program ({type(error).__name__})"
        )
        if said == self._refused:
            return
        self._refused = said
        mistakes = (
            [f"{mistake.path}: {mistake.message}" for mistake in error.mistakes]
            if isinstance(error, ConfigError)
            else [said]
        )
        log.error("configuration.refused", mistakes=mistakes)
