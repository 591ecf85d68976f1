"""Who works at what is sent again, and when: the law of orders under way, for every store."""

import pytest

from relay.core.audit import Entry
from relay.core.errors import InternalError
from relay.core.ports import Checkpoint
from relay.core.replay import (
    RUNNING_MAX,
    NewReplay,
    ReplayState,
    Selection,
    TooManyRunningError,
)
from relay.core.route import Router
from tests.record.harness import StoreHarness
from tests.record.receipts import EVERYWHERE
from tests.record.replaying import (
    counts_of,
    die,
    order,
    runs_of,
    step,
    work,
)

__all__ = ["ResendingLaw"]


class ResendingLaw:
    """Each has its turn, none is worked at in vain, and a kill neither loses nor doubles anything."""

    async def test_orders_take_turns(self, harness: StoreHarness) -> None:
        for destination in ("lake", "orders"):
            runs = (f"{destination}_1", f"{destination}_2")
            await die(harness, *runs, destination=destination)
        first = await order(harness, rate=4)
        second = await order(harness, origin="orders", rate=4)
        seen = []
        for _ in range(2):
            seen += [(await step(harness)).replay, (await step(harness)).replay]
            harness.clock.advance(seconds=1)
        assert sorted(seen[:2]) == sorted(seen[2:]) == [first, second]

    async def test_who_cannot_be_worked_at_is_passed_by(
        self, harness: StoreHarness
    ) -> None:
        """Until it is its turn once more."""
        await die(harness, "run_1")
        await order(harness, Selection(outcome="of another version"))
        harness.clock.advance(seconds=1)
        await order(harness)
        with pytest.raises(InternalError):
            await harness.store.resend(EVERYWHERE)
        until = harness.clock.now_us() + 5_000_000
        await harness.store.postpone_replay(EVERYWHERE, until=until)
        assert (await step(harness)).made == 1
        assert await harness.store.next_resend(EVERYWHERE) == (until, True)
        await harness.store.postpone_replay(EVERYWHERE, until=0)
        assert await harness.store.next_resend(EVERYWHERE) == (until, True)

    async def test_there_are_no_more_orders_than_can_be_looked_at(
        self, harness: StoreHarness
    ) -> None:
        """Those who would be too many are not written, and neither is a part of them."""
        number = await order(harness)
        one = NewReplay(
            by="somebody",
            origin="lake",
            target="lake",
            selection=Selection(),
            expected=0,
            after=0,
            upto=0,
        )
        await harness.store.order_replays([one] * (RUNNING_MAX - 2))
        with pytest.raises(TooManyRunningError, match="99 replays are under way"):
            await harness.store.order_replays([one, one])
        await harness.store.order_replays([one])
        with pytest.raises(TooManyRunningError):
            await harness.store.order_replays([one])
        assert await harness.store.cancel_replay(number, by="somebody")
        await harness.store.order_replays([one])

    async def test_an_order_may_be_called_off(self, harness: StoreHarness) -> None:
        """What it has made is delivered all the same."""
        await die(harness, *(f"run_{n}" for n in range(8)))
        number = await order(harness, rate=4)
        await step(harness)
        assert await harness.store.cancel_replay(number, by="somebody")
        assert not await harness.store.cancel_replay(number, by="somebody")
        assert not await harness.store.cancel_replay(number + 1, by="somebody")
        harness.clock.advance(seconds=10)
        assert await work(harness) == 0
        assert len(await harness.claim()) == 1

    async def test_nothing_is_made_for_who_is_not_in_the_configuration(
        self, harness: StoreHarness
    ) -> None:
        """Nobody would deliver it. The order waits for it to come back, and others pass it by."""
        await die(harness, "run_1")
        await die(harness, "run_2", destination="orders")
        await order(harness)
        await order(harness, origin="orders")
        only = Router(routes=[], destinations=["orders"])
        assert await work(harness, router=only) == 1
        assert await harness.store.next_resend(only) == (None, False)
        assert await work(harness) == 1

    async def test_who_is_forgotten_is_sent_nothing_again(
        self, harness: StoreHarness
    ) -> None:
        """Or an order would go on making what can only die."""
        await die(harness, *(f"run_{n}" for n in range(8)))
        number = await order(harness, rate=4)
        onward = await order(harness, target="orders", rate=4)
        await step(harness)
        entry = Entry(at=1, actor="me", verb="destinations forget", subject="lake")
        assert await harness.store.abandon("lake", limit=10, entry=entry) == 1
        [forgotten] = await harness.letters().orders(number)
        assert forgotten.state is ReplayState.CANCELLED
        assert await work(harness) == 7
        told = await harness.rows("SELECT actor, verb, subject FROM audit")
        assert ("me", "replay --cancel", str(number)) in [tuple(row) for row in told]
        [other] = await harness.letters().orders(onward)
        assert (other.state, other.created) == (ReplayState.DONE, 7)

    @pytest.mark.parametrize("point", ["before-commit", "after-commit"])
    async def test_an_order_survives_a_kill_and_does_nothing_twice(
        self, point: Checkpoint, harness: StoreHarness
    ) -> None:
        runs = [f"run_{n}" for n in range(6)]
        await die(harness, *runs)
        await order(harness, rate=8)
        for _ in range(2):
            await harness.killed_at(point, harness.store.resend(EVERYWHERE))
            await harness.reopen()
            harness.clock.advance(seconds=1)
        await work(harness)
        again = await harness.claim()
        assert runs_of(again) == runs
        assert {one.generation for one in again} == {2}
        assert await counts_of(harness) == (6, 0, 0, 0)

    async def test_who_ordered_what_is_written_with_it(
        self, harness: StoreHarness
    ) -> None:
        await die(harness, "run_1")
        number = await order(harness, Selection(reason="status_410"))
        await harness.store.cancel_replay(number, by="somebody else")
        rows = await harness.rows(
            "SELECT actor, verb, subject, detail FROM audit ORDER BY number"
        )
        assert [row[:3] for row in rows] == [
            ("somebody", "replay", str(number)),
            ("somebody else", "replay --cancel", str(number)),
        ]
        assert '"reason":"status_410"' in rows[0][3]

    async def test_a_destination_is_told_that_something_waits(
        self, harness: StoreHarness
    ) -> None:
        await die(harness, "run_1")
        harness.handover.forget()
        await order(harness)
        await work(harness)
        assert "lake" in harness.handover.hinted
