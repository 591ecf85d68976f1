"""Several relays and one client_ref: one success is told, and nobody waits in a circle."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from itertools import count
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from relay.core.inquiry import Inquiry, Lesson
from relay.core.ports import Recorded
from tests.fakes import NOW_US
from tests.postgres.fixtures import Database
from tests.postgres.local_postgres import LocalPostgres
from tests.record.answers import learn, lesson, told
from tests.record.collapse_machine import CollapseMachine
from tests.record.collapse_said import counts, doubt, success, winner
from tests.record.postgres_harness import PostgresHarness
from tests.record.receipts import NOWHERE

pytestmark = pytest.mark.postgres

T = TypeVar("T")
Pair = tuple[PostgresHarness, PostgresHarness]


@pytest.fixture
async def pair(database: Database) -> AsyncIterator[Pair]:
    one, two = PostgresHarness(database.url), PostgresHarness(database.url)
    await asyncio.gather(one.open(), two.open())
    try:
        yield one, two
        await one.audit()
    finally:
        await one.vanish()
        await two.vanish()


async def test_of_successes_that_several_relays_hear_of_at_once_one_is_told(
    pair: Pair,
) -> None:
    """For each client_ref, whoever commits first."""
    jobs = [
        harness.store.record([success(f"run_{name}_{number}", ref=f"order-{number}")])
        for number in range(30)
        for harness, name in zip(pair, "ab", strict=True)
    ]
    answers = [recorded for [recorded] in await asyncio.gather(*jobs)]
    told_of = [r for r in answers if isinstance(r, Recorded) and r.letter]
    assert len(told_of) == 30
    assert await counts(pair[0], "events", "collapsed") == (30, 30)
    assert await pair[0].count("winners") == 30


async def test_a_success_that_came_while_another_was_committed_stands_back(
    pair: Pair,
) -> None:
    """It finds the client_ref taken only as it writes, and begins again."""
    one, two = pair
    with one.held() as hold:
        first = _begin(one.one(success("run_1")))
        await hold.reached()
        second = _begin(two.one(success("run_2")))
        await _somebody_waits(two)
    assert (await first).letter is not None
    assert (await second).letter is None
    assert await winner(one) == ["run_1"]


async def test_who_collapses_behind_a_winner_that_falls_is_not_left_behind(
    pair: Pair,
) -> None:
    """Both relays hold something that the other one wants: each run is told in the end."""
    one, two = pair
    await one.one(success("run_1"))
    fallen = lesson(await doubt(one, "run_1"), told("failed"), collapses=True)
    with two.held() as hold:
        late = _begin(two.one(success("run_2")))
        await hold.reached()
        falling = _begin(learn(one, fallen))
        await _somebody_waits(one)
    assert (await late).letter is None
    assert len(await falling) == 2
    assert await winner(one) == ["run_2"]
    assert await counts(one, "events", "collapsed") == (3, 0)


async def test_winners_fall_at_one_relay_while_another_hears_of_those_behind(
    pair: Pair,
) -> None:
    """In whatever order both want them."""
    one, two = pair
    names = [f"order-{number}" for number in range(12)]
    for place, prefix in enumerate(("first", "second", "third")):
        runs = [success(f"{prefix}_{n}", ref=n, at=NOW_US + place) for n in names]
        await one.store.record(runs)
    asked = [await doubt(one, f"first_{n}") for n in names]
    falling = [_failed(inquiry) for inquiry in asked]
    again = [
        success(f"{prefix}_{n}", ref=n, note="again")
        for n in reversed(names)
        for prefix in ("third", "second")
    ]
    await asyncio.gather(
        *(learn(one, answer) for answer in falling),
        *(two.store.record([receipt]) for receipt in again),
        *(
            two.store.record([success(f"new_{n}", ref=n, at=NOW_US + 9)])
            for n in reversed(names)
        ),
    )
    assert {run for n in names for run in await winner(one, n)} == {
        f"second_{n}" for n in names
    }
    assert await counts(one, "events", "collapsed") == (36, 24)


async def test_a_winner_whose_row_is_in_use_is_not_forgotten_meanwhile(
    pair: Pair,
) -> None:
    """Its time comes with the next pass."""
    one, two = pair
    await one.one(success("run_1", router=NOWHERE))
    one.days_pass(3700 / 2 - 30)
    await one.forget()
    one.days_pass(30)
    two.days_pass(3700 / 2)
    behind = success(
        "run_2",
        at=two.clock.now_us(),
        completed_at="2041-01-01T00:00:00Z",
        router=NOWHERE,
    )
    with two.held() as hold:
        standing = _begin(two.one(behind))
        await hold.reached()
        assert (await one.forget())["runs"] == 0
    assert (await standing).letter is None
    assert await winner(one) == ["run_1"]
    assert (await one.forget())["runs"] == 1
    assert await winner(one) == []


@pytest.mark.timeout(240)
def test_the_store_collapses_as_its_model_does(postgres: LocalPostgres) -> None:
    """Who has which client_ref, who stands back, and what is told in the end."""
    names = (f"collapse_{number}" for number in count())

    class PostgresMachine(CollapseMachine):
        """One database after another."""

        def place(self) -> PostgresHarness:
            name = next(names)
            self.run(postgres.create_database(name))
            return PostgresHarness(postgres.url(name))

    run_state_machine_as_test(
        PostgresMachine,
        settings=settings(
            max_examples=8,
            stateful_step_count=15,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


def _begin(job: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    return asyncio.get_running_loop().create_task(job)


def _failed(inquiry: Inquiry) -> Lesson:
    return lesson(inquiry, told("failed", run=inquiry.key.id), collapses=True)


async def _somebody_waits(harness: PostgresHarness) -> None:
    """For a lock that another relay has."""
    async with asyncio.timeout(10):
        while not await harness.rows(
            "SELECT 1 FROM pg_locks WHERE NOT granted AND pid IN"
            " (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
        ):
            await asyncio.wait(
                [asyncio.get_running_loop().create_future()], timeout=0.01
            )
