"""The world: plays a script from its first call to the last promise.

Owns the order of a history (everything may go wrong; nothing new goes wrong; everything is put right),
when the process dies and when it is started again. What has to hold is judged by ``promises``.
"""

import asyncio
import contextvars
from contextlib import nullcontext
from random import Random
from typing import Final

from relay.core.errors import RelayError
from tests.record.harness import Stumbled
from tests.simulator import promises
from tests.simulator.api import Api
from tests.simulator.days import pass_days
from tests.simulator.destinations import Destination
from tests.simulator.disk import Disk, Room
from tests.simulator.history import BrokenError, History
from tests.simulator.layout import Layout
from tests.simulator.lines import heard
from tests.simulator.loop import Stalled, VirtualLoop, pause
from tests.simulator.operator import resume_all
from tests.simulator.ports import Machine, Thread
from tests.simulator.process import Process
from tests.simulator.reckoning import at_the_end
from tests.simulator.script import (
    CALM,
    HORIZON,
    Blackout,
    BlackoutAt,
    Jump,
    Outage,
    Place,
    Script,
    Stuck,
    Stumble,
)
from tests.simulator.story import ApiFault, Call, Course
from tests.simulator.troubles import arrange
from tests.simulator.truth import outcome_at
from tests.simulator.upstream import Upstream

__all__ = ["Failure", "Played", "play"]

#: Seconds within which everything has to end once everything works.
DRAIN_S: Final = 90.0
STOP_S: Final = 2.0
#: Seconds in which what is due is asked for, and in which the answers come.
ASKED_S: Final = 1.2
ASKED_MAX_S: Final = 10.0
#: A batch that hangs is waited for twice, and until then a sweep does not say whom else it has found.
HANGS_S: Final = 2.5
#: Each is twice as long as the one before it.
LEAPS_MAX: Final = 20


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
        tears = any(isinstance(one, Blackout | BlackoutAt) for one in script.faults)
        self.disk = Disk(room, f"{seed:x}", Random(seed ^ 0xD15C), tears=tears)
        self._latencies = Random(seed ^ 0x7EAD)
        #: What the file says that the relay reads its configuration from.
        self.layout = Layout.first(script)
        self.destinations = [
            self._destination(place, Random(seed + 31 * number))
            for number, place in enumerate(script.places)
        ]
        self.upstream = Upstream(
            self.loop,
            Random(seed ^ 0xCA11),
            self.history,
            {course.subject: course for course in script.courses},
            process=lambda: self.process,
            acknowledged=lambda taken: promises.acknowledged(self, taken),
        )
        self.process: Process | None = None
        self.processes: list[Process] = []
        #: Whether the process has to be started anew when it works again.
        self.context = contextvars.copy_context()
        self._down = asyncio.Event()
        self._pause_s = 0.05
        self._ended = False
        #: Whether the last life ended with the machine's power.
        self.powerless = False
        self.api = Api(
            script,
            self.loop,
            Random(seed ^ 0xA91),
            self.history,
            redeliver=self._redeliver,
        )
        #: Since when everything works but what never will.
        self.works_at = 0.0
        #: Every configuration that was in the file.
        self.layouts = [self.layout]

    def _destination(self, place: Place, dice: Random) -> Destination:
        faults = self.script.faults
        return Destination(
            place,
            outages=[
                f for f in faults if isinstance(f, Outage) and f.place == place.name
            ],
            stuck=[f for f in faults if isinstance(f, Stuck) and f.place == place.name],
            history=self.history,
            dice=dice,
            # Who is told otherwise by the clock, or forgets what he was told, may be early.
            punctual=not any(
                isinstance(f, Jump)
                or (isinstance(f, Stumble) and f.point == "after-send")
                for f in faults
            ),
        )

    # --- the order of a history -------------------------------------------------------------------

    async def play(self) -> None:
        """Raises BrokenError where a promise does not hold."""
        for number, call in enumerate(self.script.calls):
            self.watch(self.upstream.call(number, call))
        for fault in self.script.faults:
            arrange(self, fault)
        self.watch(self._keep_up())
        await self.within(HORIZON)
        self.disk.mend()
        self.machine.hooks.clear()
        self.machine.set_right()
        self.history.note("world", "nothing new goes wrong")
        committed = promises.committed(self)
        await self.within(CALM)
        promises.independent(self, committed)
        for destination in self.destinations:
            destination.mend()
        self.machine.set_right()
        self.works_at = self.loop.time()
        self.history.note("world", "everything works")
        self.fill_disk(full=False)
        self.configure(self.layout.with_places(*self.script.places))
        self.watch(resume_all(self))
        await self.drained()
        await self._settled()
        if self.script.days is not None:
            await pass_days(self, self.script.days)
        self._ended = True
        if self.process is not None:
            await self._end(self.process)
        at_the_end(self)

    async def drained(self) -> None:
        """Let everything be delivered."""
        waited = 0.0
        while self.upstream.busy or promises.open_deliveries(self):
            await self.within(0.25)
            waited += 0.25
            if waited > DRAIN_S:
                left = promises.open_deliveries(self)
                raise BrokenError("P3", f"still open when everything works: {left}")

    async def _settled(self) -> None:
        """Let hours pass until nobody waits for anything that may still come."""
        stride = max(self.script.asking.every, 30) + 1.0
        for _ in range(LEAPS_MAX):
            await self._asked()
            await self.drained()
            if promises.settled(self):
                return
            self.history.note("world", f"{stride:.0f} s pass")
            self.loop.leap(stride)
            stride *= 2
        raise BrokenError(
            "P6", f"still open after days: {promises.open_inquiries(self)}"
        )

    async def _asked(self) -> None:
        """Let whoever is due be asked for."""
        faults = self.script.faults
        slow = any(isinstance(f, ApiFault) and f.delays_sweeps for f in faults)
        await self.within(ASKED_S + HANGS_S * slow)
        waited = 0.0
        while waited < ASKED_MAX_S and promises.asking(self):
            await self.within(0.25)
            waited += 0.25

    def _redeliver(self, course: Course) -> None:
        """The upstream sends a callback once more."""
        now = self.loop.time()
        call = Call(
            at=now + 0.05,
            subject=course.subject,
            shape="whole",
            outcome=outcome_at(course, now) or course.outcome,
            spelling=0,
            client_ref=course.client_ref,
        )
        self.watch(self.upstream.call(len(self.upstream.said), call))

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
                self.api,
                script=self.script,
                read=lambda: self.layout,
                world=self.context,
            )
            self.processes.append(process)
            self.process = process
            await self._started(process)
            if process.ready:
                self.history.note("relay", f"life {len(self.processes)} is ready")
                promises.after_start(self)
                self.watch(self._end_failed(process))
            await self._down.wait()
            await pause(self._pause_s)

    async def _started(self, process: Process) -> None:
        try:
            await self.loop.begin(process.life, process.start())
        except (RelayError, Stumbled) as error:
            self.history.note("relay", f"does not start: {error}")
            self.kill(0.5)

    async def _end_failed(self, process: Process) -> None:
        await self.loop.begin(process.life, process.failed())
        if process.life.alive and not process.stopping:
            self.history.note("relay", "has failed, and stops")
            await self.stop(0.5)

    async def stop(self, down: float, within: float = STOP_S) -> None:
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
        self.disk.closed()
        self.process = None
        self.powerless = False
        self.history.note("relay", "has stopped")

    def kill(self, down: float, *, powerless: bool = False) -> None:
        """The process is gone, at once; with the machine's power, if that is what it lost."""
        process = self.process
        if process is None or not process.life.alive:
            return
        self.history.note("relay", "dies")
        self.loop.kill(process.life)
        self.process = None
        self.powerless = powerless
        self._pause_s = down
        self.loop.call_soon(self._bury_file, process, context=self.context)

    def _bury_file(self, process: Process) -> None:
        """Once the statement that it died in has returned."""
        self.disk.leave_behind(process.store, powerless=self.powerless)
        self._down.set()

    # --- what surrounds it ------------------------------------------------------------------------

    def configure(self, layout: Layout) -> None:
        """Change the file, and tell the relay that it has changed."""
        self.layout = layout
        self.layouts.append(layout)
        self.history.note("world", f"configuration {layout.number}")
        process = self.process
        if process is not None and process.ready:
            process.reloader.ask()

    def fill_disk(self, *, full: bool) -> None:
        """From now on the disk is fuller than it may be, or not any more."""
        self.disk.fill(full=full)
        self.upstream.full_since = self.loop.time() if full else None

    # --- time -------------------------------------------------------------------------------------

    def watch(self, work: "asyncio.Future[None] | object") -> None:
        """Something of the world's own; what it finds broken ends the history."""
        task = self.loop.create_task(work, context=self.context)
        task.add_done_callback(self._look_at)

    def _look_at(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.broken.done():
            self.broken.set_exception(error)

    async def within(self, seconds: float) -> None:
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
        found = self.history.broken
        return None if found is None else Failure(found.promise, str(found))

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
