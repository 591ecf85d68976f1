"""Passes of retention: when they begin, and what they survive."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from relay.core.errors import RelayError, StoreBusyError
from relay.core.retention import (
    DEFAULT_KEEPING,
    EVERY_S,
    FIRST_S,
    ORDER,
    PassStep,
    Progress,
)
from relay.record.forgetting import Forgetting
from tests.fakes import FakeClock, RecordingMetrics

#: Far more turns than any step of a worker takes.
TURNS = 50


class ScriptedStore:
    """Takes every step as it is told to."""

    def __init__(self) -> None:
        self.steps: list[PassStep] = []
        self.progress: Callable[[PassStep], Progress] = lambda _: Progress()
        self.failures: list[RelayError] = []

    async def forget(self, step: PassStep, /) -> Progress:
        self.steps.append(step)
        if self.failures:
            raise self.failures.pop(0)
        return self.progress(step)


class World:
    """A worker, and a loop whose time is moved by hand."""

    def __init__(self) -> None:
        self.store = ScriptedStore()
        self.metrics = RecordingMetrics()
        self.worker = Forgetting(
            self.store, DEFAULT_KEEPING, clock=FakeClock(), metrics=self.metrics
        )
        self._loop = asyncio.get_running_loop()
        self._ahead = 0.0
        self.running = self._loop.create_task(self.worker.run())

    async def passes(self, seconds: float) -> None:
        """Time passes, and everyone does what is due."""
        await self._turn()
        self._ahead += seconds
        for _ in range(len(ORDER) + 2):
            await self._turn()
            self._ahead += 0.1

    def time(self) -> float:
        return self._began() + self._ahead

    async def _turn(self) -> None:
        for _ in range(TURNS):
            await asyncio.wait([self.running], timeout=0)

    def _began(self) -> float:
        return self._origin

    _origin = 0.0


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    world = World()
    loop = asyncio.get_running_loop()
    world._origin = loop.time()
    monkeypatch.setattr(loop, "time", world.time)
    yield world
    world.worker.stop()
    await asyncio.wait([world.running], timeout=0)
    await world.running


async def test_a_pass_comes_soon_after_the_start_and_then_every_so_often(
    world: World,
) -> None:
    await world.passes(FIRST_S - 10)
    assert world.store.steps == []
    await world.passes(10)
    assert [step.table for step in world.store.steps] == [*ORDER]
    await world.passes(EVERY_S)
    assert [step.table for step in world.store.steps] == [*ORDER] * 2


async def test_what_has_gone_is_counted_by_the_setting_that_let_it_go(
    world: World,
) -> None:
    world.store.progress = lambda step: Progress(
        forgotten=0 if step.table == "pages" else 2
    )
    await world.passes(FIRST_S)
    name = "runflow_relay_forgotten_total"
    counts = {reason: world.metrics.counts[name, reason] for reason in
              ("payload", "attempt", "identity")}  # fmt: skip
    assert counts == {"payload": 2, "attempt": 6, "identity": 2}


async def test_a_step_that_fails_ends_the_pass_and_not_the_worker(world: World) -> None:
    world.store.failures = [StoreBusyError("not now")]
    await world.passes(FIRST_S)
    assert len(world.store.steps) == 1
    assert not world.running.done()
    await world.passes(EVERY_S)
    assert len(world.store.steps) == 1 + len(ORDER)


async def test_stopped_in_a_pass_it_takes_no_further_step(world: World) -> None:
    def stop(_: PassStep) -> Progress:
        world.worker.stop()
        return Progress()

    world.store.progress = stop
    await world.passes(FIRST_S)
    assert len(world.store.steps) == 1
    assert world.running.done()
