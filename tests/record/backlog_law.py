"""Who is behind: the law of deliveries that are not made yet, for every store."""

import pytest

from relay.core.delivery import State
from relay.core.errors import StoreFullError
from relay.core.identity import Outcome
from relay.core.ledger import DestinationCounts
from tests.record.harness import StoreHarness
from tests.record.holding_law import condition, hold, resume
from tests.record.receipts import callback, routed

__all__ = ["BacklogLaw", "fill"]


async def fill(harness: StoreHarness, *, limit: int = 2) -> int:
    """Fill to the end; in how many steps."""
    steps = 1
    while await harness.store.fill("lake", limit=limit):
        steps += 1
    return steps


async def _to_lake(harness: StoreHarness) -> list[tuple[str, int]]:
    """Runs and revisions that have a delivery there, in the order of their numbers."""
    found = await harness.deliveries()
    return [(d.run, d.revision) for d in found if d.destination == "lake"]


class BacklogLaw:
    """What is not made is not lost, not doubled and not out of order; and it counts."""

    async def test_who_is_behind_gets_no_deliveries_and_they_count_as_held(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback("run_1"))
        assert await harness.store.fall_behind("lake")
        recorded = await harness.one(callback("run_2"))
        assert recorded.stored_for == ("orders",)
        assert await _to_lake(harness) == [("run_1", 1)]
        account = (await harness.audit()).destinations
        assert account["lake"] == DestinationCounts(created=2, pending=1, held=1)
        assert account["orders"] == DestinationCounts(created=2, pending=2)
        found = await condition(harness)
        assert (found.behind, found.open) == (1, 2)

    async def test_nothing_fresh_is_handed_over_to_who_is_behind(
        self, harness: StoreHarness
    ) -> None:
        harness.handover.left = {"lake": 5}
        await harness.store.fall_behind("lake")
        await harness.one(callback())
        assert harness.handover.handed == []

    async def test_what_was_not_made_is_made_in_order_and_in_steps(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.fall_behind("lake")
        runs = [f"run_{n}" for n in range(5)]
        await harness.store.record([callback(run) for run in runs])
        await harness.audit()
        assert await fill(harness, limit=2) >= 3
        assert await _to_lake(harness) == [(run, 1) for run in runs]
        assert (await condition(harness)).behind_from is None
        parcels = await harness.deliver_all("lake")
        assert [parcel.letter.facts.key.id for parcel in parcels] == runs

    async def test_a_step_is_whole_in_the_account(self, harness: StoreHarness) -> None:
        await harness.store.fall_behind("lake")
        await harness.store.record([callback(f"run_{n}") for n in range(5)])
        assert await harness.store.fill("lake", limit=2)
        account = (await harness.audit()).destinations
        assert account["lake"] == DestinationCounts(created=5, pending=2, held=3)
        await fill(harness)

    async def test_who_has_caught_up_gets_deliveries_at_once(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.fall_behind("lake")
        await harness.one(callback("run_1"))
        await fill(harness)
        harness.handover.left = {"lake": 1}
        await harness.one(callback("run_2"))
        assert len(harness.handover.handed) == 1

    async def test_what_comes_while_it_is_filled_waits_for_its_turn(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.fall_behind("lake")
        await harness.store.record([callback(f"run_{n}") for n in range(3)])
        assert await harness.store.fill("lake", limit=2)
        await harness.one(callback("run_3"))
        assert await _to_lake(harness) == [("run_0", 1), ("run_1", 1)]
        await fill(harness)
        assert [run for run, _ in await _to_lake(harness)] == [
            f"run_{n}" for n in range(4)
        ]

    async def test_the_order_of_a_run_holds_before_within_and_after(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback("run_1"))
        await harness.store.fall_behind("lake")
        for outcome in (Outcome.FAILED, Outcome.SUCCEEDED):
            harness.clock.advance(seconds=1)
            await harness.revise("run_1", outcome, to=("lake", "orders"))
        await fill(harness, limit=1)
        harness.clock.advance(seconds=1)
        await harness.revise("run_1", Outcome.FAILED, to=("lake", "orders"))
        harness.clock.advance(seconds=1)
        parcels = await harness.deliver_all("lake")
        assert [parcel.letter.facts.revision for parcel in parcels] == [1, 2, 3, 4]

    async def test_a_revision_follows_what_was_not_made_yet(
        self, harness: StoreHarness
    ) -> None:
        """Whoever was to have the first one is to have the next, whatever the routes say by then."""
        await harness.store.fall_behind("lake")
        await harness.one(callback("run_1"))
        harness.clock.advance(seconds=1)
        await harness.revise("run_1", Outcome.FAILED, to=())
        await fill(harness)
        assert await _to_lake(harness) == [("run_1", 1), ("run_1", 2)]

    async def test_only_what_was_routed_there_is_made(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.fall_behind("lake")
        await harness.one(callback("run_1", router=routed("orders", known=["lake"])))
        await harness.one(callback("run_2"))
        await fill(harness, limit=1)
        assert await _to_lake(harness) == [("run_2", 1)]

    async def test_who_is_behind_is_so_in_the_next_life(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.fall_behind("lake")
        await harness.reopen()
        await harness.one(callback())
        assert await _to_lake(harness) == []
        await fill(harness)
        assert await _to_lake(harness) == [("run_1", 1)]

    async def test_who_dies_while_it_is_filled_has_filled_or_not(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.fall_behind("lake")
        await harness.store.record([callback(f"run_{n}") for n in range(4)])
        for point, made in (("before-commit", 0), ("after-commit", 2)):
            await harness.killed_at(point, harness.store.fill("lake", limit=2))  # type: ignore[arg-type]
            await harness.reopen()
            assert len(await _to_lake(harness)) == made
            await harness.audit()
        await fill(harness)
        assert len(await _to_lake(harness)) == 4

    async def test_nobody_falls_behind_twice_or_catches_up_without_being_so(
        self, harness: StoreHarness
    ) -> None:
        assert not await harness.store.fill("lake", limit=2)
        assert await harness.store.fall_behind("lake")
        assert not await harness.store.fall_behind("lake")
        assert not await harness.store.fall_behind("nowhere")
        assert not await harness.store.fill("nowhere", limit=2)
        await fill(harness)

    async def test_what_is_behind_a_hold_as_well_is_held_once(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback("run_1"))
        await harness.store.fall_behind("lake")
        await harness.one(callback("run_2"))
        await hold(harness)
        account = (await harness.audit()).destinations
        assert account["lake"] == DestinationCounts(created=2, held=2)
        await fill(harness)
        account = (await harness.audit()).destinations
        assert account["lake"] == DestinationCounts(created=2, held=2)
        await resume(harness)
        assert len(await harness.claim("lake")) == 2

    async def test_what_is_still_to_be_made_is_not_forgotten(
        self, harness: StoreHarness
    ) -> None:
        """Neither the event nor the callback that it is built from, however old."""
        await harness.store.fall_behind("lake")
        await harness.one(callback("run_1"))
        await harness.deliver_all("orders")
        harness.days_pass(400)
        await harness.forget()
        await fill(harness)
        [parcel] = await harness.claim("lake")
        assert parcel.letter.event.attributes["subject"] == "run_1"

    async def test_what_was_not_routed_there_is_forgotten_in_its_time(
        self, harness: StoreHarness
    ) -> None:
        """One who is behind, perhaps for ever, keeps what is his and nothing else."""
        await harness.store.fall_behind("lake")
        for run, to in (("run_1", "orders"), ("run_2", "lake"), ("run_3", "orders")):
            router = routed(to, known=["lake", "orders"])
            await harness.one(callback(run, router=router))
        await harness.deliver_all("orders")
        # The newest row of a table may have to stay.
        harness.days_pass(400)
        at = harness.clock.now_us()
        await harness.one(callback("late", at=at, completed_at="2040-01-01T00:00:00Z"))
        await harness.forget()
        found = await harness.rows(
            "SELECT r.id FROM events AS e JOIN runs AS r ON r.number = e.run ORDER BY e.number"
        )
        assert [bytes(run).decode() for (run,) in found] == ["run_2", "late"]
        assert await harness.count("receipts") == 2
        await fill(harness)
        parcels = await harness.deliver_all("lake")
        subjects = [parcel.letter.event.attributes["subject"] for parcel in parcels]
        assert subjects == ["run_2", "late"]

    async def test_a_store_without_room_makes_none_of_them(
        self, harness: StoreHarness
    ) -> None:
        """It is for what is stored already; what makes no rows goes on."""
        await harness.store.fall_behind("lake")
        router = routed("orders", known=["lake"])
        await harness.store.record(
            [callback("run_0", router=router), callback("run_1")]
        )
        harness.leave_full()
        await harness.store.fill("lake", limit=1)
        with pytest.raises(StoreFullError, match="is reached"):
            await harness.store.fill("lake", limit=1)
        assert await _to_lake(harness) == []
        account = (await harness.audit()).destinations
        assert account["lake"] == DestinationCounts(created=1, held=1)
        harness.leave_full(full=False)
        await fill(harness)
        assert await _to_lake(harness) == [("run_1", 1)]

    async def test_a_store_without_room_lets_somebody_catch_up_who_lacks_nothing(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.fall_behind("lake")
        harness.leave_full()
        assert not await harness.store.fill("lake", limit=1)
        assert (await condition(harness)).behind_from is None

    async def test_what_a_replay_has_made_meanwhile_is_not_made_again(
        self, harness: StoreHarness
    ) -> None:
        """It counts once in the end, and the account balances all the time."""
        await harness.store.fall_behind("lake")
        await harness.store.record([callback("run_1"), callback("run_2")])
        [(event, run)] = await harness.rows(
            "SELECT number, run FROM events ORDER BY number LIMIT 1"
        )
        [(lake,)] = await harness.rows(
            "SELECT number FROM destinations WHERE name = ?", "lake"
        )
        number = await harness.next_number("deliveries")
        await harness.close()
        await harness.execute(
            "INSERT INTO deliveries (number, event, run, source, destination, generation, epoch, state,"
            " created_at, due_at) VALUES (?, ?, ?, 1, ?, 1, 1, 0, 5, 5)",
            number,
            event,
            run,
            lake,
        )
        await harness.execute(
            "UPDATE destination_counters SET created = created + 1, pending = pending + 1"
            " WHERE destination = ?",
            lake,
        )
        await harness.open()
        account = (await harness.audit()).destinations
        assert account["lake"] == DestinationCounts(created=3, pending=1, held=2)
        await fill(harness)
        assert await _to_lake(harness) == [("run_1", 1), ("run_2", 1)]
        account = (await harness.audit()).destinations
        assert account["lake"] == DestinationCounts(created=2, pending=2)

    async def test_what_nobody_serves_any_more_can_be_given_up(
        self, harness: StoreHarness
    ) -> None:
        """In steps; what is in somebody's hands is settled by them."""
        await harness.store.record([callback(f"run_{n}") for n in range(4)])
        taken = await harness.claim("lake", limit=1)
        counts = [
            await harness.store.abandon("lake", limit=2, entry=None) for _ in range(3)
        ]
        assert counts == [2, 1, 0]
        found = [d for d in await harness.deliveries() if d.destination == "lake"]
        assert [d.state for d in found] == [State.PENDING, *[State.DEAD] * 3]
        assert {d.reason for d in found[1:]} == {"forgotten"}
        account = (await harness.audit()).destinations
        assert account["lake"] == DestinationCounts(created=4, pending=1, dead=3)
        assert await harness.settle(*taken) == [True]
        assert await harness.store.abandon("nowhere", limit=2, entry=None) == 0
