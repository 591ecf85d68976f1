"""A sweep finds what was missed, remembers how far it got, and needs no more memory than a page."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.core.errors import CalledOffError
from relay.core.sweep import SweepPolicy
from relay.receive.sweep import Progress
from relay.runflow import RateLimitedError, ServerError
from tests.fakes import NOW_US
from tests.receive.sweeping import MINUTE, OURS, PAGE, Office, ScriptedList, run
from tests.record.receipts import callback

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


async def test_runs_of_which_no_event_is_known_are_watched(office: Office) -> None:
    await office.harness.one(callback("run_1"))
    office.list.runs = [
        run(1),
        run(2),
        run(3, status="running"),
        run(4, callback_url=None),
    ]
    progress = await office.sweep()
    assert (progress.runs, progress.ours, progress.missed) == (4, 3, 2)
    assert await office.watched() == ["run_2", "run_3"]
    assert office.found == 1


async def test_the_second_sweep_begins_where_the_first_got_to(office: Office) -> None:
    """Less the overlap; and so does the first one of the next process."""
    office.list.runs = [run(1, minutes_ago=30), run(2, minutes_ago=2)]
    await office.sweep()
    await office.sweep()
    await office.harness.reopen()
    progress = await office.sweep()
    begin = NOW_US - 2 * MINUTE - office.policy.overlap
    assert office.list.asked_since == [NOW_US - 60 * MINUTE, begin, begin]
    assert progress.missed == 0


async def test_a_sweep_that_breaks_off_is_made_up_for(office: Office) -> None:
    """What it had seen is kept; the next one begins where this one began."""
    office.list.runs = [run(n, minutes_ago=n) for n in range(1, 8)]
    office.list.error, office.list.fails_at = ServerError("500", status=500), 1
    with pytest.raises(ServerError):
        await office.sweep()
    assert len(await office.watched()) == PAGE
    office.list.error = None
    await office.sweep()
    assert len(await office.watched()) == 7
    assert len(set(office.list.asked_since)) == 1


async def test_a_run_that_ends_between_two_pages_is_not_missed(office: Office) -> None:
    """It was seen running, and is watched until its end."""
    office.list.runs = [run(n, minutes_ago=n, status="running") for n in range(1, 6)]

    def end() -> None:
        for row in office.list.runs:
            row["status_code"] = "succeeded"

    office.list.between = end
    await office.sweep()
    assert len(await office.watched()) == 5


async def test_a_run_that_is_created_between_two_pages_is_seen_by_the_next_sweep(
    office: Office,
) -> None:
    office.list.runs = [run(n, minutes_ago=n) for n in range(1, 6)]
    new = run(9, minutes_ago=0)

    def create() -> None:
        if new not in office.list.runs:
            office.list.runs.append(new)

    office.list.between = create
    await office.sweep()
    assert "run_9" not in await office.watched()
    await office.sweep()
    assert "run_9" in await office.watched()


async def test_thousands_of_missed_runs_are_remembered_page_by_page(
    office: Office,
) -> None:
    office.list.runs = [run(n, minutes_ago=n / 100) for n in range(2000)]
    most = 0
    told: list[int] = []

    def tell(progress: Progress) -> None:
        told.append(progress.missed)

    await office.sweeper().sweep(told=tell)
    most = max(b - a for a, b in zip([0, *told], told, strict=False))
    assert (told[-1], most) == (2000, PAGE)


async def test_an_api_that_takes_no_notice_of_the_filter_is_not_read_to_its_beginning(
    office: Office,
) -> None:
    office.list.ignores_the_filter = True
    office.list.runs = [run(n, minutes_ago=n * 20) for n in range(100)]
    progress = await office.sweep()
    assert progress.runs == 4
    assert progress.pages <= 3


async def test_a_run_from_the_future_hides_nothing(office: Office) -> None:
    office.list.runs = [run(1, minutes_ago=-(10**6))]
    await office.sweep()
    assert await office.harness.store.swept("acme") == NOW_US


async def test_a_dry_sweep_counts_and_leaves_everything_as_it_is(
    office: Office,
) -> None:
    office.list.runs = [run(1), run(2)]
    progress = await office.sweeper().sweep(dry=True)
    assert progress.missed == 2
    assert await office.watched() == []
    assert await office.harness.store.swept("acme") is None
    assert office.found == 0


async def test_a_sweep_by_hand_looks_at_its_window_and_moves_no_cursor(
    office: Office,
) -> None:
    office.list.runs = [run(n, minutes_ago=n * 60) for n in range(5)]
    await office.sweeper().sweep(begin=NOW_US - 190 * MINUTE, end=NOW_US - 30 * MINUTE)
    assert await office.watched() == ["run_1", "run_2", "run_3"]
    assert await office.harness.store.swept("acme") is None


async def test_where_the_first_sweep_began_is_known_although_it_never_ended(
    office: Office,
) -> None:
    """A process that starts later does not begin later: what was missed meanwhile is found."""
    office.list.error = ServerError("500", status=500)
    with pytest.raises(ServerError):
        await office.sweep()
    office.harness.clock.advance(seconds=36_000)
    office.list.error = None
    await office.sweep()
    assert office.list.asked_since == [NOW_US - 60 * MINUTE] * 2


async def test_the_sweeper_goes_on_after_a_failure_and_stops_at_once(
    office: Office,
) -> None:
    """However long it was asked to wait."""
    office.list.error = RateLimitedError("429", status=429, retry_after=3600.0)
    sweeper = office.sweeper()
    task = asyncio.get_running_loop().create_task(sweeper.run())
    async with asyncio.timeout(10):
        while not office.list.asked_since:
            await asyncio.wait([task], timeout=0.01)
        assert not task.done()
        sweeper.stop()
        await task


async def test_what_lies_after_an_end_is_left_to_the_next_sweep(office: Office) -> None:
    """It was not looked at, so the cursor may not pass it."""
    office.list.runs = [run(1, minutes_ago=30), run(2, minutes_ago=1)]
    await office.sweeper().sweep(end=NOW_US - 10 * MINUTE)
    assert await office.watched() == ["run_1"]
    assert await office.harness.store.swept("acme") is None


async def test_runs_that_still_go_on_are_counted_apart(office: Office) -> None:
    office.list.runs = [run(1), run(2, status="running")]
    news: list[str] = []

    def tell(progress: Progress) -> None:
        news.extend(one.key.id for one in progress.news)

    progress = await office.sweeper().sweep(told=tell)
    assert (progress.missed, progress.going, sorted(news)) == (2, 1, ["run_1", "run_2"])


@pytest.mark.parametrize("how", ["call_off", "stop"])
async def test_a_sweep_by_hand_can_be_ended_in_the_middle(
    office: Office, how: str
) -> None:
    """And says that it is not whole."""
    sweeper = office.sweeper()
    office.list.runs = [run(n, minutes_ago=n) for n in range(1, 8)]
    office.list.between = getattr(sweeper, how)
    with pytest.raises(CalledOffError):
        await sweeper.sweep_by_hand(begin=0, end=None, told=lambda _: None, dry=False)
    assert len(await office.watched()) == PAGE


class HangingList(ScriptedList):
    """A list whose first page never comes."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def pages(self, *, since: int) -> AsyncIterator[Sequence[object]]:
        self.asked.set()
        await asyncio.Event().wait()
        yield [since]


async def test_a_sweep_under_way_holds_up_no_stop(office: Office) -> None:
    office.list = listing = HangingList()
    sweeper = office.sweeper()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(sweeper.run())
        await listing.asked.wait()
        sweeper.stop()


async def test_what_nobody_expected_is_said_with_its_trace_and_the_sweep_made_anew(
    office: Office,
) -> None:
    """The cursor stays where it is, and the sweeper alive."""
    office.policy = SweepPolicy(callback_urls=(OURS,), reach=60 * MINUTE, every=1)
    office.list.runs, office.list.between = [run(1)], _never_expected
    sweeper = office.sweeper()
    with capture_logs() as said:
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            sweeping = tasks.create_task(sweeper.run())
            while len(office.list.asked_since) < 3 and not sweeping.done():
                await asyncio.wait([sweeping], timeout=0.01)
            sweeper.stop()
    assert {(one["event"], one["log_level"]) for one in said} == {
        ("sweep.crashed", "error")
    }
    assert all(one["exc_info"] for one in said)
    assert len(set(office.list.asked_since)) == 1


def _never_expected() -> None:
    raise LookupError("nobody has thought of it")


async def test_how_each_sweep_ended_is_counted(office: Office) -> None:
    """An alert is made of it: sweeps that fail, and none that gets through."""
    sweeper = office.sweeper()
    office.list.error = ServerError("500", status=500)
    await sweeper._sweep_once()
    office.list.error = None
    await sweeper._sweep_once()
    await sweeper._sweep_once()
    counts = office.metrics.counts
    assert counts["runflow_relay_sweeps_total", "acme", "failed"] == 1
    assert counts["runflow_relay_sweeps_total", "acme", "done"] == 2
