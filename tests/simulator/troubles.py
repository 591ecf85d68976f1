"""Troubles: what the script says goes wrong, made to happen.

Owns when each comes and what it does to the world. Judges nothing.
"""

from functools import partial
from typing import TYPE_CHECKING

from tests.record.harness import Stumbled
from tests.simulator.loop import Died, pause
from tests.simulator.operator import give_up, hold_for_a_while, send_again
from tests.simulator.script import (
    HORIZON,
    Again,
    Blackout,
    BlackoutAt,
    Crash,
    CrashAt,
    Fault,
    Forget,
    Full,
    Jump,
    Outage,
    Pause,
    Reask,
    Rehire,
    Remove,
    Reroute,
    Rotate,
    Slow,
    Stop,
    StoreFault,
    Stuck,
    Stumble,
)
from tests.simulator.story import ApiFault

if TYPE_CHECKING:
    from tests.simulator.world import World

__all__ = ["arrange"]

_Process = Crash | Blackout | Stop | Slow
_Surroundings = StoreFault | Full | Jump
_Configuration = Reroute | Reask | Rehire | Remove | Forget | Rotate | Pause | Again


def arrange(world: "World", fault: Fault) -> None:
    """See to it that it happens when it is to happen."""
    match fault:
        case CrashAt(point, nth, down):
            world.machine.hooks[point, nth] = partial(_die_at, world, point, down)
        case BlackoutAt(nth, down):
            world.disk.hooks[nth] = partial(_go_dark, world, down)
        case Stumble(point, nth):
            world.machine.hooks[point, nth] = partial(_stumble, world, point)
        case Outage() | Stuck() | ApiFault():
            pass
        case Full(since=since):
            world.loop.call_at(since, _happen, world, fault)
        case _:
            world.loop.call_at(fault.at, _happen, world, fault)


def _happen(world: "World", fault: _Process | _Surroundings | _Configuration) -> None:
    world.history.note("world", str(fault))
    match fault:
        case Crash() | Blackout() | Stop() | Slow():
            _befall(world, fault)
        case StoreFault() | Full() | Jump():
            _surround(world, fault)
        case _:
            _configure(world, fault)


def _befall(world: "World", fault: _Process) -> None:
    match fault:
        case Crash(down=down):
            world.kill(down)
        case Blackout(down=down):
            world.kill(down, powerless=True)
        case Stop(down=down, within=within):
            world.watch(world.stop(down, within))
        case Slow(seconds=seconds):
            # The calm is for what comes after: standing still into it would look like being held up.
            left = HORIZON - world.loop.time()
            if world.process is not None and left > 0:
                world.process.thread.stand_still(min(seconds, left))


def _surround(world: "World", fault: _Surroundings) -> None:
    match fault:
        case StoreFault(how=how, times=times):
            world.disk.break_down(how, times)
        case Full():
            world.watch(_fill(world, fault))
        case Jump(at=at, seconds=seconds, right=right):
            world.machine.jump(seconds)
            if right is not None:
                world.loop.call_later(right - at, world.machine.jump_back, seconds)


def _configure(world: "World", fault: _Configuration) -> None:
    match fault:
        case Reroute() | Reask() | Rehire():
            world.configure(world.layout.after(fault))
        case Remove() | Forget():
            world.watch(_remove(world, fault))
        case Rotate():
            world.watch(_rotate(world, fault))
        case Pause():
            world.watch(hold_for_a_while(world, fault))
        case Again():
            world.watch(send_again(world, fault))


def _die_at(world: "World", point: str, down: float) -> None:
    world.history.note("world", f"death at {point}")
    world.kill(down)
    raise Died


def _go_dark(world: "World", down: float) -> None:
    world.history.note("world", "the power goes in a commit")
    world.kill(down, powerless=True)
    raise Died


def _stumble(world: "World", point: str) -> None:
    world.history.note("world", f"a stumble at {point}")
    raise Stumbled


async def _remove(world: "World", fault: Remove | Forget) -> None:
    gone = [place for place in world.layout.places if place.name == fault.place]
    if not gone:
        return
    world.configure(world.layout.after(fault))
    if isinstance(fault, Forget):
        world.watch(give_up(world, fault))
    if fault.back > HORIZON:
        # Put back when everything is put right.
        return
    await pause(fault.back - fault.at)
    world.configure(world.layout.with_places(*gone))


async def _rotate(world: "World", fault: Rotate) -> None:
    """As it should be done, but for who signs when: the new one is known before the old one is not."""
    source = fault.source
    old = world.upstream.secrets[source]
    new = max(old, *dict(world.layout.secrets)[source]) + 1
    hurry = max(0.0, -fault.signed_after)
    if hurry:
        world.upstream.secrets[source] = new
        await pause(hurry)
    # Another rotation may be under way.
    known = {*dict(world.layout.secrets)[source], old, new}
    world.configure(world.layout.with_secrets(source, tuple(sorted(known))))
    await pause(max(0.0, fault.signed_after))
    world.upstream.secrets[source] = max(new, world.upstream.secrets[source])
    await pause(max(0.0, fault.retired_after - max(0.0, fault.signed_after)))
    left = tuple(n for n in dict(world.layout.secrets)[source] if n > old)
    world.configure(world.layout.with_secrets(source, left))


async def _fill(world: "World", fault: Full) -> None:
    world.fill_disk(full=True)
    await pause(fault.until - fault.since)
    world.fill_disk(full=False)
