"""Stores: the settings' URL becomes a store, or a look at one.

Owns which adapter a URL names.
"""

import asyncio
from collections.abc import Callable

from relay.app.system import System
from relay.core.ledger import Ledger
from relay.core.ports import Executor, Handover, Metrics
from relay.core.retention import Keeping
from relay.record.grouped import GroupedStore, Limits
from relay.record.postgres import PostgresStore
from relay.record.postgres import ledger as postgres
from relay.record.sqlite import SqliteStore
from relay.record.sqlite import ledger as sqlite
from relay.settings import Place, Settings

__all__ = ["build_store", "keeping_of", "read_ledger", "recount"]


def build_store(
    settings: Settings,
    *,
    system: System,
    metrics: Metrics,
    handover: Handover,
    executor: Callable[[str], Executor],
    synchronous: str,
) -> GroupedStore:
    """The store that the settings name, not opened yet. ``synchronous`` is SQLite's."""
    limits = Limits(
        group_size=settings.limits.group_size,
        waiting=settings.limits.waiting,
        ack_timeout_s=settings.limits.ack_timeout.seconds,
        min_free_disk=settings.limits.min_free_disk,
        store_bytes=settings.limits.store_bytes,
        refusals_kept=settings.limits.refusals_kept,
        keeping=keeping_of(settings),
    )
    if settings.store.file is None:
        return PostgresStore(
            settings.store.reveal(),
            clock=system.clock,
            checkpoints=system.checkpoints,
            metrics=metrics,
            handover=handover,
            limits=limits,
        )
    return SqliteStore(
        settings.store_path,
        clock=system.clock,
        executor=executor("store"),
        checkpoints=system.checkpoints,
        metrics=metrics,
        handover=handover,
        limits=limits,
        synchronous=synchronous,
    )


def keeping_of(settings: Settings) -> Keeping:
    """How long the settings keep what."""
    retention = settings.retention
    return Keeping(
        payloads=retention.payloads.us,
        attempts=retention.attempts.us,
        dead_letters=retention.dead_letters.us,
        identities=retention.identities.us,
    )


async def read_ledger(place: Place) -> Ledger:
    """The account as the counters have it, whether or not a relay is serving the store.

    Raises:
        MisconfiguredError: there is no store there, or it cannot be read.
        StoreBusyError: it does not answer.
    """
    if place.store.file is None:
        return await postgres.read_ledger_of(place.store.reveal())
    return await asyncio.to_thread(sqlite.read_ledger_of, place.store_path)


async def recount(place: Place) -> tuple[Ledger, Ledger]:
    """The account as the counters have it and as the rows have it, both at the same moment.

    Raises:
        MisconfiguredError: there is no store there, or it cannot be read.
        StoreBusyError: it does not answer.
    """
    if place.store.file is None:
        return await postgres.recount_of(place.store.reveal())
    return await asyncio.to_thread(sqlite.recount_of, place.store_path)
