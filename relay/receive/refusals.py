"""Refusals: requests that failed verification, summed up before they are written.

Owns a small bounded book in memory, flushed every few seconds, so that "wrong secret for an hour" can
be seen without a flood of bad requests costing a commit each. Never keeps a body or a signature.
"""

import asyncio
import hashlib
from typing import Final

import msgspec
import structlog

from relay.core.errors import RelayError
from relay.core.ports import Refusal, RefusalLog

__all__ = ["RefusalBook"]

log: Final = structlog.stdlib.get_logger(__name__)

FLUSH_S: Final = 2.0


class RefusalBook:
    """Sums up refusals by source, channel, reason and peer."""

    def __init__(self, store: RefusalLog, *, lines_max: int) -> None:
        self._store = store
        self._lines_max = lines_max
        self._lines: dict[tuple[str, str, str, str], Refusal] = {}
        self._wake = asyncio.Event()
        self._stopping = False

    def add(
        self,
        *,
        source: str,
        channel: str,
        reason: str,
        peer: str,
        body: bytes,
        now: int,
    ) -> None:
        """Count one refusal at ``now`` (wall microseconds)."""
        key = (source, channel, reason, peer)
        if key not in self._lines and len(self._lines) >= self._lines_max:
            key = (source, channel, reason, "others")
        known = self._lines.get(key)
        digest = hashlib.sha256(body).digest()[:16]
        if known is None:
            self._lines[key] = Refusal(
                source=source,
                channel=channel,
                reason=reason,
                peer=key[3],
                count=1,
                first_seen=now,
                last_seen=now,
                size=len(body),
                digest=digest,
            )
        else:
            self._lines[key] = msgspec.structs.replace(
                known,
                count=known.count + 1,
                last_seen=now,
                size=len(body),
                digest=digest,
            )

    async def run(self) -> None:
        """Flush every few seconds until :meth:`stop`, and once more then."""
        stopping = False
        while not stopping:
            try:
                async with asyncio.timeout(FLUSH_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            # Looked at before the flush: what comes during it is flushed as well.
            stopping = self._stopping
            await self.flush()

    def stop(self) -> None:
        """Let :meth:`run` end."""
        self._stopping = True
        self._wake.set()

    async def flush(self) -> None:
        """Log and write what was summed up. What the store cannot take is in the log alone."""
        if not self._lines:
            return
        lines, self._lines = self._lines, {}
        for line in lines.values():
            log.warning(
                "callbacks.refused",
                source=line.source,
                channel=line.channel,
                reason=line.reason,
                peer=line.peer,
                count=line.count,
            )
        try:
            await self._store.refuse(list(lines.values()))
        except RelayError as error:
            log.warning("refusals.unwritten", why=str(error), lines=len(lines))
