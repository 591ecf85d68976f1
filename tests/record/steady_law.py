"""Steady: the law of what is not due yet, and of clocks that were ahead, for every store."""

from msgspec import structs

from relay.core.delivery import Failed, Fault, Queue, State, Step
from relay.core.ports import Amendment
from relay.core.steady import Ahead
from tests.fakes import NOW_US
from tests.record.harness import StoreHarness
from tests.record.receipts import EVERYWHERE, callback, routed
from tests.record.replaying import die, order

DAY_S = 86_400
LATER = Failed(reason="status_400", fault=Fault.EVENT, status=400, detail="no")


async def _all(harness: StoreHarness, *, limit: int = 2) -> list[Ahead]:
    found: list[Ahead] = []
    after = None
    now = harness.clock.now_us()
    while part := await harness.store.look_ahead("lake", after, now=now, limit=limit):
        assert len(part) <= limit
        found += part
        after = part[-1]
    return found


class SteadyLaw:
    """What a clock that was ahead has put off is found, and no lease is touched by it."""

    async def test_what_is_not_due_yet_is_found_part_by_part(
        self, harness: StoreHarness
    ) -> None:
        """Out of every queue and of every source, each delivery once, also of those due at the same time."""
        await harness.store.record([callback(f"run_{n}") for n in range(7)])
        failed = await harness.claim(limit=3)
        await harness.settle(*failed, outcome=LATER)
        await harness.one(callback("run_9", source="other"))
        assert [one.queue for one in await _all(harness)] == [Queue.AGAIN] * 3
        harness.clock.advance(seconds=-DAY_S)
        found = await _all(harness)
        assert len({one.number for one in found}) == len(found) == 8
        assert [one.queue for one in found] == [Queue.FIRST] * 5 + [Queue.AGAIN] * 3
        assert await harness.store.look_ahead("nowhere", None, now=0, limit=9) == []

    async def test_it_is_said_what_a_try_in_the_future_came_to(
        self, harness: StoreHarness
    ) -> None:
        """A time of a try that has passed says nothing and is not told."""
        await harness.one(callback("run_1", router=routed("lake")))
        [parcel] = await harness.claim()
        await harness.settle(parcel, outcome=LATER)
        [found] = await _all(harness)
        assert (found.due_at, found.attempts, found.status, found.tried_at) == (
            NOW_US + 5_000_000, 1, 400, None,
        )  # fmt: skip
        harness.clock.advance(seconds=-DAY_S)
        [found] = await _all(harness)
        assert found.tried_at == NOW_US

    async def test_what_is_claimed_is_left_to_whoever_has_it(
        self, harness: StoreHarness
    ) -> None:
        """Neither is it found, nor changed by who has found it before."""
        await harness.one(callback("run_1", router=routed("lake")))
        harness.clock.advance(seconds=-DAY_S)
        [found] = await _all(harness)
        harness.clock.advance(seconds=DAY_S)
        [parcel] = await harness.claim()
        written = Step(
            state=State.PENDING, due_at=found.due_at, attempts=0, reason=None
        )
        now = structs.replace(written, due_at=NOW_US - DAY_S * 1_000_000)
        await harness.store.amend(
            [Amendment(number=found.number, written=written, step=now)]
        )
        [kept] = await harness.rows("SELECT due_at FROM deliveries")
        assert kept == (found.due_at,)
        harness.clock.advance(seconds=-DAY_S)
        assert await _all(harness) == []
        assert await harness.settle(parcel) == [True]

    async def test_a_step_of_a_replay_that_was_put_off_is_due_when_that_is_said(
        self, harness: StoreHarness
    ) -> None:
        """Not before; one that waits for its rate is left as it is."""
        await die(harness, "run_1", "run_2")
        await order(harness, rate=1)
        resent = await harness.store.resend(EVERYWHERE)
        assert resent is not None
        assert await harness.store.resend(EVERYWHERE, righted=True) is None
        harness.clock.advance(seconds=-DAY_S)
        assert await harness.store.resend(EVERYWHERE) is None
        resent = await harness.store.resend(EVERYWHERE, righted=True)
        assert resent is not None
        assert resent.made == 1
