"""Grouping by itself: who waits, for how long, and what they are told."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from relay.core.errors import StoreBusyError, StoreFailedError, UnstorableError
from relay.record.grouping import Grouper
from tests.fakes import RecordingMetrics


class Bench:
    """A grouper whose commits end when, and as, they are told to."""

    def __init__(
        self, *, group_size: int = 3, waiting: int = 4, timeout_s: float = 5
    ) -> None:
        self.metrics = RecordingMetrics()
        #: The groups that were committed, and `|` for each look in between.
        self.log: list[str] = []
        self.going = asyncio.Event()
        self.going.set()
        self.under_way = asyncio.Event()
        self.answer: Callable[[str], object] = str.upper
        self.between_raises: BaseException | None = None
        self.grouper: Grouper[str] = Grouper(
            self._commit,
            between=self._between,
            group_size=group_size,
            waiting=waiting,
            timeout_s=timeout_s,
            metrics=self.metrics,
        )
        self.task = self.start()

    def start(self) -> asyncio.Task[None]:
        self.task = asyncio.get_running_loop().create_task(self.grouper.run())
        return self.task

    def stand(self) -> None:
        """From now on commits stand before their end."""
        self.going.clear()
        self.under_way.clear()

    async def _commit(self, jobs: Sequence[str]) -> Sequence[object]:
        self.under_way.set()
        await self.going.wait()
        self.log.append("".join(jobs))
        return [self.answer(job) for job in jobs]

    async def _between(self) -> None:
        self.log.append("|")
        if self.between_raises is not None:
            raise self.between_raises


class Payload(str):
    """A job that can be watched."""

    __slots__ = ("__weakref__",)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await end(bench)


async def end(bench: Bench) -> None:
    bench.task.cancel()
    await asyncio.wait([bench.task])


async def submit(bench: Bench, jobs: str) -> list[object]:
    return await asyncio.gather(
        *(bench.grouper.submit(job) for job in jobs), return_exceptions=True
    )


async def test_each_job_has_the_answer_of_its_own(bench: Bench) -> None:
    assert await submit(bench, "abc") == ["A", "B", "C"]


async def test_what_comes_during_a_commit_shares_the_next(bench: Bench) -> None:
    """In the order in which it came, no more than a group holds, one group at a time."""
    bench.stand()
    first = bench.grouper.submit("a")
    await bench.under_way.wait()
    rest = [bench.grouper.submit(job) for job in "bcde"]
    bench.going.set()
    await asyncio.gather(first, *rest)
    await asyncio.wait([bench.task], timeout=0.01)
    assert "".join(bench.log) == "a|bcd|e|"


async def test_sizes_and_times_of_commits_are_measured(bench: Bench) -> None:
    await submit(bench, "abcd")
    assert bench.metrics.observations["runflow_relay_commit_size"] == [3, 1]
    assert len(bench.metrics.observations["runflow_relay_commit_seconds"]) == 2


async def test_one_failed_job_is_one_failed_caller(bench: Bench) -> None:
    error = UnstorableError("odd")
    bench.answer = lambda job: error if job == "b" else job
    assert await submit(bench, "abc") == ["a", error, "c"]


async def test_a_failed_group_does_not_stop_the_next(bench: Bench) -> None:
    bench.answer = lambda job: _raise(StoreBusyError("locked")) if job == "a" else job
    one, two = await submit(bench, "ab")
    assert isinstance(one, StoreBusyError)
    assert isinstance(two, StoreBusyError)
    assert await submit(bench, "c") == ["c"]


async def test_a_failed_store_answers_nobody_any_more(bench: Bench) -> None:
    """Neither its group, nor who waits, nor who comes later."""
    bench.answer = lambda _: _raise(StoreFailedError("fsync"))
    answers = await submit(bench, "abcd")
    assert [type(answer) for answer in answers] == [StoreFailedError] * 4
    with pytest.raises(StoreFailedError, match="fsync"):
        await bench.task
    with pytest.raises(StoreFailedError, match="fsync"):
        await bench.grouper.submit("e", urgent=True)


async def test_a_failure_between_commits_fails_the_store_too(bench: Bench) -> None:
    """What was committed before is answered as committed."""
    bench.between_raises = StoreFailedError("checkpoint")
    bench.stand()
    first = bench.grouper.submit("a")
    await bench.under_way.wait()
    waits = [bench.grouper.submit("b"), bench.grouper.submit("c", urgent=True)]
    bench.going.set()
    assert await first == "A"
    for answer in waits:
        with pytest.raises(StoreFailedError, match="checkpoint"):
            await answer
    with pytest.raises(StoreFailedError, match="checkpoint"):
        await bench.grouper.submit("d")
    assert isinstance(bench.task.exception(), StoreFailedError)


async def test_the_unexpected_fails_the_store(bench: Bench) -> None:
    """What the commit leased may be in nobody's hands: nobody is left waiting, and nothing goes on."""
    bench.answer = lambda job: _raise(ZeroDivisionError()) if job == "a" else job
    bench.stand()
    first = bench.grouper.submit("a", urgent=True)
    await bench.under_way.wait()
    second = bench.grouper.submit("b")
    bench.going.set()
    for answer in (first, second):
        with pytest.raises(StoreFailedError, match="ZeroDivisionError"):
            await answer
    with pytest.raises(StoreFailedError) as failure:
        await bench.task
    assert isinstance(failure.value.__cause__, ZeroDivisionError)
    with pytest.raises(StoreFailedError):
        await bench.grouper.submit("c")


async def test_who_waits_too_long_is_told_so() -> None:
    """Under way or not yet; each at his own time; what happened waits on."""
    bench = Bench(timeout_s=0.03)
    loop = asyncio.get_running_loop()
    bench.stand()
    started = loop.time()
    first = bench.grouper.submit("a")
    await bench.under_way.wait()
    urgent = bench.grouper.submit("u", urgent=True)
    await asyncio.wait([urgent], timeout=0.015)
    second = bench.grouper.submit("b")
    with pytest.raises(StoreBusyError, match="in time"):
        await first
    assert not second.done()
    with pytest.raises(StoreBusyError, match="in time"):
        await second
    assert loop.time() - started >= 0.045
    assert not urgent.done()
    bench.going.set()
    assert await urgent == "U"
    assert "".join(bench.log).startswith("a|u|")
    await end(bench)


async def test_who_was_told_to_come_again_is_not_kept_and_not_committed() -> None:
    bench = Bench(timeout_s=0.02)
    bench.stand()
    first = bench.grouper.submit("a", urgent=True)
    await bench.under_way.wait()
    late = Payload("b")
    kept = weakref.ref(late)
    answer = bench.grouper.submit(late)
    del late
    with pytest.raises(StoreBusyError, match="in time"):
        await answer
    del answer
    gc.collect()
    assert kept() is None
    bench.going.set()
    assert await first == "A"
    assert await submit(bench, "c") == ["C"]
    assert bench.log == ["a", "|", "c", "|"]
    await end(bench)


async def test_the_time_limit_starts_anew_for_who_comes_later() -> None:
    """Also after everyone before was answered."""
    bench = Bench(timeout_s=0.02)
    assert await submit(bench, "a") == ["A"]
    await asyncio.wait([bench.task], timeout=0.03)
    bench.stand()
    with pytest.raises(StoreBusyError, match="in time"):
        await bench.grouper.submit("b")
    await end(bench)


async def test_only_so_many_may_wait(bench: Bench) -> None:
    """What happened to a delivery is taken all the same: it makes the backlog smaller."""
    bench.stand()
    first = bench.grouper.submit("a")
    await bench.under_way.wait()
    waits = [bench.grouper.submit(job) for job in "bcde"]
    with pytest.raises(StoreBusyError, match="too much"):
        await bench.grouper.submit("f")
    urgent = bench.grouper.submit("u", urgent=True)
    bench.going.set()
    assert await asyncio.gather(first, *waits, urgent) == ["A", "B", "C", "D", "E", "U"]


async def test_closing_ends_after_what_waits(bench: Bench) -> None:
    bench.stand()
    waits = [bench.grouper.submit(job) for job in "abcd"]
    bench.grouper.close()
    with pytest.raises(StoreBusyError, match="closing"):
        await bench.grouper.submit("e", urgent=True)
    bench.going.set()
    assert await asyncio.gather(*waits) == ["A", "B", "C", "D"]
    async with asyncio.timeout(1):
        await bench.task


async def test_closing_an_idle_one_ends_at_once(bench: Bench) -> None:
    await submit(bench, "a")
    bench.grouper.close()
    bench.grouper.close()
    async with asyncio.timeout(1):
        await bench.task


async def test_being_cancelled_leaves_nobody_waiting(bench: Bench) -> None:
    bench.stand()
    first = bench.grouper.submit("a", urgent=True)
    await bench.under_way.wait()
    second = bench.grouper.submit("b", urgent=True)
    await end(bench)
    for answer in (first, second):
        with pytest.raises(StoreBusyError):
            await answer


async def test_who_has_left_is_not_missed(bench: Bench) -> None:
    """His job rides along; no one trips over his answer."""
    bench.stand()
    answers = [bench.grouper.submit(job) for job in "abc"]
    answers[1].cancel()
    bench.going.set()
    assert await answers[0] == "A"
    assert await answers[2] == "C"
    assert bench.log[0] == "abc"


def _raise(error: BaseException) -> object:
    raise error
