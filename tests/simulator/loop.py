"""The virtual loop: time jumps to the next timer as soon as nothing is ready.

Owns time, the order of what is ready, and lives: everything that one process of the relay has started
carries its life, and nothing of a life that has ended is ever run again. Knows nothing of the relay.
"""

import asyncio
import contextvars
import heapq
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any, Final, TypeVar, TypeVarTuple

#: Seconds that one turn of the loop takes at least.
TURN_S: Final = 1e-6

__all__ = ["LIFE", "Died", "Life", "Stalled", "VirtualLoop", "pause"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Died(BaseException):
    """The process is killed here. No ``except Exception`` may survive it."""


class Stalled(RuntimeError):  # noqa: N818 - what has happened, not what is wrong
    """Nothing is ready, and nothing ever will be."""


class Life:
    """Everything that one process has started."""

    def __init__(self) -> None:
        self.alive = True
        self.tasks: list[asyncio.Task[Any]] = []
        #: Those outside who wait for something of this life, in their order.
        self.outside: dict[asyncio.Future[Any], None] = {}


#: Whose the running callback is; None is the world's.
LIFE: Final[contextvars.ContextVar[Life | None]] = contextvars.ContextVar(
    "life", default=None
)


class _Task(asyncio.Task[Any]):
    """A task that has the same place in a set in every run of a history."""

    def __init__(self, coroutine: Any, *, serial: int, **options: Any) -> None:
        self._serial = serial
        super().__init__(coroutine, name=str(serial), **options)

    def __hash__(self) -> int:
        return self._serial


class _Handle(asyncio.TimerHandle):
    """What is called soon or later: a timer's handle without what only a debugger asks of it."""

    __slots__ = ()

    # What the base class has, and its stubs keep to themselves.
    _callback: Any
    _args: Any
    _context: contextvars.Context

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: Sequence[Any],
        loop: "VirtualLoop",
        context: contextvars.Context | None,
    ) -> None:
        # Not the base class's: what it asks of the loop and of the stack costs as much as all else here.
        found = contextvars.copy_context() if context is None else context
        self._context = found
        self._loop = loop
        self._source_traceback = self._repr = None
        self._scheduled = False
        self._when = when
        life = found.get(LIFE)
        if life is None or life.alive:
            self._callback, self._args, self._cancelled = callback, args, False
        else:
            # Nothing of the dead is run.
            self._callback, self._args, self._cancelled = None, None, True

    def cancel(self) -> None:
        self._cancelled = True
        self._callback = self._args = None


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop without a selector, without threads and without real time."""

    # What the base class has, and its stubs keep to themselves.
    _ready: Any
    _stopping: bool

    def __init__(self, dice: Random, *, shuffled: bool) -> None:
        super().__init__()
        self.set_debug(False)
        self.set_exception_handler(_look_away)
        self._now = 0.0
        self._dice = dice
        self._shuffled = shuffled
        self._serial = 0
        #: What is to come, in the order of time and then in that in which it was asked for.
        self._timers: list[tuple[float, int, Any]] = []
        self._timed = 0
        #: What belongs to no process.
        self._rest = Life()
        self.turns = 0

    # --- what the base class asks for -------------------------------------------------------------

    def time(self) -> float:
        return self._now

    def _write_to_self(self) -> None:
        """There is no selector to be woken."""

    def leap(self, seconds: float) -> None:
        """As if the machine had slept: what would have come meanwhile comes now, in its order."""
        self._now += seconds

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> Any:
        del (
            name
        )  # Names count through all histories; a serial number begins anew with each.
        self._serial += 1
        task = _Task(coro, serial=self._serial, loop=self, context=context)
        life = LIFE.get() if context is None else context.get(LIFE)
        (self._rest if life is None else life).tasks.append(task)
        return task

    # A history is made of some two thousand turns: what the base class does here for threads, debuggers and
    # real time costs a seventh of it.

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        handle = _Handle(0.0, callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = _Handle(when, callback, args, self, context)
        self._timed += 1
        heapq.heappush(self._timers, (when, self._timed, handle))
        return handle

    def _run_once(self) -> None:
        """One turn: let time pass until something is due, then run what was ready when the turn began.

        Raises:
            Stalled: nothing is ready, and nothing ever will be.
        """
        self._let_time_pass()
        ready = self._ready
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            try:
                handle._context.run(handle._callback, *handle._args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - as in every loop: it is heard of, and is no end
                self.call_exception_handler({"exception": error, "handle": handle})

    def _let_time_pass(self) -> None:
        ready, timers, pop = self._ready, self._timers, heapq.heappop
        while timers and timers[0][2]._cancelled:
            pop(timers)
        # A turn takes its time, as everywhere: who waits for a moment does not stop short of it.
        now = self._now + TURN_S
        if not ready and not self._stopping:
            if not timers:
                raise Stalled
            now = max(now, timers[0][0])
        self._now = now
        self.turns += 1
        if self._shuffled and len(ready) > 1:
            self._shuffle()
        while timers and timers[0][0] <= now:
            ready.append(pop(timers)[2])

    # --- lives ------------------------------------------------------------------------------------

    def begin(
        self, life: Life, work: Coroutine[Any, Any, T]
    ) -> "asyncio.Future[T | None]":
        """Let a life do something. None is its result when the life ends first."""
        context = contextvars.copy_context()
        context.run(LIFE.set, life)
        task: asyncio.Task[T] = self.create_task(work, context=context)
        result: asyncio.Future[T | None] = self.create_future()
        life.outside[result] = None
        task.add_done_callback(
            lambda done: _pass_on(life, done, result),
            context=contextvars.copy_context(),
        )
        return result

    def kill(self, life: Life) -> None:
        """Nothing that a life has started goes on. What had left it is on its way."""
        life.alive = False
        # Cancelled where they are: a turn runs as many as there were when it began.
        for handle in (*self._ready, *(timer for *_, timer in self._timers)):
            if handle._context.get(LIFE) is life:
                handle.cancel()
        for waiting in life.outside:
            if not waiting.done():
                waiting.set_result(None)
        life.outside.clear()

    def bury(self, life: Life) -> None:
        """Close what was left standing, when the loop runs no more."""
        life.alive = False
        for task in life.tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined] # asyncio's own switch
            coroutine = task.get_coro()
            for _ in range(8):
                if _closed(coroutine):
                    break
        life.tasks.clear()

    def close(self) -> None:
        self._timers.clear()
        super().close()

    def bury_rest(self) -> None:
        """The same for what was the world's own."""
        self.bury(self._rest)

    def _shuffle(self) -> None:
        """Wake tasks in another order; plain callbacks keep theirs, as asyncio promises."""
        places = [n for n, handle in enumerate(self._ready) if _wakes_a_task(handle)]
        if len(places) < 2:
            return
        handles = [self._ready[n] for n in places]
        self._dice.shuffle(handles)
        for place, handle in zip(places, handles, strict=True):
            self._ready[place] = handle


async def pause(seconds: float) -> None:
    """Let virtual time pass."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_later(seconds, _resolve, passed)
    await passed


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _wakes_a_task(handle: Any) -> bool:
    callback = handle._callback
    if isinstance(getattr(callback, "__self__", None), _Task):
        return True
    return type(callback).__name__ == "TaskStepMethWrapper"


def _pass_on(
    life: Life, done: "asyncio.Task[T]", result: "asyncio.Future[T | None]"
) -> None:
    life.outside.pop(result, None)
    if result.done():
        return
    if done.cancelled():
        result.set_result(None)
        return
    error = done.exception()
    if error is None:
        result.set_result(done.result())
    elif isinstance(error, Died):
        result.set_result(None)
    else:
        result.set_exception(error)


def _closed(coroutine: Any) -> bool:
    try:
        coroutine.close()
    except BaseException:  # noqa: BLE001 - what the dead say is not heard
        return False
    return True


def _look_away(_loop: object, _context: object) -> None:
    """What is said of tasks that were left standing."""
