"""Store: whether it can be read, which schema it has, and whether a relay serves it.

Owns the words for what is found. Changes nothing: the store of a relay that runs is only read.
"""

import asyncio
import shutil
from pathlib import Path

from relay.app.stores import read_ledger, read_schema
from relay.core.errors import RelayError
from relay.core.finding import Finding
from relay.core.timeline import Presence
from relay.settings import Settings
from relay.settings.root import nearest

__all__ = ["look_at_relay", "look_at_store"]


def look_at_relay(presence: Presence) -> Finding:
    """What the relay beside us says of itself, if there is one."""
    if not presence.answers:
        return Finding(
            check="relay",
            result="skipped",
            found=f"none answers at {presence.address}: what needs one is looked at all the same",
        )
    down = ", ".join(sorted(presence.degraded))
    if down:
        return Finding(
            check="relay",
            result="warning",
            found=f"answers at {presence.address}; does not get through to: {down}",
            remedy="relay destinations",
        )
    return Finding(check="relay", result="ok", found=f"answers at {presence.address}")


async def look_at_store(settings: Settings) -> Finding:
    """Whether the store can be read, and has room."""
    try:
        known, newest = await read_schema(settings)
        if not known:
            return _ok("is not there yet: the first start makes it")
        if known < newest:
            return Finding(
                check="store",
                result="warning",
                found=f"schema {known}, which the next start makes {newest}",
                remedy="make a copy first: docs/deploying.md#upgrading",
            )
        ledger = await read_ledger(settings)
    except RelayError as error:
        return Finding(
            check="store",
            result="failed",
            found=str(error),
            remedy="docs/deploying.md#the-store; PostgreSQL: docs/deploying.md#postgresql",
        )
    faults = ledger.balance().faults
    if faults:
        return Finding(
            check="store",
            result="failed",
            found=f"schema {known}; the ledger does not add up",
            remedy="relay ledger --verify",
        )
    return await _room(settings, known)


async def _room(settings: Settings, schema: int) -> Finding:
    found = f"schema {schema}, the ledger balances"
    if settings.store.file is None:
        return _ok(found)
    free = await asyncio.to_thread(_free, settings.store_path)
    if free < settings.limits.min_free_disk:
        return Finding(
            check="store",
            result="failed",
            found=f"{free >> 20:,} MiB free, less than `limits.min_free_disk`: callbacks are answered 503",
            remedy="make room on that disk",
        )
    return _ok(f"{found}, {free >> 20:,} MiB free")


def _free(path: Path) -> int:
    return shutil.disk_usage(nearest(path)).free


def _ok(found: str) -> Finding:
    return Finding(check="store", result="ok", found=found)
