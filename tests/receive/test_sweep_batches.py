"""The runs of a batch are left to their batch, and one that cannot be had keeps nobody from being found."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.core.moment import text_of
from relay.core.sweep import SweepPolicy
from relay.receive.batches import UNSEEN_BATCHES
from relay.runflow import (
    RateLimitedError,
    ServerError,
)
from tests.fakes import NOW_US
from tests.receive.sweeping import MINUTE, OURS, PAGE, Office, ScriptedList, run

pytestmark = pytest.mark.timeout(30, func_only=True)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = Office(tmp_path)
    await office.harness.open()
    try:
        yield office
        await office.harness.audit()
    finally:
        await office.harness.vanish()


async def test_the_children_of_a_batch_are_left_to_their_batch(office: Office) -> None:
    """Asked for once, however many of its runs are seen; unless a child calls back by itself."""
    office.list.batches["batch_1"] = {
        "id": "batch_1",
        "status_code": "partial_succeeded",
        "completed_at": text_of(NOW_US),
        "callback_url": OURS,
    }
    child: dict[str, object] = {"callback_url": None, "batch_id": "batch_1"}
    office.list.runs = [{**run(n, minutes_ago=n), **child} for n in range(1, 6)]
    office.list.runs += [
        run(7, batch_id="batch_1"),
        run(8, callback_url=None, batch_id="batch_9"),
    ]
    await office.sweep()
    assert await office.watched() == ["batch_1", "run_7"]
    assert sorted(set(office.list.asked_batches)) == ["batch_1", "batch_9"]
    assert office.list.asked_batches.count("batch_1") == 1


async def test_the_children_of_a_batch_are_left_to_it_also_where_every_run_is_ours(
    office: Office,
) -> None:
    office.policy = SweepPolicy(reach=60 * MINUTE)
    office.list.batches["batch_1"] = {"id": "batch_1", "status_code": "running"}
    child: dict[str, object] = {"callback_url": None, "batch_id": "batch_1"}
    office.list.runs = [{**run(n), **child} for n in range(1, 4)]
    await office.sweep()
    assert await office.watched() == ["batch_1"]


async def test_a_batch_is_asked_for_once_a_page_whether_or_not_it_is_over(
    office: Office,
) -> None:
    """A hundred runs of one that is under way, or that is gone, are no hundred questions."""
    office.list.batches["batch_1"] = {"id": "batch_1", "status_code": "running"}
    office.list.runs = [
        run(n, minutes_ago=1, callback_url=None, batch_id=f"batch_{n % 2}")
        for n in range(PAGE)
    ]
    await office.sweep()
    assert office.list.asked_batches == ["batch_0", "batch_1"]


async def test_a_dry_sweep_counts_a_batch_once_however_many_pages_its_runs_fill(
    office: Office,
) -> None:
    office.list.batches["batch_1"] = {
        "id": "batch_1",
        "status_code": "succeeded",
        "completed_at": text_of(NOW_US),
        "callback_url": OURS,
    }
    office.list.runs = [
        run(n, minutes_ago=n, callback_url=None, batch_id="batch_1")
        for n in range(1, 8)
    ]
    progress = await office.sweeper().sweep(dry=True)
    assert (progress.pages, progress.missed) == (3, 1)


async def test_an_answer_about_another_batch_is_not_believed(office: Office) -> None:
    """Nobody is watched whom no list has named; the next sweep asks again."""
    office.list.batches["batch_1"] = {
        "id": "batch_2",
        "status_code": "succeeded",
        "completed_at": text_of(NOW_US),
        "callback_url": OURS,
    }
    office.list.runs = [run(1, callback_url=None, batch_id="batch_1")]
    await office.sweep()
    assert await office.watched() == []
    office.list.batches["batch_1"]["id"] = "batch_1"
    await office.sweep()
    assert await office.watched() == ["batch_1"]


async def test_a_batch_that_cannot_be_had_keeps_nobody_from_being_found(
    office: Office,
) -> None:
    """It is asked for once a sweep, and looked for again by the next, however far that one looks back."""
    office.policy = SweepPolicy(callback_urls=(OURS,), reach=60 * MINUTE, overlap=0)
    batch = {"status_code": "succeeded", "callback_url": OURS}
    office.list.batches = {
        name: {"id": name, **batch} for name in ("batch_1", "batch_2")
    }
    child: dict[str, object] = {"callback_url": None, "batch_id": "batch_1"}
    office.list.runs = [{**run(n, minutes_ago=n), **child} for n in (2, 3)]
    office.list.runs += [run(1), run(4, minutes_ago=4)]
    office.list.runs += [{**run(5, minutes_ago=5), **child, "batch_id": "batch_2"}]
    office.list.batch_error = ServerError("500", status=500)
    sweeper = office.sweeper()
    await sweeper.sweep()
    assert await office.watched() == ["batch_2", "run_1", "run_4"]
    assert office.list.asked_batches == ["batch_1", "batch_2"]
    office.list.batch_error = None
    await sweeper.sweep()
    assert "batch_1" in await office.watched()


async def test_an_api_that_wants_peace_is_asked_for_no_further_batch(
    office: Office,
) -> None:
    child: dict[str, object] = {"callback_url": None, "batch_id": "batch_1"}
    office.list.runs = [{**run(1), **child}]
    office.list.batch_error = RateLimitedError("429", status=429, retry_after=5.0)
    with pytest.raises(RateLimitedError):
        await office.sweep()
    # The next sweep begins where this one began.
    begin = NOW_US - 60 * MINUTE
    assert await office.harness.store.swept("acme") == begin + office.policy.overlap


async def test_a_batch_that_can_never_be_had_does_not_hold_the_cursor_for_ever(
    office: Office,
) -> None:
    child: dict[str, object] = {"callback_url": None, "batch_id": "batch_1"}
    office.list.runs = [{**run(1, minutes_ago=5), **child}, run(2, minutes_ago=1)]
    office.list.batch_error = ServerError("500", status=500)
    await office.sweep()
    assert await office.harness.store.swept("acme") == NOW_US - 5 * MINUTE
    office.harness.clock.advance(seconds=8 * 24 * 3600)
    await office.sweep()
    assert await office.harness.store.swept("acme") == NOW_US - MINUTE


async def test_where_batch_after_batch_cannot_be_had_the_next_sweep_asks_for_the_rest(
    office: Office,
) -> None:
    """Each may be slow to fail, and runs are to be found meanwhile."""
    names = [f"batch_{n}" for n in range(3 * UNSEEN_BATCHES)]
    office.list.lost_batches = names
    office.list.batch_error = ServerError("GET batch: 500", status=500)
    office.list.runs = [
        run(n, minutes_ago=2, batch_id=name, callback_url=None)
        for n, name in enumerate(names)
    ]
    office.list.runs.append(run(99, minutes_ago=50))
    sweeper = office.sweeper()
    await sweeper.sweep()
    assert len(office.list.asked_batches) == UNSEEN_BATCHES
    assert await office.watched() == ["run_99"]
    office.list.batch_error = None
    office.list.batches = {
        n: {"id": n, "status_code": "running", "callback_url": OURS} for n in names
    }
    await sweeper.sweep()
    assert await office.watched() == sorted([*names, "run_99"])


@pytest.mark.parametrize("named", ["", ".", "..", "a\nb", "\ud800", "b" * 256])
async def test_a_batch_whose_id_cannot_be_asked_for_is_none(
    office: Office, named: str
) -> None:
    """An address made of it would lead elsewhere, or nowhere: its run stands for itself, and the log says so once."""
    office.policy = SweepPolicy(reach=60 * MINUTE)
    office.list.runs = [
        run(n, minutes_ago=n, callback_url=None, batch_id=named) for n in range(1, 6)
    ]
    with capture_logs() as said:
        await office.sweep()
    assert await office.watched() == [f"run_{n}" for n in range(1, 6)]
    assert office.list.asked_batches == []
    assert [(one["event"], one["reason"]) for one in said] == [
        ("sweep.batch", "unusable_id")
    ]
    assert await office.harness.store.swept("acme") == NOW_US - MINUTE


class HandInBetween(ScriptedList):
    """A list where somebody sweeps by hand after the first page, from beginning to end."""

    def __init__(self) -> None:
        super().__init__()
        self.by_hand: Callable[[], Awaitable[object]] | None = None

    async def pages(self, *, since: int) -> AsyncIterator[Sequence[object]]:
        async for page in super().pages(since=since):
            yield page
            if self.by_hand is not None:
                sweep, self.by_hand = self.by_hand, None
                await sweep()


async def test_a_sweep_by_hand_hides_no_batch_from_the_sweeps_that_go_by_themselves(
    office: Office,
) -> None:
    """Each knows for itself which batches it could not have; so one that is dry changes nothing at all."""
    office.list = listing = HandInBetween()
    child: dict[str, object] = {"callback_url": None, "batch_id": "batch_1"}
    listing.runs = [run(n, minutes_ago=n) for n in (1, 2)]
    listing.runs += [{**run(3, minutes_ago=20), **child}, run(4, minutes_ago=30)]
    listing.batch_error = ServerError("500", status=500)
    sweeper = office.sweeper()
    begin = NOW_US - 3 * MINUTE
    listing.by_hand = partial(
        sweeper.sweep_by_hand, begin=begin, end=None, told=lambda _: None, dry=True
    )
    await sweeper.sweep()
    assert listing.asked_since[1:] == [begin]
    assert await office.harness.store.swept("acme") == NOW_US - 20 * MINUTE
