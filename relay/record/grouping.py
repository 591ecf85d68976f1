"""Grouping: everything that waits shares the next commit.

Owns who waits, for how long and in which order, whatever the store: while one group commits, the
next one gathers. Knows nothing of SQL, and of what jobs mean only that each is answered by the
commit that carried it.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from relay.core.errors import RelayError, StoreBusyError, StoreFailedError
from relay.core.ports import Metrics

__all__ = ["Answer", "Grouper"]

Job = TypeVar("Job")
Answer = object


class _Ticket(Generic[Job]):
    __slots__ = ("answer", "job", "since")

    def __init__(self, job: Job, answer: asyncio.Future[Answer], since: float) -> None:
        self.job = job
        self.answer = answer
        self.since = since


class Grouper(Generic[Job]):
    """Collects jobs and hands them in groups to ``commit``, one group at a time.

    ``commit`` gives one answer per job, an exception among them where one job failed; when it
    raises, every job of the group failed, and unless it raises a RelayError the store has failed.
    ``between`` runs when a group has been answered.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Job]], Awaitable[Sequence[Answer]]],
        *,
        between: Callable[[], Awaitable[None]],
        group_size: int,
        waiting: int,
        timeout_s: float,
        metrics: Metrics,
    ) -> None:
        self._commit = commit
        self._between = between
        self._group_size = group_size
        self._waiting_max = waiting
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._tickets: deque[_Ticket[Job]] = deque()
        self._under_way: Sequence[_Ticket[Job]] = ()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self.failure: StoreFailedError | None = None

    def submit(self, job: Job, *, urgent: bool = False) -> asyncio.Future[Answer]:
        """Let a job ride with the next commit.

        ``urgent`` jobs (what happened to a delivery) are taken even when much is waiting and wait
        as long as it takes: they make the backlog smaller. The future of any other job fails with
        StoreBusyError when no commit ends in time.

        Raises:
            StoreBusyError: too much waits already.
            StoreFailedError: the store has failed.
        """
        if self.failure is not None:
            raise StoreFailedError(str(self.failure)) from self.failure
        if self._closing:
            raise StoreBusyError("the store is closing")
        if not urgent and len(self._tickets) >= self._waiting_max:
            raise StoreBusyError("too much is waiting for a commit")
        loop = asyncio.get_running_loop()
        since = math.inf if urgent else loop.time()
        ticket = _Ticket(job, loop.create_future(), since)
        self._tickets.append(ticket)
        self._wake.set()
        if self._timer is None and not urgent:
            self._timer = loop.call_later(self._timeout_s, self._expire)
        return ticket.answer

    async def run(self) -> None:
        """Commit group after group until closed and empty, or until the store fails.

        Raises:
            StoreFailedError: the store can no longer be trusted.
        """
        try:
            await self._run()
        except StoreFailedError as error:
            self.failure = error
            self._fail_the_rest(error)
            raise
        except asyncio.CancelledError:
            self._fail_the_rest(StoreBusyError("the store is closing"))
            raise

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            if not self._tickets:
                if self._closing:
                    return
                self._wake.clear()
                continue
            if len(self._tickets) < self._group_size:
                await _turn()
            size = min(len(self._tickets), self._group_size)
            await self._run_group([self._tickets.popleft() for _ in range(size)])
            await self._between()

    def close(self) -> None:
        """Take nothing more; :meth:`run` ends after what waits now."""
        self._closing = True
        self._wake.set()

    async def _run_group(self, group: Sequence[_Ticket[Job]]) -> None:
        loop = asyncio.get_running_loop()
        self._under_way = group
        started = loop.time()
        answers: Sequence[Answer]
        try:
            answers = await self._commit([ticket.job for ticket in group])
        except RelayError as error:
            answers = [error] * len(group)
            if isinstance(error, StoreFailedError):
                self._answer(group, answers)
                raise
        except BaseException as error:
            # Whatever it was, nobody may be left waiting for an answer that never comes.
            told = _told(error)
            self._answer(group, [told] * len(group))
            if isinstance(told, StoreFailedError):
                raise told from error
            raise
        self._metrics.observe("runflow_relay_commit_seconds", loop.time() - started)
        self._metrics.observe("runflow_relay_commit_size", len(group))
        self._answer(group, answers)

    def _answer(self, group: Sequence[_Ticket[Job]], answers: Sequence[Answer]) -> None:
        self._under_way = ()
        for ticket, answer in zip(group, answers, strict=True):
            _resolve(ticket.answer, answer)

    def _fail_the_rest(self, failure: RelayError) -> None:
        while self._tickets:
            _resolve(self._tickets.popleft().answer, failure)

    def _expire(self) -> None:
        """Fail what has waited too long; the commit may still end after that."""
        loop = asyncio.get_running_loop()
        limit = loop.time() - self._timeout_s
        oldest: float | None = None
        for ticket in (*self._under_way, *self._tickets):
            if ticket.answer.done():
                continue
            if ticket.since <= limit:
                _resolve(ticket.answer, StoreBusyError("no commit in time"))
            else:
                oldest = ticket.since if oldest is None else min(oldest, ticket.since)
        # Who was told to come again need not be committed, and must not be kept in memory.
        waiting = [
            t for t in self._tickets if t.since == math.inf or not t.answer.done()
        ]
        self._tickets = deque(waiting)
        self._timer = None
        if oldest is not None and oldest != math.inf:
            self._timer = loop.call_at(oldest + self._timeout_s, self._expire)


def _told(error: BaseException) -> RelayError:
    """What those of a group hear whose commit ended in something that nobody expected.

    What it leased may be on disk, and handed to nobody: only a next start frees that, so an error ends
    the process as a failed store does. A process that is ending anyway starts again by itself.
    """
    kind = StoreFailedError if isinstance(error, Exception) else StoreBusyError
    told = kind(f"the commit ended in {type(error).__name__}")
    told.__cause__ = error
    return told


async def _turn() -> None:
    """Let the loop turn once: whoever is at the door already comes along.

    After a commit its callers' next requests arrive one by one; without this the first of them
    would have a commit, and an fsync, to itself.
    """
    loop = asyncio.get_running_loop()
    turned = loop.create_future()
    loop.call_soon(loop.call_soon, _resolve, turned, None)
    await turned


def _resolve(answer: asyncio.Future[Answer], value: Answer) -> None:
    if answer.done():
        return
    if isinstance(value, BaseException):
        answer.set_exception(value)
    else:
        answer.set_result(value)
