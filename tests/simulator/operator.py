"""Operator: a person who pauses destinations, has them go on or forgotten, and has things sent again.

Owns that an order is given again until it was carried out, and what a destination may not get from then on.
Judges nothing.
"""

from typing import TYPE_CHECKING, Final

from relay.app.holds import holding_of
from relay.app.system import System
from relay.core.errors import RelayError
from relay.core.replay import NewReplay, Selection
from relay.operate.actions.holding import ConfiguredError, Holding, Order, Report
from tests.record.harness import Stumbled
from tests.simulator import conduct
from tests.simulator.loop import pause
from tests.simulator.process import Process
from tests.simulator.script import HORIZON, Again, Forget, Pause

if TYPE_CHECKING:
    from tests.simulator.world import World

__all__ = ["give_up", "hold_for_a_while", "resume_all", "send_again", "send_once"]

#: Seconds until an order is given once more.
_AGAIN_S: Final = 0.1
_WHO: Final = "operator"


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
        if await send_once(world, fault):
            return
        await pause(_AGAIN_S)


async def send_once(world: "World", fault: Again) -> bool:
    """Order it; gives whether it was taken."""
    process = world.process
    if process is None or not process.ready:
        return False
    try:
        await world.loop.begin(process.life, _send(process, fault))
    except (RelayError, Stumbled):
        return False
    world.history.note("operator", f"{fault.what} of {fault.place} again")
    return True


async def _send(process: Process, fault: Again) -> None:
    now = process.store._clock.now_us()
    order = NewReplay(
        by=_WHO,
        origin=fault.place,
        target=fault.place,
        selection=Selection(what=fault.what, until=now + 1),
        rate=fault.rate,
        expected=0,
        after=0,
        upto=1 << 40,
    )
    await process.store.order_replays([order])


async def give_up(world: "World", fault: Forget) -> None:
    """Have what waits for a destination die, until nothing does; unless the configuration has it once more.

    From then on nothing of that may be tried.
    """
    [destination] = [d for d in world.destinations if d.place.name == fault.place]
    waiting = conduct.waiting(world, destination)
    destination.given_up = True
    while not world.works_at and fault.place not in world.layout.names:
        report = await _forgotten(world, fault.place)
        if report is not None and not report.open:
            world.history.note(_WHO, f"{fault.place} is forgotten")
            conduct.forgotten(world, destination, waiting)
            return
        await pause(_AGAIN_S)


async def _forgotten(world: "World", place: str) -> Report | None:
    """What an order to forget has come to, where it was carried out."""
    process = world.process
    if process is None or not process.ready:
        return None
    try:
        order = _holding(process).forget(place, Order(), actor=_WHO)
        return await world.loop.begin(process.life, order)
    except (ConfiguredError, RelayError, Stumbled):
        return None


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
    holding = _holding(process)
    verb = holding.pause if held else holding.resume
    await verb(place, Order(), actor=_WHO)
    return True


def _holding(process: Process) -> Holding:
    """The relay's own verbs."""
    machine = process._machine
    system = System(clock=machine, dice=machine, checkpoints=machine)
    return holding_of(process._deliveries.warden, process.store, system=system)
