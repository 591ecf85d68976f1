"""What is sent again: the law of replays, for every store.

The ledger is looked over after each test as after any other: every delivery that a replay makes is counted.
"""

import pytest

from relay.core.delivery import Failed, Fault, Refused, State
from relay.core.replay import (
    BATCH_MAX,
    RATE_MAX,
    STEPS,
    UNTRIED_MAX,
    Selection,
)
from relay.core.route import Router
from tests.record.harness import StoreHarness
from tests.record.receipts import EVERYWHERE, callback, routed
from tests.record.replaying import (
    REFUSED,
    counts_of,
    die,
    order,
    runs_of,
    step,
    work,
)

__all__ = ["ReplayLaw"]

NOT_NOW = Failed(reason="status_400", fault=Fault.EVENT, detail="no")


class ReplayLaw:
    """A new generation with the old id, once an order, and nothing that is there is touched."""

    async def test_a_dead_letter_is_sent_again_with_the_same_bytes(
        self, harness: StoreHarness
    ) -> None:
        [first] = await die(harness, "run_1")
        number = await order(harness)
        assert await work(harness) == 1
        [again] = await harness.claim()
        assert again.letter.event.structured == first.letter.event.structured
        assert (again.generation, again.replay, again.attempts) == (2, number, 0)
        assert first.replay is None
        await harness.settle(again)
        states = [one.state for one in await harness.deliveries()]
        assert states.count(State.DEAD) == states.count(State.DELIVERED) == 1

    async def test_the_history_of_a_run_says_by_which_order_and_whose(
        self, harness: StoreHarness
    ) -> None:
        await die(harness, "run_1")
        number = await order(harness)
        await work(harness)
        [history] = (await harness.find("run_1", None)).histories
        assert [(one.replay, one.ordered_by) for one in history.deliveries] == [
            (None, None),
            (number, "somebody"),
        ]

    async def test_an_order_is_over_when_all_has_been_made(
        self, harness: StoreHarness
    ) -> None:
        """A second one of the same finds nothing, for nobody is dead any more."""
        await die(harness, "run_1", "run_2")
        await order(harness)
        assert await work(harness) == 2
        assert await harness.store.next_resend(EVERYWHERE) == (None, False)
        assert await harness.store.resend(EVERYWHERE) is None
        await order(harness)
        assert await work(harness) == 0

    async def test_who_dies_again_is_a_dead_letter_of_the_next_generation(
        self, harness: StoreHarness
    ) -> None:
        await die(harness, "run_1")
        for generation in (2, 3):
            await order(harness)
            assert await work(harness) == 1
            [again] = await harness.claim()
            assert again.generation == generation
            await harness.settle(again, outcome=REFUSED)
            harness.clock.advance(seconds=1)

    async def test_what_dies_after_the_order_is_not_meant(
        self, harness: StoreHarness
    ) -> None:
        """Or an order could go on for ever."""
        await die(harness, "run_1")
        await order(harness)
        harness.clock.advance(seconds=1)
        assert (await step(harness)).made == 1
        [again] = await harness.claim()
        await harness.settle(again, outcome=REFUSED)
        assert await work(harness) == 0

    @pytest.mark.parametrize(
        "selection,runs",
        [
            (Selection(reason="status_410"), ["run_1", "run_2"]),
            (Selection(reason="too_large"), ["run_3"]),
            (Selection(outcome="failed"), ["run_2"]),
            (Selection(source="other"), ["run_3"]),
            (Selection(source="nobody"), []),
            (Selection(source="acme", outcome="succeeded"), ["run_1"]),
        ],
    )
    async def test_a_selection_is_kept_to(
        self, selection: Selection, runs: list[str], harness: StoreHarness
    ) -> None:
        await die(harness, "run_1")
        await die(harness, "run_2", status="failed")
        await die(harness, "run_3", source="other", end=Refused(reason="too_large"))
        await order(harness, selection)
        await work(harness)
        assert runs_of(await harness.claim()) == runs

    async def test_a_selection_by_time_is_of_when_it_died(
        self, harness: StoreHarness
    ) -> None:
        await die(harness, "run_1")
        since = harness.clock.advance(seconds=60)
        await die(harness, "run_2")
        until = harness.clock.advance(seconds=60)
        await die(harness, "run_3")
        harness.clock.advance(seconds=60)
        await order(harness, Selection(since=since, until=until))
        await work(harness)
        assert runs_of(await harness.claim()) == ["run_2"]

    async def test_a_selection_by_events_is_of_those(
        self, harness: StoreHarness
    ) -> None:
        await die(harness, "run_1", "run_2", "run_3")
        rows = await harness.rows("SELECT number FROM events ORDER BY number")
        await order(harness, Selection(events=(rows[1][0],)))
        await work(harness)
        assert runs_of(await harness.claim()) == ["run_2"]

    async def test_an_order_has_a_limit(self, harness: StoreHarness) -> None:
        await die(harness, *(f"run_{n}" for n in range(5)))
        await order(harness, most=3)
        assert await work(harness) == 3
        assert await harness.store.next_resend(EVERYWHERE) == (None, False)

    async def test_it_may_go_to_another_destination(
        self, harness: StoreHarness
    ) -> None:
        """Which counts its generations by itself."""
        await die(harness, "run_1", also=["orders"])
        await harness.deliver_all("orders")
        await order(harness, target="orders")
        await work(harness)
        assert await harness.claim("lake") == []
        [again] = await harness.claim("orders")
        assert (again.destination, again.generation) == ("orders", 2)

    async def test_what_is_on_its_way_there_is_not_sent_twice(
        self, harness: StoreHarness
    ) -> None:
        await die(harness, "run_1", also=["orders"])
        assert len(await harness.claim("orders")) == 1
        await order(harness, target="orders")
        assert await work(harness) == 0
        assert await counts_of(harness) == (0, 0, 1, 0)

    async def test_what_comes_after_what_the_target_is_behind_with_is_left_out(
        self, harness: StoreHarness
    ) -> None:
        """Or a run's later events would be there before its earlier ones."""
        await die(harness, "run_1", also=["orders"])
        await harness.deliver_all("orders")
        await harness.store.fall_behind("orders")
        await die(harness, "run_2", also=["orders"])
        await order(harness, target="orders")
        assert await work(harness) == 1
        assert await counts_of(harness) == (1, 0, 1, 0)
        [again] = await harness.claim("orders")
        assert (runs_of([again]), again.replay) == (["run_1"], 1)
        await harness.settle(again)
        while await harness.store.fill("orders", limit=10):
            pass
        assert runs_of(await harness.claim("orders")) == ["run_2"]

    async def test_whose_callback_is_forgotten_is_counted_and_not_sent(
        self, harness: StoreHarness
    ) -> None:
        await die(harness, "run_1", "run_2", "run_3")
        await harness.close()
        await harness.execute(
            "UPDATE receipts SET body = NULL WHERE number = (SELECT MIN(number) FROM receipts)"
        )
        await harness.open()
        await order(harness)
        assert await work(harness) == 2
        assert await counts_of(harness) == (2, 1, 0, 0)

    async def test_what_is_sent_again_keeps_what_it_is_built_from(
        self, harness: StoreHarness
    ) -> None:
        """As long as anything does that is still to be delivered."""
        await die(harness, "run_1")
        harness.days_pass(80)
        await order(harness)
        await work(harness)
        harness.days_pass(60)
        await die(harness, "run_2", "run_3", destination="orders")
        await harness.forget()
        [again] = await harness.claim()
        assert again.letter.event.attributes["subject"] == "run_1"

    # --- what arrived, and what never came --------------------------------------------------------

    async def test_what_was_delivered_is_sent_again_in_the_events_order(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.record([callback(f"run_{n}") for n in range(3)])
        delivered = await harness.deliver_all()
        await order(harness, Selection(what="delivered"))
        assert await work(harness) == 3
        again = await harness.claim()
        assert runs_of(again) == runs_of(delivered)
        assert {one.generation for one in again} == {2}

    async def test_what_a_destination_never_had_is_filled_in_in_order(
        self, harness: StoreHarness
    ) -> None:
        """Also the revisions of one run; what it has had, or is on its way, is left alone."""
        only_lake = routed("lake", known=["orders"])
        for run in ("run_1", "run_2"):
            await harness.one(callback(run, router=only_lake))
        await harness.one(callback("run_3"))
        await harness.one(callback("run_4", router=only_lake))
        await order(harness, Selection(what="missing"), target="orders")
        assert await work(harness) == 3
        filled = await harness.claim("orders")
        assert len(filled) == 4
        made = [one for one in filled if one.replay is not None]
        assert runs_of(made) == ["run_1", "run_2", "run_4"]
        assert {one.generation for one in made} == {1}

    async def test_routes_decide_what_is_filled_in(self, harness: StoreHarness) -> None:
        nowhere = Router(routes=[], destinations=["lake"])
        await harness.one(callback("run_1", router=nowhere))
        await harness.one(callback("run_2", router=nowhere, status="failed"))
        failed = routed("orders", when={"suffix": {"type": "failed"}}, known=["lake"])
        await order(harness, Selection(what="missing"), target="orders")
        assert await work(harness, router=failed) == 1
        assert runs_of(await harness.claim("orders")) == ["run_2"]
        assert await counts_of(harness) == (1, 0, 0, 1)

    # --- how fast ---------------------------------------------------------------------------------

    async def test_the_rate_is_kept_to(self, harness: StoreHarness) -> None:
        """So many a second, in small steps."""
        await die(harness, *(f"run_{n}" for n in range(12)))
        await order(harness, rate=100)
        made = []
        for _ in range(6):
            made.append((await step(harness)).made)
            assert await harness.store.resend(EVERYWHERE) is None
            harness.clock.advance(seconds=0.02)
        assert made == [2] * 6

    async def test_no_more_wait_for_their_first_try_than_few(
        self, harness: StoreHarness
    ) -> None:
        """Whoever has failed stands in nobody's way: it may be hours until its next try."""
        await die(harness, *(f"run_{n}" for n in range(UNTRIED_MAX + 10)))
        await order(harness)
        assert await work(harness) == UNTRIED_MAX
        assert await harness.store.next_resend(EVERYWHERE) == (None, True)
        assert await harness.store.resend(EVERYWHERE) is None
        waiting = await harness.claim(limit=10)
        await harness.settle(*waiting, outcome=NOT_NOW)
        assert await work(harness) == 10

    async def test_a_step_is_small(self, harness: StoreHarness) -> None:
        await die(harness, *(f"run_{n}" for n in range(70)))
        await order(harness)
        assert (await step(harness)).made == RATE_MAX // STEPS < BATCH_MAX
