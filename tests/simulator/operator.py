"""Operator: a person who pauses destinations, has them go on, and has things sent again.

Owns that an order is given again until it was carried out, and what a destination may not get meanwhile.
Judges nothing.
"""

from typing import TYPE_CHECKING, Final

from relay.core.audit import Entry
from relay.core.errors import RelayError
from relay.core.holding import Change, Hold
from relay.core.replay import NewReplay, Selection
from tests.record.harness import Stumbled
from tests.simulator.loop import pause
from tests.simulator.process import Process
from tests.simulator.script import HORIZON, Again, Pause

if TYPE_CHECKING:
    from tests.simulator.world import World

__all__ = ["hold_for_a_while", "resume_all", "send_again"]

#: Seconds until an order is given once more.
_AGAIN_S: Final = 0.1


async def hold_for_a_while(world: "World", fault: Pause) -> None:
    """Pause a destination, and have it go on; unless that is left to when everything is put right."""
    found = [d for d in world.destinations if d.place.name == fault.place]
    if not found or found[0].in_hand:
        # Left out of a script that was cut down; or two people would undo each other's work.
        return
    [destination] = found
    destination.in_hand = True
    if not await _ordered(world, fault.place, held=True):
        return
    world.history.note("operator", f"{fault.place} is paused")
    destination.paused = True
    if fault.until <= HORIZON:
        await pause(max(0.0, fault.until - world.loop.time()))
        destination.paused = False
        await _ordered(world, fault.place, held=False)
        world.history.note("operator", f"{fault.place} goes on")
        destination.in_hand = False


async def send_again(world: "World", fault: Again) -> None:
    """Order it until that was done; a command that breaks off may have been carried out."""
    while not world.works_at:
        process = world.process
        if process is not None and process.ready:
            try:
                await world.loop.begin(process.life, _send(process, fault))
            except (RelayError, Stumbled):
                pass
            else:
                world.history.note("operator", f"{fault.what} of {fault.place} again")
                return
        await pause(_AGAIN_S)


async def _send(process: Process, fault: Again) -> None:
    now = process.store._clock.now_us()
    order = NewReplay(
        by="operator",
        origin=fault.place,
        target=fault.place,
        selection=Selection(what=fault.what, until=now + 1),
        rate=fault.rate,
        expected=0,
        after=0,
        upto=1 << 40,
    )
    await process.store.order_replays([order])


async def resume_all(world: "World") -> None:
    """Whatever holds a destination, be it the relay's own doing."""
    for destination in world.destinations:
        destination.paused = False
        await _ordered(world, destination.place.name, held=False)


async def _ordered(world: "World", place: str, *, held: bool) -> bool:
    """Whether it was done; nobody pauses anything when everything is to work."""
    while not (held and world.works_at):
        process = world.process
        if process is not None and process.ready:
            try:
                done = await world.loop.begin(
                    process.life, _do(process, place, held=held)
                )
            except (RelayError, Stumbled):
                done = None
            if done:
                return True
        await pause(_AGAIN_S)
    return False


async def _do(process: Process, place: str, *, held: bool) -> bool:
    now = process.store._clock.now_us()
    hold = Hold(kind="paused", reason="", by="operator", since=now)
    entry = Entry(at=now, actor="operator", verb="pause", subject=place)
    change = Change(destination=place, hold=hold if held else None, entry=entry)
    await process.store.change(change)
    await process._deliveries.warden.look()
    return True
