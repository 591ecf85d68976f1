"""What is forgotten: the law of retention, for every store.

The ledger is looked over after each test as after any other: what goes is in the archive.
"""

import asyncio
from typing import Any

import pytest

from relay.core.delivery import Failed, Fault, Refused, State
from relay.core.errors import StoreBusyError
from relay.core.ports import Checkpoint, Recorded
from relay.core.retention import ROWS, PassStep, begin, following
from relay.core.run import Verdict
from tests.record.harness import Died, StoreHarness
from tests.record.receipts import NOWHERE, callback, odd, partial

REFUSED = Refused(reason="too_large")
NOT_NOW = Failed(reason="status_400", fault=Fault.EVENT, detail="no")
YEARS = 3700 / 2


class RetentionLaw:
    """What nobody needs goes in its time; what somebody needs stays, and is not known twice."""

    # --- payloads ---------------------------------------------------------------------------------

    async def test_the_bytes_of_what_is_delivered_go_in_their_time(
        self, harness: StoreHarness
    ) -> None:
        """The event, its deliveries and the run stay; so does what came later."""
        await heard(harness, "run_1")
        await everything_delivered(harness)
        await later(harness, days=30)
        assert not await harness.forget()
        await later(harness, days=1)
        assert await harness.forget() == {"receipts": 1}
        assert await harness.count("receipts") == 2
        assert await harness.count("events") == await harness.count("runs") == 3
        assert len(await harness.deliveries()) == 6

    async def test_what_is_counted_on_a_row_goes_with_it_and_stays_in_the_account(
        self, harness: StoreHarness
    ) -> None:
        for _ in range(3):
            await heard(harness, "run_1")
        await heard(harness, "run_1", status="running")
        await heard(harness, "run_2", router=NOWHERE)
        await harness.store.record([odd(), odd()])
        await everything_delivered(harness)
        await later(harness, days=31)
        before = await harness.ledger()
        assert await harness.forget() == {"receipts": 4}
        assert await harness.audit() == before

    @pytest.mark.parametrize("days", [31, 100, 1000])
    async def test_an_open_delivery_keeps_all_that_it_needs(
        self, harness: StoreHarness, days: int
    ) -> None:
        """However old it is, it is delivered with the id that it had."""
        recorded = await heard(harness, "run_1")
        assert recorded.letter
        await harness.deliver_all("lake")
        await later(harness, days=days)
        await harness.forget()
        await harness.forget()
        [parcel, *_] = await harness.deliver_all("orders")
        assert parcel.letter.event.id == recorded.letter.event.id

    async def test_a_dead_delivery_keeps_all_that_it_needs_for_its_time(
        self, harness: StoreHarness
    ) -> None:
        """Counted from its death, which may be long after the event."""
        await heard(harness, "run_1")
        await harness.deliver_all("lake")
        await later(harness, days=100)
        await harness.settle(*(await harness.claim("orders", 1)), outcome=REFUSED)
        await everything_delivered(harness)
        await later(harness, days=119)
        assert await harness.forget() == {"receipts": 1, "attempts": 1, "events": 1}
        [dead] = [d for d in await harness.deliveries() if d.state is State.DEAD]
        assert await stored_body(harness, dead.number) == callback("run_1").body
        await later(harness, days=2)
        assert (await harness.forget())["events"] == 1
        assert State.DEAD not in {d.state for d in await harness.deliveries()}
        await harness.forget()
        assert await ages(harness) <= 31

    async def test_what_a_run_waits_for_keeps_its_callback(
        self, harness: StoreHarness
    ) -> None:
        """Others of the same run go."""
        await harness.one(partial("run_1"))
        await heard(harness, "run_1", status="running")
        await later(harness, days=400)
        assert await harness.forget() == {"receipts": 1}
        [(number,)] = await harness.rows("SELECT receipt FROM inquiries")
        assert await harness.rows(
            "SELECT body FROM receipts WHERE number = ?", number
        ) == [(partial("run_1").body,)]
        assert (await heard(harness, "run_1")).verdict is Verdict.DUPLICATE
        assert len(await harness.deliver_all("lake")) == 2

    async def test_what_is_in_quarantine_goes_in_its_time(
        self, harness: StoreHarness
    ) -> None:
        """The same bytes again are kept again."""
        await harness.one(odd())
        await later(harness, days=31)
        assert await harness.forget() == {"receipts": 1}
        assert (await harness.one(odd())).verdict is Verdict.QUARANTINED
        assert await harness.receipts() == [("first", 1), ("quarantined", 1)]

    # --- attempts ---------------------------------------------------------------------------------

    async def test_the_history_of_an_event_goes_in_its_time(
        self, harness: StoreHarness
    ) -> None:
        """With its deliveries and their tries; the run stays."""
        await heard(harness, "run_1")
        [parcel] = await harness.claim("orders")
        await harness.settle(parcel, outcome=NOT_NOW)
        await later(harness, days=89)
        await everything_delivered(harness)
        assert await harness.forget() == {"receipts": 1}
        await later(harness, days=2)
        assert (await harness.forget())["events"] == 1
        assert await harness.count("attempts") == 0
        assert await harness.count("events") == await harness.count("runs") - 1 == 2
        assert "run_1" not in {d.run for d in await harness.deliveries()}

    async def test_a_try_goes_in_its_time_though_its_delivery_is_open(
        self, harness: StoreHarness
    ) -> None:
        await heard(harness, "run_1")
        [parcel] = await harness.claim("orders")
        await harness.settle(parcel, outcome=NOT_NOW)
        await later(harness, days=89)
        await harness.forget()
        assert await harness.count("attempts") == 1
        await later(harness, days=2)
        assert (await harness.forget())["attempts"] == 1
        assert await harness.count("attempts") == 0
        [again, *_] = await harness.claim("orders")
        assert (again.number, again.attempts) == (parcel.number, 1)

    # --- identities -------------------------------------------------------------------------------

    @pytest.mark.parametrize("days", [31, 91, YEARS - 30])
    async def test_what_comes_again_is_a_duplicate_whatever_has_gone(
        self, harness: StoreHarness, days: float
    ) -> None:
        """Its bytes, then its event: the run knows how it ended. Never a second event."""
        start = harness.clock.now_us()
        await heard(harness, "run_1")
        await everything_delivered(harness)
        await later(harness, days=days)
        await harness.forget()
        # It says that it ended a little later than it came: else its age alone would speak against it.
        again = await heard(harness, "run_1", completed_at="2026-04-05T00:00:00Z")
        assert harness.clock.now_us() > start
        assert (again.verdict, again.letter) == (Verdict.DUPLICATE, None)
        assert await harness.deliver_all("orders") != []
        assert "run_1" not in {
            d.run for d in await harness.deliveries() if d.state is State.PENDING
        }

    async def test_a_run_goes_last_and_in_its_time(self, harness: StoreHarness) -> None:
        await heard(harness, "run_1")
        await everything_delivered(harness)
        await harness.one(partial("run_2"))
        await later(harness, days=YEARS - 30)
        await harness.forget()
        assert await harness.count("runs") == 3
        harness.days_pass(30)
        assert await harness.forget() == {"runs": 1}
        runs = await harness.rows("SELECT id FROM runs ORDER BY number")
        assert [bytes(run) for (run,) in runs] == [b"run_2", b"later_1"]

    async def test_what_ended_before_anybody_remembers_is_not_taken_for_new(
        self, harness: StoreHarness
    ) -> None:
        """It may be a repeat of what is forgotten: it is kept, and becomes no event."""
        await heard(harness, "run_1")
        await everything_delivered(harness)
        await later(harness, days=YEARS)
        await harness.forget()
        assert await harness.count("runs") == 1
        for old in (
            callback("run_1"),
            callback("run_2", body=_created("2026-03-01T00:00:00Z")),
        ):
            recorded = await harness.one(old)
            assert recorded.verdict is Verdict.QUARANTINED
            assert recorded.reasons == ("too_old",)
        assert await harness.count("runs") == 1

    async def test_what_ended_since_is_taken(self, harness: StoreHarness) -> None:
        harness.days_pass(YEARS)
        new = await heard(harness, "run_1", completed_at="2031-03-01T12:00:00Z")
        assert new.verdict is Verdict.FIRST
        young = callback("run_2", body=_created("2031-03-01T12:00:00Z"))
        assert (await harness.one(young)).verdict is Verdict.FIRST

    # --- how it goes ------------------------------------------------------------------------------

    async def test_more_than_a_step_goes_in_steps(self, harness: StoreHarness) -> None:
        """And what has to stay is looked at once in a pass."""
        names = [f"run_{number}" for number in range(3 * ROWS)]
        await harness.store.record([callback(name) for name in names])
        await harness.deliver_all("lake")
        claimed = await harness.claim("orders", len(names))
        await harness.settle(*(one for one in claimed if one.number % 8 != 0))
        await later(harness, days=100)
        open_ones = sum(d.state is State.PENDING for d in await harness.deliveries())
        steps = [step async for step, _ in harness.steps()]
        assert len(steps) == len({(step.table, step.after) for step in steps}) < 40
        assert await harness.count("events") == open_ones - 1
        assert await harness.count("receipts") == open_ones - 1
        await harness.reopen()
        assert len(await harness.deliver_all("orders")) == open_ones - 1

    @pytest.mark.parametrize("where", ["before-commit", "after-commit"])
    async def test_death_in_any_step_loses_nothing_and_counts_nothing_twice(
        self, harness: StoreHarness, where: Checkpoint
    ) -> None:
        """Whoever comes next goes on; what is open is delivered."""
        for number in range(3):
            await heard(harness, f"run_{number}", router=NOWHERE)
        recorded = await heard(harness, "run_9")
        assert recorded.letter
        await later(harness, days=100)
        before = await harness.audit()
        reached, dead_at = False, 0
        while not reached:
            dead_at += 1
            reached = await die_at_step(harness, where, dead_at)
            assert await harness.audit() == before
        assert dead_at > 5
        await harness.forget()
        assert await harness.audit() == before
        assert await harness.count("receipts") == await harness.count("events") == 2
        [parcel, *_] = await harness.deliver_all("orders")
        assert parcel.letter.event.id == recorded.letter.event.id

    async def test_callbacks_come_and_go_while_a_pass_is_under_way(
        self, harness: StoreHarness
    ) -> None:
        """Repeats of what goes and of what stays, and runs not heard of before."""
        names = [f"run_{number}" for number in range(60)]
        await harness.store.record([callback(name) for name in names])
        await harness.deliver_all("lake")
        for parcel in await harness.claim("orders", 30):
            await harness.settle(parcel)
        await later(harness, days=100)
        answers = await asyncio.gather(
            harness.forget(),
            *(heard(harness, name) for name in names),
            *(heard(harness, name) for name in names),
            *(heard(harness, f"new_{name}") for name in names),
        )
        verdicts = [a.verdict for a in answers if isinstance(a, Recorded)]
        assert verdicts == [Verdict.DUPLICATE] * 120 + [Verdict.FIRST] * 60
        await harness.audit()
        await harness.forget()
        await harness.reopen()
        assert len(await harness.deliver_all("orders")) == 30 + 1 + 60


async def heard(harness: StoreHarness, run: str, **said: Any) -> Recorded:
    """A callback comes now."""
    return await harness.one(callback(run, at=harness.clock.now_us(), **said))


async def later(harness: StoreHarness, *, days: float) -> None:
    """Time passes, and something else is heard of: the newest row of a table may have to stay."""
    harness.days_pass(days)
    count = await harness.count("runs")
    [(known,)] = await harness.rows(
        "SELECT COUNT(*) FROM runs WHERE id >= ? AND id < ?", b"later_", b"later`"
    )
    assert known <= count
    run = f"later_{known + 1}"
    await heard(harness, run, completed_at="2040-01-01T00:00:00Z")


async def everything_delivered(harness: StoreHarness) -> None:
    for place in ("lake", "orders"):
        await harness.deliver_all(place)


async def stored_body(harness: StoreHarness, delivery: int) -> bytes:
    [(body,)] = await harness.rows(
        "SELECT c.body FROM deliveries AS d JOIN events AS e ON e.number = d.event"
        " JOIN receipts AS c ON c.number = e.receipt WHERE d.number = ?",
        delivery,
    )
    return bytes(body)


async def ages(harness: StoreHarness) -> float:
    """Days since the oldest receipt that is kept."""
    [(oldest,)] = await harness.rows("SELECT MIN(first_seen) FROM receipts")
    return (harness.clock.now_us() - int(oldest)) / 86_400_000_000


async def die_at_step(harness: StoreHarness, where: Checkpoint, count: int) -> bool:
    """Whether a pass ends before its step of that number; else it is killed in it."""

    def die() -> None:
        raise Died

    step: PassStep | None = begin(harness.keeping, harness.clock.now_us())
    try:
        while step is not None:
            count -= 1
            if not count:
                harness.checkpoints.at(where, die)
            step = following(step, await harness.store.forget(step))
    except (StoreBusyError, Died):
        await harness.reopen()
        return False
    harness.checkpoints.clear()
    return True


def _created(at: str) -> bytes:
    """A callback that says when its run was created, and not when it ended."""
    return b'{"run_id": "run_3", "status": "failed", "created_at": "%s"}' % at.encode()
