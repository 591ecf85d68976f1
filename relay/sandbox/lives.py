"""The lives of runs and batches: who waits between their moves, and when they call back.

Owns a task for each run and batch under way and for each redelivery, and what they wait for: time, an
administrator, a later callback, the runs of a batch. What a move is, and what is sent, is theirs.

A life can be taken up again where it stopped: each step is skipped if it was done before.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Final

from relay.sandbox.book import Book
from relay.sandbox.callbacks import freeze
from relay.sandbox.clock import pause
from relay.sandbox.sender import Sender
from relay.sandbox.state import Batch, Delivery, Run, Subject

__all__ = ["Lives"]

#: How a run's time is shared out between ``queued``, ``dispatching`` and ``running``.
_SHARES: Final = {"queued": 0.1, "dispatching": 0.1, "running": 0.8}
#: A callback waits no longer for a later one to come first, in seconds.
_OVERTAKEN_S_MAX: Final = 2.0


class Lives:
    """Everything that is under way. `open` and `begin` start it, the stack that is given ends it."""

    def __init__(
        self,
        *,
        book: Book,
        sender: Sender,
        run_seconds: tuple[float, float],
        now: Callable[[], datetime],
    ) -> None:
        self._book = book
        self._sender = sender
        self._run_seconds = run_seconds
        self._now = now
        self._base = ""
        self._crew: asyncio.TaskGroup | None = None
        self._under_way = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._woken: dict[int, asyncio.Event] = {}
        self._passed = asyncio.Event()

    async def open(
        self, opening: AsyncExitStack, *, on_end: Callable[[], None]
    ) -> None:
        """Make ready.

        Args:
            opening: Its closing ends every life at once.
            on_end: Is called when a defect has ended all of them, or they are closed.
        """
        self._crew = await _open_crew(opening, on_end)

    def begin(self, base: str) -> None:
        """Take up what was under way when the state was left.

        Args:
            base: The sandbox's address, which stands in links.
        """
        self._base = base
        for run in self._book.runs:
            if not run.settled:
                self.live(run)
        for batch in self._book.batches:
            if not batch.settled:
                self.live(batch)
        for subject in self._book.subjects():
            for sent in subject.deliveries:
                if sent.copy is None and sent.state == "pending":
                    self._start(self._send(subject, sent), f"redelivery {sent.id}")

    def live(self, subject: Subject) -> None:
        """Let a run or batch live."""
        if isinstance(subject, Batch):
            self._start(self._batch(subject), subject.place)
            return
        if not subject.over:
            self._woken[subject.number] = asyncio.Event()
        self._start(self._run(subject), f"run {subject.id}")

    def redeliver(self, subject: Subject) -> Delivery:
        """Send a callback that was asked for by hand, built from what is so now."""
        sent = self._freeze(subject, None)
        self._start(self._send(subject, sent), f"redelivery {sent.id}")
        return sent

    def wake(self, run: Run) -> None:
        """Something else has ended the run: its life need not wait any longer."""
        if run.number in self._woken:
            self._woken[run.number].set()

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        await self._quiet.wait()

    def _start(self, course: Coroutine[None, None, None], name: str) -> None:
        if self._crew is None:
            course.close()
            raise RuntimeError("the sandbox has not been started")
        self._under_way += 1
        self._quiet.clear()
        self._crew.create_task(self._counted(course), name=name)

    async def _counted(self, course: Coroutine[None, None, None]) -> None:
        try:
            await course
        finally:
            # cut short by a stop, it is quiet too: nobody waits for what cannot come
            self._under_way -= 1
            if not self._under_way:
                self._quiet.set()

    async def _run(self, run: Run) -> None:
        await self._till_over(run)
        mine = [self._frozen(run, index) for index in range(len(run.fate.copies))]
        second = run.fate.revision
        if second is not None and run.fate.overtaken and second.copies:
            await self._revise(run, len(mine))
            await self._send_all(run, mine)
        else:
            await self._send_all(run, mine)
            await self._revise(run, len(mine))
        await self._settle(run)

    async def _till_over(self, run: Run) -> None:
        shortest_s, longest_s = self._run_seconds
        length_s = shortest_s + (longest_s - shortest_s) * run.fate.span
        moves: dict[str, Callable[[datetime], None]] = {
            "queued": run.dispatch,
            "dispatching": run.begin,
            "running": run.finish,
        }
        try:
            while not run.over:
                stage = run.status
                await self._wait(run, length_s * _SHARES[stage])
                if not run.over:
                    moves[stage](self._now())
                    await self._note(run)
        finally:
            if run.number in self._woken:
                self._woken.pop(run.number).set()

    async def _wait(self, run: Run, delay_s: float) -> None:
        woken = self._woken[run.number]
        if delay_s <= 0:
            await pause(0)
            return
        try:
            async with asyncio.timeout(delay_s):
                await woken.wait()
        except TimeoutError:
            return

    async def _revise(self, run: Run, index: int) -> None:
        if run.fate.revision is None or run.touched:
            return
        if not run.revised:
            await pause(self._run_seconds[0])
            run.revise(self._now())
            await self._note(run)
        copies = range(index, index + len(run.fate.revision.copies))
        await self._send_each(run, [self._frozen(run, copy) for copy in copies])

    async def _batch(self, batch: Batch) -> None:
        if not batch.over:
            for run in batch.runs:
                while not run.over and run.number in self._woken:
                    await self._end_of(run)
            batch.completed_at = self._now()
            await self._note(batch)
        mine = [self._frozen(batch, index) for index in range(len(batch.fate.copies))]
        await self._send_all(batch, mine)
        await self._settle(batch)

    async def _end_of(self, run: Run) -> None:
        await self._woken[run.number].wait()
        await pause(0)

    def _frozen(self, subject: Subject, index: int) -> Delivery | None:
        if subject.callback_url is None:
            return None
        made = [sent for sent in subject.deliveries if sent.copy == index]
        return made[0] if made else self._freeze(subject, index)

    def _freeze(self, subject: Subject, index: int | None) -> Delivery:
        at, signers = self._now(), self._book.signers()
        sent = freeze(subject, index, signers=signers, base=self._base, at=at)
        subject.deliveries.append(sent)
        for secret in signers:
            if secret is not None and secret.id == sent.secret_id:
                secret.last_used_at = at
                self._book.note(secret)
        self._book.note(subject)
        return sent

    async def _send_all(self, subject: Subject, sent: list[Delivery | None]) -> None:
        """Send the callback of an end, late or overtaken if that is its fate."""
        if any(each is not None and not each.attempts for each in sent[:1]):
            await self._book.kept()
            await pause(subject.fate.delay_s)
            if subject.fate.overtaken:
                await self._overtaken()
        await self._send_each(subject, sent)

    async def _send_each(self, subject: Subject, sent: list[Delivery | None]) -> None:
        for each in sent:
            if each is not None:
                await self._send(subject, each)

    async def _send(self, subject: Subject, sent: Delivery) -> None:
        await self._book.kept()
        await self._sender.deliver(subject, sent)
        passed, self._passed = self._passed, asyncio.Event()
        passed.set()
        await self._note(subject)

    async def _overtaken(self) -> None:
        try:
            async with asyncio.timeout(_OVERTAKEN_S_MAX):
                await self._passed.wait()
        except TimeoutError:
            return  # there is no later one

    async def _settle(self, subject: Subject) -> None:
        subject.settled = True
        await self._note(subject)

    async def _note(self, subject: Subject) -> None:
        self._book.note(subject)
        await self._book.kept()


async def _open_crew(
    opening: AsyncExitStack, on_end: Callable[[], None]
) -> asyncio.TaskGroup:
    """A task group that lives until the stack closes and is then cancelled.

    A group must be left by the task that entered it, and a sandbox may be started and stopped by different
    ones: so the group has a task of its own, which the stack owns.
    """
    entered: asyncio.Future[asyncio.TaskGroup]
    entered = asyncio.get_running_loop().create_future()

    async def hold() -> None:
        async with asyncio.TaskGroup() as crew:
            entered.set_result(crew)
            await asyncio.Event().wait()

    holder = asyncio.get_running_loop().create_task(hold(), name="sandbox lives")
    holder.add_done_callback(lambda _: on_end())

    async def close() -> None:
        holder.cancel()
        await asyncio.wait({holder})
        if not holder.cancelled():
            holder.result()

    opening.push_async_callback(close)
    return await entered
