"""What goes out: the law of claiming and settling, for every store."""

import asyncio

import pytest

from relay.core.delivery import (
    Delivered,
    Failed,
    Fault,
    Refused,
    Released,
    State,
)
from relay.core.errors import UnbuildableError
from relay.core.identity import Outcome
from relay.core.ports import Parcel
from relay.core.run import Verdict
from tests.fakes import NOW_US
from tests.record.harness import StoreHarness, settle_as
from tests.record.receipts import callback, partial, poison, routed

LATER = Failed(reason="status_400", fault=Fault.EVENT, status=400, detail="no")
#: The bodies whose events differ in what they are made of.
BODIES = {
    "exact": b'{"run_id": "run_1", "status": "succeeded", "output": {"z": 1.10, "a": "\\u00e9"},'
    b' "metadata": {"n": 123456789012345678901234567890}, "cost": "0.10"}',
    "uuid": b'{"run_id": "0198C0DE-0000-7000-8000-00000000000A", "status": "failed",'
    b' "failure_code": "oom", "nodes_total": 4}',
    "batch": b'{"event": "batch.partial_succeeded", "batch_id": "batch_1", "status": "partial_succeeded"}',
    "unknown": b'{"run_id": "l\xc3\xa4uft", "status": "cancelled", "client_ref": "order \\u2603"}',
}


class OutboxLaw:
    """Deliveries are claimed by one, in order, and what became of them is written once."""

    async def test_a_claim_is_exclusive(self, harness: StoreHarness) -> None:
        """Two who ask at once share what there is."""
        await harness.store.record([callback(f"run_{n}") for n in range(10)])
        one, two = await harness.together(
            harness.claim(limit=6), harness.claim(limit=6)
        )
        numbers = [parcel.number for parcel in (*one, *two)]
        assert len(set(numbers)) == len(numbers) == 10
        assert await harness.claim() == []

    async def test_a_delivery_whose_callback_is_gone_is_claimed_and_cannot_be_built(
        self, harness: StoreHarness
    ) -> None:
        """As after a restore of a part: it dies with a reason, and holds up nobody."""
        await harness.one(callback("run_1"))
        await harness.one(callback("run_2"))
        await harness.close()
        await harness.execute(
            "DELETE FROM receipts WHERE number = (SELECT MIN(number) FROM receipts)"
        )
        await harness.open()
        gone, whole = await harness.claim(limit=2)
        with pytest.raises(UnbuildableError, match="damaged_receipt"):
            _ = gone.letter.event
        assert whole.letter.event.attributes["subject"] == "run_2"
        # The account says that a row is gone; the audit after this test need not.
        assert await harness.recount() != await harness.ledger()
        await harness.close()
        await harness.execute("UPDATE source_counters SET receipts = 1, first = 1")
        await harness.open()

    async def test_a_claim_is_of_one_destination(self, harness: StoreHarness) -> None:
        await harness.one(callback())
        [lake] = await harness.claim("lake")
        [orders] = await harness.claim("orders")
        assert (lake.destination, orders.destination) == ("lake", "orders")

    async def test_claims_come_oldest_first(self, harness: StoreHarness) -> None:
        """The longest due comes first."""
        await harness.store.record([callback(f"run_{n}") for n in range(3)])
        harness.clock.advance(seconds=60)
        runs = [_run(await _only(harness)) for _ in range(3)]
        assert runs == ["run_0", "run_1", "run_2"]

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_who_has_no_room_gets_nothing(
        self, harness: StoreHarness, limit: int
    ) -> None:
        await harness.one(callback())
        assert await harness.claim(limit=limit) == []

    async def test_a_claim_takes_no_more_bytes_than_asked_for_but_one_in_any_case(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.record([callback(f"run_{n}") for n in range(4)])
        [first] = await harness.claim(size=1)
        assert first.size > 100
        two = await harness.claim(size=2 * first.size)
        rest = await harness.claim()
        found = [_run(parcel) for parcel in (first, *two, *rest)]
        assert found == ["run_0", "run_1", "run_2", "run_3"]
        assert len(two) == 2

    async def test_nothing_is_due_to_whom_nobody_knows(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback())
        assert await harness.claim("nowhere") == []
        assert await harness.store.next_due("nowhere") is None

    async def test_a_revision_waits_for_the_one_before(
        self, harness: StoreHarness
    ) -> None:
        """Whether that is leased, postponed or being tried; other runs go on."""
        await _two_revisions(harness)
        [first, other] = await harness.claim()
        assert [_revision(first), _revision(other)] == [("run_1", 1), ("run_2", 1)]
        assert await harness.claim() == []
        await harness.settle(first, outcome=LATER)
        assert await harness.claim() == []
        harness.clock.advance(seconds=60)
        [again] = await harness.claim()
        assert _revision(again) == ("run_1", 1)

    @pytest.mark.parametrize("end", [Delivered(), Refused(reason="too_large")])
    async def test_a_revision_goes_when_the_one_before_is_settled(
        self, harness: StoreHarness, end: Delivered | Refused
    ) -> None:
        await _two_revisions(harness)
        first, _ = await harness.claim()
        await harness.settle(first, outcome=end)
        [second] = await harness.claim()
        assert _revision(second) == ("run_1", 2)

    async def test_settling_and_claiming_the_next_may_share_a_group(
        self, harness: StoreHarness
    ) -> None:
        await _two_revisions(harness)
        first, _ = await harness.claim()
        _, [second] = await harness.together(harness.settle(first), harness.claim())
        assert _revision(second) == ("run_1", 2)

    async def test_a_revision_waits_at_its_own_destination_only(
        self, harness: StoreHarness
    ) -> None:
        """What is stuck on the way to one holds back nothing on the way to another."""
        await _two_revisions(harness)
        found = [_revision(parcel) for parcel in await harness.deliver_all("orders")]
        assert found == [("run_1", 1), ("run_2", 1), ("run_1", 2)]
        assert len(await harness.claim("lake")) == 2

    async def test_a_new_life_gives_back_what_a_dead_one_held(
        self, harness: StoreHarness
    ) -> None:
        """Claimed or fresh, open deliveries can be claimed again; the dead one's leases are void."""
        harness.handover.left = {"orders": 5}
        await harness.one(callback())
        [old] = await harness.claim("lake")
        [fresh] = harness.handover.handed
        await harness.reopen()
        [lake] = await harness.claim("lake")
        [orders] = await harness.claim("orders")
        assert (old.number, fresh.number) == (lake.number, orders.number)
        assert not {old.lease, fresh.lease} & {lake.lease, orders.lease}
        assert await harness.settle(old) == [False]
        assert await harness.settle(lake, orders) == [True, True]

    async def test_settling_without_the_lease_changes_nothing(
        self, harness: StoreHarness
    ) -> None:
        """Neither a lease given back nor one of a settled delivery writes anything."""
        await harness.one(callback())
        [old] = await harness.claim()
        await harness.settle(old, outcome=Released())
        [new] = await harness.claim()
        before = await harness.deliveries()
        assert await harness.settle(old, outcome=Refused(reason="late")) == [False]
        assert before == await harness.deliveries()
        assert await harness.settle(new) == [True]
        assert await harness.settle(new, outcome=LATER) == [False]
        assert await harness.count("attempts") == 0

    async def test_a_stale_and_a_valid_lease_in_one_call(
        self, harness: StoreHarness
    ) -> None:
        """Each gets its own answer, though both are of one delivery."""
        await harness.one(callback())
        [old] = await harness.claim()
        await harness.settle(old, outcome=Released())
        [new] = await harness.claim()
        now = harness.clock.now_us()
        answers = await harness.store.settle(
            [
                *settle_as(Refused(reason="late"), old, now=now),
                *settle_as(Delivered(), new, now=now),
            ]
        )
        assert list(answers) == [False, True]
        assert await _state(harness, new) is State.DELIVERED

    async def test_a_delivery_is_settled_once_in_one_call(
        self, harness: StoreHarness
    ) -> None:
        """The first word counts, in the row and in the ledger."""
        await harness.one(callback())
        [parcel] = await harness.claim()
        now = harness.clock.now_us()
        answers = await harness.store.settle(
            [
                *settle_as(Delivered(), parcel, now=now),
                *settle_as(Refused(reason="late"), parcel, now=now),
            ]
        )
        assert list(answers) == [True, False]
        assert await _state(harness, parcel) is State.DELIVERED

    async def test_what_is_released_can_be_claimed_at_once(
        self, harness: StoreHarness
    ) -> None:
        """As if it had never been claimed: no attempt is counted or kept."""
        await harness.one(callback())
        [parcel] = await harness.claim()
        assert await harness.settle(parcel, outcome=Released()) == [True]
        [again] = await harness.claim()
        assert (parcel.number, 0) == (again.number, again.attempts)
        assert await harness.count("attempts") == 0

    async def test_what_failed_is_due_when_its_step_says(
        self, harness: StoreHarness
    ) -> None:
        """Not a microsecond before; the attempt is counted and kept."""
        await harness.one(callback())
        [parcel] = await harness.claim()
        await harness.settle(parcel, outcome=LATER)
        due = await harness.store.next_due("lake")
        assert due == harness.clock.now_us() + 5_000_000
        harness.clock.time_us = due - 1
        assert await harness.claim() == []
        harness.clock.time_us = due
        [again] = await harness.claim()
        assert (parcel.number, 1) == (again.number, again.attempts)
        kept = await harness.rows(
            "SELECT delivery, reason, status, detail FROM attempts"
        )
        assert [(parcel.number, "status_400", 400, "no")] == kept

    async def test_what_a_destination_says_can_always_be_kept(
        self, harness: StoreHarness
    ) -> None:
        """Words that are not Unicode harm neither this settlement nor its neighbours."""
        await harness.store.record([callback("run_1"), callback("run_2")])
        one, two = await harness.claim()
        now = harness.clock.now_us()
        rude = Refused(reason="refused", detail="\udcff")
        answers = await harness.store.settle(
            [*settle_as(rude, one, now=now), *settle_as(Delivered(), two, now=now)]
        )
        assert list(answers) == [True, True]

    async def test_what_ends_is_never_claimed_again(
        self, harness: StoreHarness
    ) -> None:
        """Delivered and dead are final, and counted as such."""
        await harness.store.record([callback("run_1"), callback("run_2")])
        one, two = await harness.claim()
        await harness.settle(one)
        await harness.settle(two, outcome=Refused(reason="too_large"))
        harness.clock.advance(seconds=1e6)
        assert await harness.claim() == []
        assert await harness.store.next_due("lake") is None
        counts = (await harness.audit()).destinations["lake"]
        assert (
            counts.created, counts.delivered, counts.dead, counts.pending,
        ) == (2, 1, 1, 0)  # fmt: skip
        dead = [d.reason for d in await harness.deliveries() if d.state is State.DEAD]
        assert dead == ["too_large"]

    async def test_next_due_is_of_what_nobody_holds(
        self, harness: StoreHarness
    ) -> None:
        assert await harness.store.next_due("lake") is None
        await harness.one(callback("run_1", at=NOW_US + 5))
        await harness.one(callback("run_2", at=NOW_US + 9))
        assert await harness.store.next_due("lake") == NOW_US + 5
        harness.clock.advance(seconds=1)
        await harness.claim(limit=1)
        assert await harness.store.next_due("lake") == NOW_US + 9

    async def test_fresh_deliveries_are_leased_as_far_as_there_is_room(
        self, harness: StoreHarness
    ) -> None:
        """The rest waits in the store, and its destination is told so."""
        harness.handover.left = {"lake": 2}
        await harness.together(
            *(harness.store.record([callback(f"run_{n}")]) for n in range(3))
        )
        handed = [(_run(p), p.destination) for p in harness.handover.handed]
        assert handed == [("run_0", "lake"), ("run_1", "lake")]
        assert {"lake", "orders"} == set(harness.handover.hinted)
        assert [_run(parcel) for parcel in await harness.claim("lake")] == ["run_2"]
        assert await harness.settle(*harness.handover.handed) == [True, True]

    async def test_a_group_tried_again_leases_no_more_than_there_is_room(
        self, harness: StoreHarness
    ) -> None:
        """What is recorded one by one shares the same room."""
        harness.handover.left = {"lake": 2}
        await harness.together(
            harness.store.record([poison()]),
            *(harness.store.record([callback(f"run_{n}")]) for n in range(4)),
        )
        assert [_run(p) for p in harness.handover.handed] == ["run_0", "run_1"]
        assert [_run(p) for p in await harness.claim("lake")] == ["run_2", "run_3"]

    async def test_the_answer_tells_who_holds_what(self, harness: StoreHarness) -> None:
        harness.handover.left = {"orders": 1}
        recorded = await harness.one(callback())
        assert [parcel.destination for parcel in recorded.parcels] == ["orders"]
        assert recorded.stored_for == ("lake",)

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    async def test_a_parcel_from_the_store_carries_the_same_bytes(
        self, harness: StoreHarness, body: bytes
    ) -> None:
        """However often the event is built, by whichever life: id and bytes are the same (P2)."""
        recorded = await harness.one(
            callback(body=body, channel="org", require=("status",))
        )
        assert recorded.letter is not None
        expected = recorded.letter.event.structured
        [claimed] = await harness.claim("lake")
        assert expected == claimed.letter.event.structured
        await harness.reopen()
        [again] = await harness.claim("lake")
        assert expected == again.letter.event.structured
        assert recorded.letter.event.id == again.letter.event.id

    async def test_an_event_keeps_the_origin_and_time_of_its_first_receipt(
        self, harness: StoreHarness
    ) -> None:
        """Though a later one, through another channel, completed it."""
        only_status: tuple[()] = ()
        await harness.one(partial(channel="org"))
        recorded = await harness.one(
            callback(completed_at=None, at=NOW_US + 9, require=only_status)
        )
        assert recorded.verdict is Verdict.DUPLICATE
        harness.clock.advance(seconds=1)
        [claimed] = await harness.claim()
        for letter in (recorded.letter, claimed.letter):
            assert letter is not None
            assert letter.event.attributes["origin"] == "webhook"
            assert letter.event.attributes["time"] == "2026-03-01T12:00:00.000000Z"

    async def test_destinations_share_one_letter(self, harness: StoreHarness) -> None:
        """What several deliveries of one event carry is built once."""
        harness.handover.left = {"lake": 1, "orders": 1}
        recorded = await harness.one(callback())
        one, two = recorded.parcels
        assert one.letter is two.letter is recorded.letter

    async def test_a_claim_whose_caller_has_gone_is_given_back(
        self, harness: StoreHarness
    ) -> None:
        """Its commit ends all the same; nobody would ever have delivered what it leased."""
        await harness.one(callback())
        with harness.held() as hold:
            claiming = asyncio.get_running_loop().create_task(harness.claim())
            await hold.reached()
            claiming.cancel()
            with pytest.raises(asyncio.CancelledError):
                await claiming
        await harness.one(partial("run_2"))
        [parcel] = await harness.claim()
        assert _run(parcel) == "run_1"


def _run(parcel: Parcel) -> str:
    return parcel.letter.facts.key.id


def _revision(parcel: Parcel) -> tuple[str, int]:
    return _run(parcel), parcel.letter.facts.revision


async def _only(harness: StoreHarness) -> Parcel:
    [parcel] = await harness.claim(limit=1)
    return parcel


async def _state(harness: StoreHarness, parcel: Parcel) -> State:
    [found] = [d.state for d in await harness.deliveries() if d.number == parcel.number]
    return found


async def _two_revisions(harness: StoreHarness) -> None:
    """Run 1 has two events on their way everywhere, run 2 came in between."""
    router = routed("lake", "orders")
    await harness.one(callback("run_1", router=router))
    await harness.one(callback("run_2", router=router))
    await harness.revise("run_1", Outcome.FAILED, to=["lake", "orders"])
