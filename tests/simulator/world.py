"""The world: plays a script from its first call to the last promise.

Owns the order of a history (everything may go wrong; nothing new goes wrong; everything is put right),
when the process dies and when it is started again. What has to hold is judged by ``promises``.
"""

import asyncio
import contextvars
from collections import Counter
from contextlib import nullcontext
from random import Random
from typing import Final

from relay.core.errors import RelayError
from relay.record.codes import OUTCOME_CODES
from tests.record.harness import Stumbled
from tests.simulator import promises
from tests.simulator.destinations import Destination
from tests.simulator.disk import Disk, Room
from tests.simulator.history import BrokenError, History
from tests.simulator.lines import heard
from tests.simulator.loop import Died, Stalled, VirtualLoop, pause
from tests.simulator.ports import Machine, Thread
from tests.simulator.process import Process
from tests.simulator.revise import revise
from tests.simulator.script import (
    CALM,
    HORIZON,
    Crash,
    CrashAt,
    Fault,
    Jump,
    Outage,
    Revise,
    Script,
    Slow,
    Stop,
    StoreFault,
    Stuck,
    Stumble,
)
from tests.simulator.upstream import Upstream, run_id

__all__ = ["Failure", "Played", "play"]

#: Seconds within which everything has to end once everything works.
DRAIN_S: Final = 90.0
STOP_S: Final = 2.0


class Failure:
    """What broke in a history."""

    def __init__(self, promise: str, why: str) -> None:
        self.promise = promise
        self.why = why


class Played:
    """A history that was played, and what broke in it."""

    def __init__(self, script: Script, failure: Failure | None, text: str) -> None:
        self.script = script
        self.failure = failure
        self.text = text


class World:
    """One relay and everything around it."""

    def __init__(self, script: Script, room: Room) -> None:
        self.script = script
        # Each has chances of its own, so that a script that is cut down changes little else.
        seed = script.seed
        self.loop = VirtualLoop(Random(seed ^ 0x5EED), shuffled=script.shuffled)
        self.history = History(self.loop.time)
        self.machine = Machine(self.loop, Random(seed ^ 0xD1CE))
        self.disk = Disk(room, f"{seed:x}")
        self._latencies = Random(seed ^ 0x7EAD)
        self._runs = [
            run_id(n) for n in range(1 + max((c.run for c in script.calls), default=0))
        ]
        self.destinations = [
            Destination(
                place,
                outages=[
                    f
                    for f in script.faults
                    if isinstance(f, Outage) and f.place == place.name
                ],
                stuck=[
                    f
                    for f in script.faults
                    if isinstance(f, Stuck)
                    and f.place == place.name
                    and f.run < len(self._runs)
                ],
                runs=self._runs,
                history=self.history,
                dice=Random(seed + 31 * number),
            )
            for number, place in enumerate(script.places)
        ]
        self.upstream = Upstream(
            self.loop,
            Random(seed ^ 0xCA11),
            self.history,
            process=lambda: self.process,
            acknowledged=lambda body: promises.acknowledged(self, body),
        )
        self.process: Process | None = None
        self.processes: list[Process] = []
        #: Whether the process has to be started anew when it works again.
        self._context = contextvars.copy_context()
        self._down = asyncio.Event()
        self._pause_s = 0.05
        self._ended = False
        self.leaking = False
        #: How often the truth about a run was found to be another one, if it was.
        self.asked = Counter[str]()

    # --- the order of a history -------------------------------------------------------------------

    async def play(self) -> None:
        """Raises BrokenError where a promise does not hold."""
        for number, call in enumerate(self.script.calls):
            self._watch(self.upstream.call(number, call))
        for fault in self.script.faults:
            self._arrange(fault)
        self._watch(self._keep_up())
        await self._within(HORIZON)
        self.disk.mend()
        self.machine.hooks.clear()
        self.machine.set_right()
        self.history.note("world", "nothing new goes wrong")
        committed = promises.committed(self)
        await self._within(CALM)
        promises.independent(self, committed)
        for destination in self.destinations:
            destination.mend()
        self.machine.set_right()
        self.history.note("world", "everything works")
        if self.leaking and self.process is not None:
            self._watch(self._stop(0.05))
        await self._drained()
        self._ended = True
        if self.process is not None:
            await self._end(self.process)
        promises.at_the_end(self)

    async def _drained(self) -> None:
        waited = 0.0
        while self.upstream.busy or promises.open_deliveries(self):
            await self._within(0.25)
            waited += 0.25
            if waited > DRAIN_S:
                left = promises.open_deliveries(self)
                raise BrokenError("P3", f"still open when everything works: {left}")

    # --- the process ------------------------------------------------------------------------------

    async def _keep_up(self) -> None:
        """As an orchestrator does: whatever ends is started again."""
        while not self._ended:
            self._down.clear()
            process = Process(
                self.disk,
                self.machine,
                Thread(self.loop, self._latencies, latency=self.script.latency),
                self.destinations,
                script=self.script,
                world=self._context,
            )
            self.processes.append(process)
            self.process = process
            await self._started(process)
            if process.ready:
                self.history.note("relay", f"life {len(self.processes)} is ready")
                promises.after_start(self)
                self._watch(self._end_failed(process))
            await self._down.wait()
            await pause(self._pause_s)

    async def _started(self, process: Process) -> None:
        try:
            await self.loop.begin(process.life, process.start())
        except (RelayError, Stumbled) as error:
            self.history.note("relay", f"does not start: {error}")
            self._kill(0.5)

    async def _end_failed(self, process: Process) -> None:
        await self.loop.begin(process.life, process.failed())
        if process.life.alive and not process.stopping:
            self.history.note("relay", "has failed, and stops")
            await self._stop(0.5)

    async def _stop(self, down: float, within: float = STOP_S) -> None:
        process = self.process
        if process is None or not process.ready:
            return
        self._pause_s = down
        await self._end(process, within)
        self._down.set()

    async def _end(self, process: Process, within: float = STOP_S) -> None:
        self.history.note("relay", "stops")
        process.stopping = True
        # Whoever reads the file while it is closed keeps it from being tidied up.
        self.disk.look_away()
        await self.loop.begin(process.life, process.stop(within_s=within))
        if not process.life.alive:
            return
        self.loop.kill(process.life)
        self.process = None
        self.history.note("relay", "has stopped")

    def _kill(self, down: float) -> None:
        """The process is gone, at once."""
        process = self.process
        if process is None or not process.life.alive:
            return
        self.history.note("relay", "dies")
        self.loop.kill(process.life)
        self.process = None
        self._pause_s = down
        self.loop.call_soon(self._bury_file, process, context=self._context)

    def _bury_file(self, process: Process) -> None:
        """Once the statement that it died in has returned."""
        self.disk.leave_behind(process.store)
        self._down.set()

    # --- faults -----------------------------------------------------------------------------------

    def _arrange(self, fault: Fault) -> None:
        match fault:
            case CrashAt(point, nth, down):
                self.machine.hooks[point, nth] = lambda: self._die_here(point, down)
            case Stumble(point, nth):
                self.machine.hooks[point, nth] = lambda: self._stumble(point)
            case Outage() | Stuck():
                pass
            case _:
                self.loop.call_at(fault.at, self._happen, fault)

    def _happen(self, fault: Fault) -> None:
        self.history.note("world", str(fault))
        match fault:
            case Crash(down=down):
                self._kill(down)
            case Stop(down=down, within=within):
                self._watch(self._stop(down, within))
            case StoreFault(how=how, times=times):
                self.disk.break_down(how, times)
            case Slow(seconds=seconds) if self.process is not None:
                self.process.thread.stand_still(seconds)
            case Jump(seconds=seconds):
                self.machine.jump(seconds)
            case Revise() if fault.run < len(self._runs):
                self._watch(self._revise(fault))
            case _:
                pass

    def _die_here(self, point: str, down: float) -> None:
        self.history.note("world", f"death at {point}")
        self._kill(down)
        raise Died

    def _stumble(self, point: str) -> None:
        self.history.note("world", f"a stumble at {point}")
        if point == "after-commit":
            # What was leased in that commit is in nobody's hands until the next start.
            self.leaking = True
        raise Stumbled

    async def _revise(self, fault: Revise) -> None:
        process = self.process
        if process is None or not process.ready:
            return
        self.asked[self._runs[fault.run]] += 1
        outcome = list(OUTCOME_CODES)[fault.outcome]
        work = revise(process, self._runs[fault.run], outcome, self.machine.now_us())
        try:
            places = await self.loop.begin(process.life, work)
        except (RelayError, OSError) as error:
            self.history.note("world", f"no revision: {error}")
            return
        if places:
            self.history.note("world", f"run {fault.run} is {outcome.value} after all")
            if fault.hinted and process.life.alive:
                process.dispatch.hint(places)

    # --- time -------------------------------------------------------------------------------------

    def _watch(self, work: "asyncio.Future[None] | object") -> None:
        """Something of the world's own; what it finds broken ends the history."""
        task = self.loop.create_task(work, context=self._context)
        task.add_done_callback(self._look_at)

    def _look_at(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.broken.done():
            self.broken.set_exception(error)

    async def _within(self, seconds: float) -> None:
        """Let time pass, unless something breaks."""
        passed = asyncio.ensure_future(pause(seconds))  # noqa: TID251 - awaited on the next line
        await asyncio.wait([passed, self.broken], return_when=asyncio.FIRST_COMPLETED)
        if self.broken.done():
            self.broken.result()

    def run(self) -> Failure | None:
        """Play it all."""
        self.broken: asyncio.Future[None] = self.loop.create_future()
        try:
            self.loop.run_until_complete(self.play())
        except BrokenError as error:
            return Failure(error.promise, str(error))
        except Stalled:
            return Failure("P3", "everything waits for ever")
        finally:
            self._clear_up()
        return None

    def _clear_up(self) -> None:
        for process in self.processes:
            self.loop.bury(process.life)
            process.store._close()
        self.loop.bury_rest()
        self.loop.close()
        self.disk.close()


def play(script: Script, room: Room, *, aloud: bool = False) -> Played:
    """Play a script; ``aloud``, what the relay logs is part of the history."""
    world = World(script, room)
    with heard(world.history) if aloud else nullcontext():
        failure = world.run()
    return Played(script, failure, world.history.text)
