"""Replays: looking at what has ended, and ordering it again, on the store that the settings name.

Owns which reader a URL names, and joining the action to a store, be it served here or opened alone. Knows
nothing of who asks.
"""

from collections.abc import Callable

from relay.core.catalog import Current
from relay.core.deadletter import Letters
from relay.core.ports import Clock
from relay.core.replay import Resending
from relay.operate.actions.replaying import Replaying
from relay.record.postgres.letters import PostgresLetters
from relay.record.replaying import Replayer
from relay.record.sqlite.letters import SqliteLetters
from relay.settings import Place
from relay.supervise import Supervisor, Worker

__all__ = ["employ_replayer", "letters_of", "replaying_of"]


def letters_of(place: Place) -> Letters:
    """Who looks into the store of a place, whether or not a relay serves it."""
    if place.store.file is None:
        return PostgresLetters(place.store.reveal())
    return SqliteLetters(place.store_path)


def employ_replayer(
    store: Resending, current: Current, supervisor: Supervisor, *, clock: Clock
) -> Replayer:
    """Have somebody work at orders from now on; the worker is called ``replays``."""
    replayer = Replayer(store, router=lambda: current.catalog.router, clock=clock)
    supervisor.start(Worker("replays", replayer.run, replayer.stop))
    return replayer


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
