"""Replays: looking at what has ended, and ordering it again, on the store that the settings name.

Owns which reader a URL names, and joining the action to a store, be it served here or opened alone. Knows
nothing of who asks.
"""

import asyncio
from collections.abc import Callable

import msgspec

from relay.core.backlog import LIMIT
from relay.core.catalog import Catalog, Current
from relay.core.deadletter import Ended, Letters, UnknownNameError
from relay.core.ports import Clock
from relay.core.quarantine import Kept, Quarantine, Readmitting
from relay.core.receipt import Receipt
from relay.core.replay import Resending
from relay.core.timeline import History
from relay.operate.actions.readmitting import Readmission
from relay.operate.actions.replaying import Replaying
from relay.record.letters import BaseLetters
from relay.record.postgres import history as postgres
from relay.record.postgres.letters import PostgresLetters
from relay.record.quarantine import Looking
from relay.record.replaying import Replayer
from relay.record.sqlite import history as sqlite
from relay.record.sqlite.letters import SqliteLetters
from relay.settings import Place
from relay.supervise import Supervisor, Worker

__all__ = [
    "employ_replayer",
    "find_history",
    "letters_of",
    "quarantine_of",
    "readmission_of",
    "replaying_of",
]


def letters_of(place: Place) -> Letters:
    """Who looks into the store of a place, whether or not a relay serves it."""
    return _letters(place)


def _letters(place: Place) -> BaseLetters:
    if place.store.file is None:
        return PostgresLetters(place.store.reveal())
    return SqliteLetters(place.store_path)


async def find_history(place: Place, one: Ended) -> History:
    """All that happened to the run of a delivery.

    Raises:
        UnknownNameError: it has been forgotten meanwhile.
        MisconfiguredError: the store cannot be read.
        StoreBusyError: it does not answer.
    """
    if place.store.file is None:
        url = place.store.reveal()
        findings = await postgres.find_in(url, one.event_id, one.key.source)
    else:
        path = place.store_path
        findings = await asyncio.to_thread(
            sqlite.find_in, path, one.event_id, one.key.source
        )
    if not findings.histories:
        raise UnknownNameError(f"the event {one.event_id} has been forgotten")
    return findings.histories[0]


def employ_replayer(
    store: Resending,
    current: Current,
    supervisor: Supervisor,
    *,
    clock: Clock,
    backlog: int = LIMIT,
) -> Replayer:
    """Have somebody work at orders from now on; the worker is called ``replays``.

    ``backlog`` are the deliveries that a destination may have open.
    """
    replayer = Replayer(
        store,
        router=lambda: current.catalog.router,
        clock=clock,
        backlog=backlog,
    )
    supervisor.start(Worker("replays", replayer.run, replayer.stop))
    return replayer


def quarantine_of(place: Place) -> Quarantine:
    """Who looks into the quarantine of a place, whether or not a relay serves it."""
    return Looking(_letters(place).ask)


def readmission_of(
    place: Place, store: Readmitting, current: Current, *, clock: Clock
) -> Readmission:
    """Who has what lies in quarantine read once more, in an open store."""
    return Readmission(
        quarantine_of(place),
        store,
        receive=lambda *given: _received(current.catalog, *given),
        clock=clock,
    )


def _received(
    catalog: Catalog, kept: Kept, contents: tuple[bytes, bytes], now: int
) -> Receipt | None:
    """A receipt as its door would make it today; None where there is no such door any more."""
    source = catalog.sources.get(kept.source)
    channel = None if source is None else source.channels.get(kept.channel)
    if source is None or channel is None:
        return None
    headers, body = contents
    named = msgspec.json.decode(headers, type=dict[str, str])
    return Receipt(
        source=source.name,
        channel=channel.name,
        origin=channel.origin,
        body=body,
        headers=tuple((name.encode(), text.encode()) for name, text in named.items()),
        secret=kept.secret,
        received_at=now,
        router=catalog.router,
        require=source.require,
        always_asked=source.always_asked,
        collapses=source.collapses,
        quarantined_at=kept.first_seen,
    )


def replaying_of(
    place: Place,
    store: Resending,
    current: Current,
    ordered: Callable[[], None],
    *,
    clock: Clock,
) -> Replaying:
    """Who takes orders for an open store; ``ordered`` is called when there is something to do."""
    return Replaying(
        letters_of(place),
        store,
        destinations=lambda: current.catalog.router.destinations,
        ordered=ordered,
        clock=clock,
    )
