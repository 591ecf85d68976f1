"""Queues: the law of who is claimed beside whom, for every store."""

from collections.abc import Sequence
from typing import Any

from msgspec import structs

from relay.core.delivery import Failed, Fault, Queue, Released
from relay.core.identity import Outcome
from relay.core.ports import Amendment, Parcel, Wish
from tests.record.harness import StoreHarness, settle_as
from tests.record.receipts import callback, routed

LATER = Failed(reason="status_400", fault=Fault.EVENT, status=400, detail="no")


class QueuesLaw:
    """What has failed before, and what is of another source, keeps nobody waiting."""

    async def test_who_has_failed_before_waits_in_a_queue_of_his_own(
        self, harness: StoreHarness
    ) -> None:
        """However much is there of the one, the other is given out of its own queue."""
        await harness.store.record([callback(f"run_{n}") for n in range(4)])
        one, two = await harness.claim(limit=2)
        await harness.settle(one, two, outcome=LATER)
        harness.clock.advance(seconds=60)
        assert [(_run(p), p.queue) for p in await _wished(harness, first=9)] == [
            ("run_2", Queue.FIRST),
            ("run_3", Queue.FIRST),
        ]
        assert [(_run(p), p.queue) for p in await _wished(harness, again=1)] == [
            ("run_0", Queue.AGAIN)
        ]

    async def test_each_queue_says_when_something_of_it_is_due(
        self, harness: StoreHarness
    ) -> None:
        store, now = harness.store, harness.clock.now_us()
        await harness.one(callback("run_1"))
        assert await store.next_due("lake", Queue.FIRST) is not None
        assert await store.next_due("lake", Queue.AGAIN) is None
        await harness.settle(*await harness.claim(), outcome=LATER)
        assert await store.next_due("lake", Queue.FIRST) is None
        again = await store.next_due("lake", Queue.AGAIN)
        assert again == now + 5_000_000
        harness.clock.advance(seconds=9)
        await harness.one(callback("run_2", at=harness.clock.now_us()))
        first = await store.next_due("lake", Queue.FIRST)
        assert first == now + 9_000_000
        assert await store.next_due("lake") == again

    async def test_who_is_given_back_untried_keeps_his_place_and_his_reason(
        self, harness: StoreHarness
    ) -> None:
        """What its last try came to is not forgotten."""
        await harness.one(callback(router=routed("lake")))
        [parcel] = await harness.claim()
        await harness.settle(parcel, outcome=LATER)
        harness.clock.advance(seconds=60)
        [again] = await harness.claim()
        await harness.settle(again, outcome=Released())
        [kept] = await harness.rows("SELECT status, reason, queue FROM deliveries")
        assert kept == (400, "status_400", 1)
        [last] = await _wished(harness, again=9)
        await harness.settle(last)
        [kept] = await harness.rows("SELECT status, reason FROM deliveries")
        assert kept == (None, None)

    async def test_a_source_with_much_to_deliver_leaves_room_for_one_with_little(
        self, harness: StoreHarness
    ) -> None:
        """Each of them is given as much as the others, its oldest first."""
        await harness.store.record([callback(f"run_{n}") for n in range(30)])
        harness.clock.advance(seconds=9)
        for n in range(3):
            await harness.one(callback(f"late_{n}", source="other"))
        runs = [_run(parcel) for parcel in await harness.claim(limit=8)]
        assert sorted(runs) == [*(f"late_{n}" for n in range(3))] + [
            f"run_{n}" for n in range(5)
        ]

    async def test_of_few_places_another_source_has_the_first_each_time(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.record([callback(f"run_{n}") for n in range(9)])
        await harness.one(callback("late", source="other"))
        runs = [_run((await _wished(harness, first=1))[0]) for _ in range(4)]
        assert "late" in runs

    async def test_sources_that_are_not_wanted_are_left_alone(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback("run_1"))
        await harness.one(callback("run_2", source="other"))
        but = ("acme", "nobody")
        runs = [_run(p) for p in await _wished(harness, first=9, but=but)]
        assert runs == ["run_2"]

    async def test_where_order_is_not_wanted_no_event_waits_for_another(
        self, harness: StoreHarness
    ) -> None:
        router = routed("lake")
        await harness.one(callback("run_1", router=router))
        await harness.one(callback("run_2", router=router))
        await harness.revise("run_1", Outcome.FAILED, to=["lake"])
        found = await _wished(harness, first=9, ordered=False)
        assert [_revision(parcel) for parcel in found] == [
            ("run_1", 1),
            ("run_2", 1),
            ("run_1", 2),
        ]

    async def test_a_step_can_be_given_back_to_who_has_not_been_tried_since(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.record([callback("run_1"), callback("run_2")])
        one, two = await harness.claim()
        now = harness.clock.now_us()
        written = settle_as(LATER, one, two, now=now)
        await harness.store.settle(written)
        amendments = [
            Amendment(
                number=item.parcel.number,
                written=item.step,
                step=structs.replace(item.step, attempts=0, due_at=now),
            )
            for item in written
        ]
        harness.clock.advance(seconds=60)
        [again] = await _wished(harness, again=1)
        await harness.store.amend(amendments)
        rows = {d.number: (d.attempts, d.due_at) for d in await harness.deliveries()}
        other = two if again.number == one.number else one
        assert rows[other.number] == (0, now)
        assert rows[again.number] == (1, written[0].step.due_at)


def _run(parcel: Parcel) -> str:
    return parcel.letter.facts.key.id


def _revision(parcel: Parcel) -> tuple[str, int]:
    return _run(parcel), parcel.letter.facts.revision


async def _wished(harness: StoreHarness, **wish: Any) -> Sequence[Parcel]:
    """Claim something of the lake."""
    now = harness.clock.now_us()
    wished = Wish(**{"first": 0, "size": 1 << 30, "now": now, **wish})
    return await harness.store.claim("lake", wished)
