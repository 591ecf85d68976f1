"""What the supervisor promises: no dead worker is silent, and stopping has an end."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay import supervise
from relay.core.errors import MisconfiguredError, StoreFailedError
from relay.supervise import RESTARTS_MAX, Supervisor, Worker
from tests.fakes import RecordingMetrics


@pytest.fixture
def metrics() -> RecordingMetrics:
    return RecordingMetrics()


@pytest.fixture
def supervisor(
    metrics: RecordingMetrics, monkeypatch: pytest.MonkeyPatch
) -> Supervisor:
    monkeypatch.setattr(supervise, "RESTART_WAIT_S", 0.0)
    return Supervisor(metrics=metrics)


@pytest.fixture(autouse=True)
def said() -> Iterator[list[Any]]:
    """What was logged meanwhile."""
    with capture_logs() as lines:
        yield lines


class Patient:
    """Works until it is asked to stop, and counts how often it was started."""

    def __init__(self, name: str = "patient") -> None:
        self.name = name
        self.runs = 0
        self.stops = 0
        self.started = asyncio.Event()
        self._asked = asyncio.Event()

    @property
    def worker(self) -> Worker:
        return Worker(self.name, self.run, self.stop)

    async def run(self) -> None:
        self.runs += 1
        self.started.set()
        await self._asked.wait()

    def stop(self) -> None:
        self.stops += 1
        self._asked.set()


class Mortal(Patient):
    """Ends in the ways that it was told to, and then works."""

    def __init__(self, *ends: BaseException | None, name: str = "mortal") -> None:
        super().__init__(name)
        self._ends = list(ends)
        self.ended = asyncio.Event()

    async def run(self) -> None:
        if self._ends:
            self.runs += 1
            self.ended.set()
            end = self._ends.pop(0)
            if end is not None:
                raise end
            return
        await super().run()


class Deaf(Patient):
    """Does not hear that it should stop; being cancelled ends it."""

    def stop(self) -> None:
        self.stops += 1


async def _ended(supervisor: Supervisor, *names: str, within_s: float = 5.0) -> bool:
    async with asyncio.timeout(5):
        return await supervisor.stop(names, within_s=within_s)


async def test_a_worker_runs_until_it_is_asked_to_stop(supervisor: Supervisor) -> None:
    patient = Patient()
    supervisor.start(patient.worker)
    await patient.started.wait()
    assert list(supervisor.names) == ["patient"]
    assert await _ended(supervisor, "patient")
    assert (patient.runs, patient.stops) == (1, 1)
    assert list(supervisor.names) == []


async def test_stopping_twice_and_stopping_the_unknown_do_nothing(
    supervisor: Supervisor,
) -> None:
    patient = Patient()
    supervisor.start(patient.worker)
    await patient.started.wait()
    assert await _ended(supervisor, "patient", "nobody")
    assert await _ended(supervisor, "patient", "nobody")
    assert patient.stops == 1


@pytest.mark.parametrize("end", [ValueError("x"), None], ids=["raises", "returns"])
async def test_a_worker_that_ends_by_itself_is_started_again_and_counted(
    end: BaseException | None,
    supervisor: Supervisor,
    metrics: RecordingMetrics,
    said: list[Any],
) -> None:
    mortal = Mortal(end)
    supervisor.start(mortal.worker)
    await mortal.started.wait()
    assert mortal.runs == 2
    assert metrics.counts["runflow_relay_workers_restarted_total", "mortal"] == 1
    assert [(line["event"], line["worker"]) for line in said] == [
        ("worker.crashed", "mortal")
    ]
    assert not supervisor.failed.is_set()
    assert await _ended(supervisor, "mortal")


async def test_a_worker_that_keeps_crashing_is_given_up(
    supervisor: Supervisor, metrics: RecordingMetrics, said: list[Any]
) -> None:
    crashes = [ValueError(str(number)) for number in range(RESTARTS_MAX + 2)]
    mortal = Mortal(*crashes)
    supervisor.start(mortal.worker)
    async with asyncio.timeout(5):
        await supervisor.failed.wait()
    assert mortal.runs == RESTARTS_MAX + 1
    assert supervisor.failure is crashes[RESTARTS_MAX]
    key = ("runflow_relay_workers_restarted_total", "mortal")
    assert metrics.counts[key] == RESTARTS_MAX
    assert (said[-1]["event"], said[-1]["log_level"]) == ("worker.failed", "critical")
    assert await _ended(supervisor, "mortal")


async def test_crashes_that_lie_far_apart_are_forgotten(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "WITHIN_S", 0.0)
    mortal = Mortal(*[ValueError()] * (RESTARTS_MAX * 3))
    supervisor.start(mortal.worker)
    async with asyncio.timeout(5):
        await mortal.started.wait()
    assert not supervisor.failed.is_set()
    assert await _ended(supervisor, "mortal")


@pytest.mark.parametrize(
    "error",
    [
        StoreFailedError("the disk"),
        MisconfiguredError("a setting"),
        ExceptionGroup("tasks", [ExceptionGroup("more", [StoreFailedError("deep")])]),
    ],
    ids=["store", "settings", "inside groups"],
)
async def test_what_a_new_start_would_make_worse_is_fatal_at_once(
    error: Exception, supervisor: Supervisor
) -> None:
    mortal = Mortal(error)
    supervisor.start(mortal.worker)
    async with asyncio.timeout(5):
        await supervisor.failed.wait()
    assert mortal.runs == 1
    assert isinstance(supervisor.failure, StoreFailedError | MisconfiguredError)


async def test_one_failed_worker_leaves_the_others_at_work(
    supervisor: Supervisor,
) -> None:
    patient, mortal = Patient(), Mortal(StoreFailedError("the disk"))
    supervisor.start(patient.worker)
    supervisor.start(mortal.worker)
    async with asyncio.timeout(5):
        await supervisor.failed.wait()
    assert (patient.runs, patient.stops) == (1, 0)
    assert await _ended(supervisor, "patient", "mortal")


async def test_a_worker_that_takes_too_long_to_stop_is_cancelled(
    supervisor: Supervisor, said: list[Any]
) -> None:
    deaf, patient = Deaf("deaf"), Patient()
    supervisor.start(deaf.worker)
    supervisor.start(patient.worker)
    await deaf.started.wait()
    assert not await _ended(supervisor, "deaf", "patient", within_s=0.01)
    assert (deaf.stops, list(supervisor.names)) == (1, [])
    assert [line["worker"] for line in said] == ["deaf"]


async def test_in_a_hurry_only_the_named_are_no_longer_waited_for(
    supervisor: Supervisor,
) -> None:
    deaf, other = Deaf("deaf"), Patient("other")
    supervisor.start(deaf.worker)
    supervisor.start(other.worker)
    await asyncio.gather(deaf.started.wait(), other.started.wait())
    stopping = asyncio.gather(
        supervisor.stop(["deaf"], within_s=60.0), _when(other, supervisor)
    )
    async with asyncio.timeout(5):
        await stopping
    assert deaf.stops == 1
    assert list(supervisor.names) == ["other"]
    assert await _ended(supervisor, "other")


async def _when(other: Patient, supervisor: Supervisor) -> None:
    """Hurry, once the stopping has begun; those who are not named and not ending stay."""
    supervisor.hurry(["nobody"])
    supervisor.hurry(["deaf", "other"])
    assert other.runs == 1


async def test_who_waits_for_a_new_start_is_not_waited_for(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs once more, asked to stop already: that is how it gives back what it holds."""
    monkeypatch.setattr(supervise, "RESTART_WAIT_S", 3600.0)
    mortal = Mortal(ValueError())
    supervisor.start(mortal.worker)
    await mortal.ended.wait()
    assert await _ended(supervisor, "mortal")
    assert (mortal.runs, mortal.stops) == (2, 1)


async def test_a_crash_while_stopping_is_the_end_and_no_failure(
    supervisor: Supervisor,
) -> None:
    class Clumsy(Patient):
        async def run(self) -> None:
            await super().run()
            raise ValueError

    clumsy = Clumsy()
    supervisor.start(clumsy.worker)
    await clumsy.started.wait()
    assert await _ended(supervisor, "patient")
    assert (clumsy.runs, supervisor.failure) == (1, None)


async def test_a_name_can_be_used_again_after_its_worker_has_stopped(
    supervisor: Supervisor,
) -> None:
    first, second = Patient(), Mortal(ValueError(), name="patient")
    supervisor.start(first.worker)
    await first.started.wait()
    await _ended(supervisor, "patient")
    supervisor.start(second.worker)
    async with asyncio.timeout(5):
        await second.started.wait()
    assert second.runs == 2
    assert await _ended(supervisor, "patient")


class _Uncounted(RecordingMetrics):
    """Metrics that cannot be written."""

    def count(self, name: str, /, amount: float = 1, **labels: str) -> None:
        raise OSError(28, f"No space left on device for {name} {amount} {labels}")


async def test_a_worker_that_nobody_keeps_alive_any_more_is_a_failure() -> None:
    supervisor = Supervisor(metrics=_Uncounted())
    supervisor.start(Mortal(ValueError("x")).worker)
    async with asyncio.timeout(5):
        await supervisor.failed.wait()
    assert isinstance(supervisor.failure, OSError)
