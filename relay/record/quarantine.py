"""Quarantine: rows of receipts that are of no run, for whoever only looks.

Owns which statements are asked and what their rows mean. An adapter says how one is asked. Knows no database.
"""

import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from relay.core.quarantine import DIGEST_HEX, Group, Kept

__all__ = ["Looking"]

#: Asks a statement with these values, and gives its rows.
Ask = Callable[[str, Mapping[str, Any]], Coroutine[Any, Any, list[tuple[Any, ...]]]]
Row = Sequence[Any]

_END: Final = (1 << 63) - 1


class Looking:
    """See :class:`relay.core.quarantine.Quarantine`."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def groups(self, source: str | None, reason: str | None) -> list[Group]:
        """See :class:`relay.core.quarantine.Quarantine`."""
        rows = await self._ask("sum_quarantine", _chosen(source, reason))
        return [_group(row) for row in rows]

    async def kept(
        self,
        source: str | None,
        reason: str | None,
        *,
        digest: str = "",
        limit: int,
        before: int | None = None,
        after: int | None = None,
    ) -> list[Kept]:
        """See :class:`relay.core.quarantine.Quarantine`."""
        values = _chosen(source, reason) | {
            "before": _END if before is None else before,
            "after": after,
            "low": bytes.fromhex(digest.ljust(DIGEST_HEX, "0")),
            "high": bytes.fromhex(digest.ljust(DIGEST_HEX, "f")),
            "limit": limit,
        }
        name = "list_quarantine" if after is None else "next_quarantined"
        return [_kept(row) for row in await self._ask(name, values)]

    async def contents(self, number: int) -> tuple[bytes, bytes] | None:
        """See :class:`relay.core.quarantine.Quarantine`."""
        rows = await self._ask("read_quarantined", {"number": number})
        if not rows:
            return None
        headers, body = rows[0]
        return bytes(headers or b"{}"), bytes(body or b"")


def _chosen(source: str | None, reason: str | None) -> dict[str, Any]:
    reasons = None if reason is None else json.dumps([reason])
    return {"source": source, "reasons": reasons}


def _reason(reasons: str | None) -> str:
    listed = json.loads(reasons) if reasons else []
    return ", ".join(listed)


def _kept(row: Row) -> Kept:
    number, source, channel, secret, reasons, digest, count, first, last, size = row
    return Kept(
        number=number,
        source=source,
        channel=channel,
        secret=secret,
        reason=_reason(reasons),
        digest=bytes(digest).hex(),
        count=count,
        first_seen=first,
        last_seen=last,
        size=size or 0,
    )


def _group(row: Row) -> Group:
    source, reasons, bodies, receipts, first, last = row
    return Group(
        source=source,
        reason=_reason(reasons),
        bodies=bodies,
        receipts=receipts,
        first_seen=first,
        last_seen=last,
    )
