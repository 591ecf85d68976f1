"""Holds: who looks how destinations stand, and how often.

Owns the verbs' objects, and the pace of looking: on a database other relays and commands change what a destination is held by, a file is
written by nobody else.
"""

from typing import Final

from relay.app.system import System
from relay.core.holding import Posts
from relay.deliver.warden import Warden
from relay.operate.actions.holding import Holding
from relay.settings import Settings

__all__ = ["holding_alone", "holding_of", "look_s"]

#: Seconds between two looks: where others may change something, and where nobody does.
SHARED_S: Final = 1.0
ALONE_S: Final = 5.0


def look_s(settings: Settings) -> float:
    """Seconds between two looks at how destinations stand."""
    return SHARED_S if settings.store.file is None else ALONE_S


def holding_of(warden: Warden, posts: Posts, *, system: System) -> Holding:
    """The verbs, in a relay that runs: what they change is seen by its couriers at once."""
    return Holding(
        posts,
        configured=lambda: warden.names,
        clock=system.clock,
        changed=warden.look,
    )


def holding_alone(settings: Settings, posts: Posts, *, system: System) -> Holding:
    """The verbs, where no relay runs, or others see it for themselves."""
    return Holding(
        posts,
        configured=lambda: [one.name for one in settings.destinations],
        clock=system.clock,
        changed=_nobody,
    )


async def _nobody() -> None:
    """Nobody delivers here."""
