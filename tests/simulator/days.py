"""Days: a destination that fails for days is warned of, and then nothing is sent there any more.

Owns what happens when everything else is done: something is sent again to one destination, in vain, while the
hours pass; and the judging of that. All else works meanwhile. It shares no decision with the relay.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from relay.app.holds import ALONE_S
from tests.simulator import looking
from tests.simulator.destinations import Destination
from tests.simulator.operator import resume_all, send_once
from tests.simulator.script import Again, Days

if TYPE_CHECKING:
    from tests.simulator.world import World

__all__ = ["pass_days"]

_HOUR_S: Final = 3600.0
#: After so much of nothing but failures it is disabled, and before that somebody is warned so often.
_LAST_S: Final = 120 * _HOUR_S
_WARNINGS_S: Final = (24 * _HOUR_S, 72 * _HOUR_S, 96 * _HOUR_S)
#: When it works for once, though it has failed for most of the days.
_RELAPSE_S: Final = 0.6 * _LAST_S
#: Seconds within which somebody who is due is tried, and what that says is written.
_SOON_S: Final = 10.0
_STEP_S: Final = 0.25


async def pass_days(world: "World", days: Days) -> None:
    """Let it fail until it is disabled; where it works in between, only when it fails for as long again."""
    found = [d for d in world.destinations if d.place.name == days.place]
    if not found or not found[0].arrivals or found[0].failing_since is not None:
        # Left out of a script that was cut down; or nothing was sent there, or nothing went well lately.
        return
    [destination] = found
    for until in (*((_RELAPSE_S,) if days.relapses else ()), _LAST_S):
        await _sent_in_vain(world, destination, days)
        await _looked(world)
        since = destination.failing_since
        assert since is not None
        while destination.failed_at - since < until:
            world.loop.leap(days.stride * _HOUR_S)
            await _tried(world, destination, world.loop.time())
            await _judged(world, destination, destination.failed_at - since)
        destination.broken = None
        await resume_all(world)
        await world.drained()
        await _looked(world)


async def _sent_in_vain(world: "World", destination: Destination, days: Days) -> None:
    """What arrived there is sent again, and does not arrive."""
    destination.broken = days.how
    order = Again(world.loop.time(), days.place, "delivered", 1000)
    while not await send_once(world, order):
        await world.within(_STEP_S)
    await _tried(world, destination, world.loop.time())


async def _looked(world: "World") -> None:
    """What was heard is written down with the next look, which is never as far away as the hours that pass here."""
    await world.within(2 * ALONE_S)


async def _tried(world: "World", destination: Destination, after: float) -> None:
    """Whoever is due is tried, however long nothing has worked."""
    name = destination.place.name
    tried = await _soon(
        world,
        lambda: destination.failing_since is not None and destination.failed_at > after,
    )
    world.history.require(tried, "Days", f"{name} fails, and is not tried any more")


async def _judged(world: "World", destination: Destination, failed_s: float) -> None:
    """Each warning is given in its time; the end comes in its time too, and no sooner."""
    name, disk = destination.place.name, world.disk
    said = f"{name} fails for {failed_s / _HOUR_S:.1f} h, and"
    if failed_s >= _LAST_S:
        held = await _soon(world, lambda: name in looking.held(disk))
        world.history.require(held, "Days", f"{said} is not disabled")
        return
    due = sum(failed_s >= after for after in _WARNINGS_S)
    await _soon(world, lambda: looking.warned(disk, name) >= due)
    warned = looking.warned(disk, name)
    world.history.require(warned == due, "Days", f"{said} {warned} warnings were given")
    world.history.require(name not in looking.held(disk), "Days", f"{said} is disabled")


async def _soon(world: "World", holds: Callable[[], bool]) -> bool:
    """Wait until it holds, and not for long; gives whether it does."""
    waited = 0.0
    while not holds() and waited < _SOON_S:
        await world.within(_STEP_S)
        waited += _STEP_S
    return holds()
