"""A sweep finds what was missed, remembers how far it got, and needs no more memory than a page."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from relay.core.inquiry import InquiryState
from relay.core.moment import text_of
from relay.core.sweep import SweepPolicy
from relay.receive.sweep import Progress, Sweeper, SweepOptions
from relay.runflow import NotFoundError, RateLimitedError, RunflowError, ServerError
from tests.fakes import NOW_US
from tests.record.receipts import callback
from tests.record.sqlite_harness import SqliteHarness

pytestmark = pytest.mark.timeout(30, func_only=True)

OURS = "https://relay.example.com/callbacks/acme"
MINUTE = 60_000_000
PAGE = 3


def run(
    number: int, *, minutes_ago: float = 1, status: str = "succeeded", **more: object
) -> dict[str, object]:
    created = NOW_US - round(minutes_ago * MINUTE)
    return {
        "id": f"run_{number}",
        "status_code": status,
        "created_at": text_of(created),
        "completed_at": text_of(created) if status == "succeeded" else None,
        "callback_url": OURS,
        **more,
    }


class ScriptedList:
    """A list of runs, newest first, in pages; between two pages anything may happen."""

    def __init__(self) -> None:
        self.runs: list[dict[str, object]] = []
        self.batches: dict[str, dict[str, object]] = {}
        self.error: RunflowError | None = None
        self.batch_error: RunflowError | None = None
        self.fails_at = 0
        self.asked_since: list[int] = []
        self.asked_batches: list[str] = []
        self.between: Callable[[], object] = lambda: None
        self.ignores_the_filter = False

    async def pages(self, *, since: int) -> AsyncIterator[Sequence[object]]:
        self.asked_since.append(since)
        rows = sorted(self.runs, key=lambda row: str(row["created_at"]), reverse=True)
        if not self.ignores_the_filter:
            rows = [row for row in rows if str(row["created_at"]) >= text_of(since)]
        for number, start in enumerate(range(0, max(len(rows), 1), PAGE)):
            if self.error is not None and number >= self.fails_at:
                raise self.error
            yield rows[start : start + PAGE]
            self.between()

    async def batch(self, batch_id: str) -> object:
        self.asked_batches.append(batch_id)
        if self.batch_error is not None and batch_id == "batch_1":
            raise self.batch_error
        if batch_id not in self.batches:
            raise NotFoundError("GET batch: 404", status=404)
        return self.batches[batch_id]


class Office:
    """A real store, a sweeper and a scripted list."""

    def __init__(self, folder: Path) -> None:
        self.harness = SqliteHarness(folder)
        self.list = ScriptedList()
        self.found = 0
        self.policy = SweepPolicy(callback_urls=(OURS,), reach=60 * MINUTE)

    def sweeper(self) -> Sweeper:
        return Sweeper(
            "acme",
            runs=self.list,
            inquiries=self.harness.store,
            clock=self.harness.clock,
            found=self._find,
            options=SweepOptions(policy=self.policy, rate=10_000),
        )

    def _find(self) -> None:
        self.found += 1

    async def sweep(self) -> Progress:
        return await self.sweeper().sweep()

    async def watched(self) -> list[str]:
        rows = await self.harness.rows(
            "SELECT r.id FROM inquiries AS i JOIN runs AS r ON r.number = i.run WHERE i.state = ? ORDER BY 1",
            int(InquiryState.WATCHED),
        )
        return [bytes(name).decode() for (name,) in rows]


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
    assert await office.harness.store.swept("acme") is None


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
