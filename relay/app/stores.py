"""Stores: the settings' URL becomes a store, or a look at one.

Owns which adapter a URL names, and for how long a start waits for a database.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import structlog

from relay.app.system import System
from relay.core.credential import KeyUse
from relay.core.errors import MisconfiguredError, StoreBusyError
from relay.core.holding import Condition
from relay.core.ledger import Ledger
from relay.core.ports import Executor, Handover, Metrics
from relay.core.retention import Keeping
from relay.core.route import Router, nowhere
from relay.record.grouped import GroupedStore, Limits
from relay.record.postgres import PostgresStore
from relay.record.postgres import ledger as postgres
from relay.record.postgres import upgrade as upgrade_database
from relay.record.postgres.connection import read_schema as read_schema_of_database
from relay.record.sqlite import SqliteStore
from relay.record.sqlite import ledger as sqlite
from relay.record.sqlite import upgrade as upgrade_file
from relay.record.sqlite.connection import read_schema as read_schema_of_file
from relay.record.statements import migrations
from relay.settings import Place, Settings

__all__ = [
    "Upgrade",
    "build_store",
    "is_empty",
    "keeping_of",
    "read_conditions",
    "read_ledger",
    "read_schema",
    "read_uses",
    "recount",
    "upgrade_store",
    "wait_for_store",
]

_T = TypeVar("_T")

log: Final = structlog.stdlib.get_logger(__name__)

#: How long a start waits for a database that does not answer, and from try to try, in seconds. Shorter
#: than a liveness probe's patience: nobody listens yet.
START_S: Final = 20.0
RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What was done to a store's tables: their number before (0 for none) and after, and the steps between."""

    store: str
    before: int
    after: int
    steps: Sequence[str]


def build_store(
    settings: Settings,
    *,
    system: System,
    metrics: Metrics,
    handover: Handover,
    executor: Callable[[str], Executor],
    synchronous: str,
    router: Callable[[], Router] = nowhere,
) -> GroupedStore:
    """The store that the settings name, not opened yet.

    ``synchronous`` is SQLite's. ``router`` gives the routes in force.
    """
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
            router=router,
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
        router=router,
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


async def wait_for_store(
    store: GroupedStore,
    destinations: Sequence[tuple[str, str]],
    *,
    place: Place,
    unwanted: asyncio.Event,
) -> None:
    """Open a store. One that does not answer is tried again, until ``unwanted`` is set.

    ``place`` says in errors and log which store it is.

    Raises:
        MisconfiguredError: it cannot work as configured.
        StoreBusyError: it has not answered in time.
    """
    await _awaited(partial(store.open, destinations), place=place, unwanted=unwanted)


async def upgrade_store(place: Place) -> Upgrade:
    """Bring the store's tables up to date, as a start does, and deliver nothing.

    Raises:
        MisconfiguredError: it cannot work as configured, is newer than this program, or is a file that a relay serves.
        StoreBusyError: it has not answered in time.
        StoreFullError: the disk has no room for it.
    """
    if place.store.file is None:
        kind = "postgres"
        work = partial(upgrade_database, place.store.reveal())
        before, after = await _awaited(work, place=place, unwanted=asyncio.Event())
    else:
        kind = "sqlite"
        before, after = await asyncio.to_thread(upgrade_file, place.store_path)
    steps = await asyncio.to_thread(migrations, kind)
    names = [f"{step.number:04}_{step.name}" for step in steps[before:after]]
    return Upgrade(place.store_place, before, after, names)


async def _awaited(
    opening: Callable[[], Awaitable[_T]], *, place: Place, unwanted: asyncio.Event
) -> _T:
    """What opening gives. It is tried again while nobody answers, until ``unwanted`` is set."""
    until = asyncio.get_running_loop().time() + START_S
    said = ""
    while True:
        try:
            with _told_of(place):
                return await opening()
        except StoreBusyError as error:
            if asyncio.get_running_loop().time() >= until or unwanted.is_set():
                raise
            if said != str(error):
                said = str(error)
                log.warning("store.awaited", why=said, within_s=START_S)
        try:
            async with asyncio.timeout(RETRY_S):
                await unwanted.wait()
        except TimeoutError:
            continue


@contextmanager
def _told_of(place: Place) -> Iterator[None]:
    """Say which database it is that cannot be used; a file's path is named anyway."""
    which = "store" if place.store.file else f"store {place.store_place}"
    try:
        yield
    except (StoreBusyError, MisconfiguredError) as error:
        raise type(error)(f"{which}: {error}") from error


async def is_empty(place: Place) -> bool:
    """Whether there is nothing yet where the store would be.

    Raises:
        MisconfiguredError: it cannot be looked at.
        StoreBusyError: it does not answer.
    """
    if place.store.file is None:
        with _told_of(place):
            return await postgres.is_empty(place.store.reveal())
    return not await asyncio.to_thread(place.store_path.exists)


async def read_schema(place: Place) -> tuple[int, int]:
    """The number of the store's schema, 0 where there is no store yet; and the newest one that this program knows.

    Raises:
        MisconfiguredError: it cannot be read, or was written by a newer program.
        StoreBusyError: it does not answer.
    """
    kind = "postgres" if place.store.file is None else "sqlite"
    newest = len(await asyncio.to_thread(migrations, kind))
    if place.store.file is None:
        with _told_of(place):
            return await read_schema_of_database(place.store.reveal()), newest
    return await asyncio.to_thread(read_schema_of_file, place.store_path), newest


async def read_ledger(place: Place) -> Ledger:
    """The account as the counters have it, whether or not a relay is serving the store.

    Raises:
        MisconfiguredError: there is no store there, or it cannot be read.
        StoreBusyError: it does not answer.
    """
    if place.store.file is None:
        with _told_of(place):
            return await postgres.read_ledger_of(place.store.reveal())
    return await asyncio.to_thread(sqlite.read_ledger_of, place.store_path)


async def read_conditions(place: Place) -> Sequence[Condition]:
    """How every destination stands, whether or not a relay is serving the store.

    Raises:
        MisconfiguredError: there is no store there, or it cannot be read.
        StoreBusyError: it does not answer.
    """
    if place.store.file is None:
        with _told_of(place):
            return await postgres.read_conditions_of(place.store.reveal())
    return await asyncio.to_thread(sqlite.read_conditions_of, place.store_path)


async def read_uses(place: Place) -> Sequence[KeyUse]:
    """What each callback secret has signed, whether or not a relay is serving the store.

    Raises:
        MisconfiguredError: there is no store there, or it cannot be read.
        StoreBusyError: it does not answer.
    """
    if place.store.file is None:
        with _told_of(place):
            return await postgres.read_uses_of(place.store.reveal())
    return await asyncio.to_thread(sqlite.read_uses_of, place.store_path)


async def recount(place: Place) -> tuple[Ledger, Ledger]:
    """The account as the counters have it and as the rows have it, both at the same moment.

    Raises:
        MisconfiguredError: there is no store there, or it cannot be read.
        StoreBusyError: it does not answer.
    """
    if place.store.file is None:
        with _told_of(place):
            return await postgres.recount_of(place.store.reveal())
    return await asyncio.to_thread(sqlite.recount_of, place.store_path)
