"""A winner that falls lets the next one go: the law of release, for every store."""

import pytest

from relay.core.identity import Outcome, event_id
from relay.core.inquiry import GiveUp, Lesson
from relay.core.run import Verdict
from tests.fakes import NOW_US
from tests.record.answers import ask, learn, lesson, revisions, told
from tests.record.collapse_said import (
    FAILED_AFTER,
    REF,
    SUCCEEDED,
    counts,
    doubt,
    released,
    revise,
    success,
    winner,
)
from tests.record.harness import StoreHarness
from tests.record.receipts import NOWHERE, callback, routed

__all__ = ["ReleaseLaw"]


class ReleaseLaw:
    """Whose winner has failed in truth is told in its place, once, and as it is known by then."""

    # --- who is told in the winner's place --------------------------------------------------------

    async def test_a_winner_that_failed_in_truth_releases_who_has_waited_longest(
        self, harness: StoreHarness
    ) -> None:
        """In the same commit, with its own id and content, to where the routes in force send it."""
        for number, name in enumerate(("run_3", "run_2", "run_1")):
            output = {"of": name}
            await harness.one(success(name, output=output, at=NOW_US + number))
        inquiry = await doubt(harness, "run_3")
        fallen = Lesson(
            inquiry=inquiry,
            asked=None,
            document=told("failed", run="run_3"),
            router=routed("orders", known=["lake"]),
            collapses=True,
            at=NOW_US,
        )
        before = await harness.count("deliveries")
        recorded = await learn(harness, fallen)
        assert revisions(recorded) == [FAILED_AFTER, SUCCEEDED]
        [_, success_of] = recorded
        assert success_of.key is not None
        assert success_of.letter is not None
        event = success_of.letter.event
        assert event.id == event_id(success_of.key, Outcome.SUCCEEDED, 1)
        assert (success_of.key.id, event.attributes["subject"]) == ("run_2", "run_2")
        assert b'"output":{"of": "run_2"}' in event.data
        made = (await harness.deliveries())[before:]
        assert {(d.run, d.destination) for d in made if d.run == "run_2"} == {
            ("run_2", "orders")
        }
        assert await winner(harness) == ["run_2"]
        assert await counts(harness, "events", "collapsed", "closed") == (3, 1, 0)

    async def test_what_is_released_is_sent_as_it_was_announced(
        self, harness: StoreHarness
    ) -> None:
        """Handed over at once where there is room, and built again from what is stored."""
        await harness.one(success("run_1", router=NOWHERE))
        await harness.one(success("run_2"))
        inquiry = await doubt(harness, "run_1")
        harness.handover.left["orders"] = 1
        answer = lesson(inquiry, told("failed", run="run_1"), collapses=True)
        [_, recorded] = await learn(harness, answer)
        assert recorded.letter is not None
        assert harness.handover.handed == list(recorded.parcels)
        lake = [
            p
            for p in await harness.deliver_all("lake")
            if p.letter.facts.key.id == "run_2"
        ]
        structured = [parcel.letter.event.structured for parcel in lake]
        assert structured == [recorded.letter.event.structured]

    async def test_a_chain_of_failures_in_one_commit_releases_one_after_another(
        self, harness: StoreHarness
    ) -> None:
        for number in range(1, 5):
            await harness.one(success(f"run_{number}", at=NOW_US + number))
        asked = [await doubt(harness, f"run_{number}") for number in (1, 2, 3)]
        answers = [
            lesson(it, told("failed", run=it.key.id), collapses=True) for it in asked
        ]
        recorded = await learn(harness, *answers)
        found = [
            (r.key.id, r.letter.facts.revision) for r in recorded if r.key and r.letter
        ]
        assert found == [
            ("run_1", 2), ("run_2", 2), ("run_3", 2),
            ("run_2", 1), ("run_3", 1), ("run_4", 1),
        ]  # fmt: skip
        assert await winner(harness) == ["run_4"]
        assert await counts(harness, "events", "collapsed") == (7, 0)

    async def test_failures_from_behind_release_only_who_succeeded(
        self, harness: StoreHarness
    ) -> None:
        for number in range(1, 4):
            await harness.one(success(f"run_{number}", at=NOW_US + number))
        asked = [await doubt(harness, f"run_{number}") for number in (2, 1)]
        answers = [
            lesson(it, told("failed", run=it.key.id), collapses=True) for it in asked
        ]
        recorded = await learn(harness, *answers)
        assert revisions(recorded) == [
            (Outcome.FAILED, 1, True), FAILED_AFTER, SUCCEEDED,
        ]  # fmt: skip
        assert await winner(harness) == ["run_3"]
        assert await counts(harness, "collapsed", "closed") == (0, 1)

    async def test_who_collapses_in_the_winners_last_commit_is_released_in_it(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(success("run_1"))
        inquiry = await doubt(harness, "run_1")
        answer = lesson(inquiry, told("failed", run="run_1"), collapses=True)
        [[late], recorded] = await harness.together(
            harness.store.record([success("run_2")]), harness.store.learn([answer])
        )
        assert late.letter is None
        assert released(recorded) == ["run_2"]
        assert await harness.count("collapsed") == 0
        assert await counts(harness, "events", "collapsed") == (3, 0)

    async def test_a_client_ref_that_nobody_waits_for_is_free_again(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(success("run_1"))
        assert revisions(await revise(harness, "run_1", "failed")) == [FAILED_AFTER]
        assert await winner(harness) == []
        assert (await harness.one(success("run_2"))).letter is not None
        assert await winner(harness) == ["run_2"]

    async def test_a_winner_that_succeeded_after_all_is_told_and_wins_nothing_back(
        self, harness: StoreHarness
    ) -> None:
        """Whoever has heard of it hears how it goes on; two successes are told then."""
        await harness.one(success("run_1"))
        await harness.one(success("run_2"))
        await revise(harness, "run_1", "failed")
        recorded = await revise(harness, "run_1", "succeeded")
        assert revisions(recorded) == [(Outcome.SUCCEEDED, 3, True)]
        assert await winner(harness) == ["run_2"]
        assert (await harness.one(success("run_3"))).letter is None
        assert released(await revise(harness, "run_1", "failed")) == []
        assert released(await revise(harness, "run_2", "failed")) == ["run_3"]

    async def test_a_winner_that_succeeded_after_all_wins_what_nobody_has(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(success("run_1"))
        await revise(harness, "run_1", "failed")
        await revise(harness, "run_1", "succeeded")
        assert await winner(harness) == ["run_1"]

    async def test_a_winner_with_another_client_ref_in_truth_leaves_its_own_to_the_next(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(success("run_1"))
        await harness.one(success("run_2"))
        recorded = await revise(harness, "run_1", "succeeded", client_ref="order-2")
        assert revisions(recorded) == [(Outcome.SUCCEEDED, 2, True), SUCCEEDED]
        assert await winner(harness) == ["run_2"]
        assert await winner(harness, "order-2") == ["run_1"]

    async def test_a_revision_that_is_a_success_still_releases_nobody(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(success("run_1"))
        await harness.one(success("run_2"))
        recorded = await revise(harness, "run_1", "succeeded", output={"other": 1})
        assert revisions(recorded) == [(Outcome.SUCCEEDED, 2, True)]
        assert await winner(harness) == ["run_1"]

    async def test_who_collapsed_while_it_was_set_is_released_when_it_no_longer_is(
        self, harness: StoreHarness
    ) -> None:
        """A setting that is taken back leaves nobody behind."""
        for name in ("run_1", "run_2", "run_3"):
            await harness.one(success(name))
        recorded = await revise(harness, "run_1", "failed", collapses=False)
        assert released(recorded) == ["run_2"]
        recorded = await revise(harness, "run_3", "failed", collapses=False)
        assert revisions(recorded) == [(Outcome.FAILED, 1, True)]

    async def test_a_released_run_is_told_as_it_was_learned_last(
        self, harness: StoreHarness
    ) -> None:
        """Collapsed unconfirmed, and confirmed since."""
        await harness.one(success("run_1"))
        await harness.one(success("run_2", completed_at=None))
        for move, document in ((GiveUp(NOW_US), None), (None, told(run="run_2"))):
            [inquiry] = await ask(harness)
            await learn(harness, lesson(inquiry, document, move=move, collapses=True))
        [_, recorded] = await revise(harness, "run_1", "failed")
        assert revisions([recorded]) == [SUCCEEDED]
        assert recorded.letter is not None
        assert recorded.letter.event.attributes["time"] == "2026-03-01T11:59:58.000000Z"

    async def test_what_is_learned_of_a_run_in_its_last_commit_behind_is_told(
        self, harness: StoreHarness
    ) -> None:
        """It is confirmed, and its winner falls, in one commit."""
        await harness.one(success("run_1"))
        await harness.one(success("run_2", completed_at=None))
        [inquiry] = await ask(harness)
        await learn(harness, lesson(inquiry, move=GiveUp(NOW_US), collapses=True))
        [doubtful] = await ask(harness)
        fallen = await doubt(harness, "run_1")
        recorded = await learn(
            harness,
            lesson(doubtful, told(run="run_2"), collapses=True),
            lesson(fallen, told("failed", run="run_1"), collapses=True),
        )
        assert revisions(recorded) == [None, FAILED_AFTER, SUCCEEDED]
        [*_, late] = recorded
        assert late.letter is not None
        found = [
            p for p in await harness.deliver_all() if p.letter.facts.key.id == "run_2"
        ]
        structured = [parcel.letter.event.structured for parcel in found]
        assert structured == [late.letter.event.structured]
        assert late.letter.event.attributes["time"] == "2026-03-01T11:59:58.000000Z"

    async def test_a_released_run_that_is_contested_waits_on_for_its_truth(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(success("run_1"))
        await harness.one(success("run_2"))
        contested = await doubt(harness, "run_2")
        assert released(await revise(harness, "run_1", "failed")) == ["run_2"]
        assert await counts(harness, "waiting", "collapsed") == (1, 0)
        answer = lesson(contested, told("failed", run="run_2"), collapses=True)
        assert revisions(await learn(harness, answer)) == [FAILED_AFTER]
        assert await winner(harness) == []

    # --- what is forgotten ------------------------------------------------------------------------

    async def test_a_released_run_whose_callback_is_forgotten_is_asked_for(
        self, harness: StoreHarness
    ) -> None:
        """It waits for the truth, and wins meanwhile."""
        for name in ("run_1", "run_2", "run_3"):
            await harness.one(success(name))
        await self._months_pass(harness, 31)
        [_, recorded] = await revise(harness, "run_1", "failed")
        assert (recorded.letter, recorded.reasons) == (None, ("released",))
        names = ("events", "waiting", "collapsed", "closed")
        assert await counts(harness, *names) == (3, 1, 1, 0)
        assert await winner(harness) == ["run_2"]
        assert (await harness.one(success("run_4"))).letter is None
        [inquiry] = await ask(harness)
        assert (inquiry.key.id, inquiry.reasons) == ("run_2", ("released",))
        answer = lesson(inquiry, told(run="run_2", client_ref=REF), collapses=True)
        assert revisions(await learn(harness, answer)) == [SUCCEEDED]
        assert await counts(harness, *names) == (4, 0, 2, 0)

    @pytest.mark.parametrize("collapses", [True, False])
    async def test_one_that_is_asked_for_and_has_failed_lets_the_next_one_go(
        self, harness: StoreHarness, collapses: bool
    ) -> None:
        for name in ("run_1", "run_2", "run_3"):
            await harness.one(success(name))
        await self._months_pass(harness, 31)
        await revise(harness, "run_1", "failed")
        [inquiry] = await ask(harness)
        answer = lesson(inquiry, told("failed", run="run_2"), collapses=collapses)
        recorded = await learn(harness, answer)
        assert revisions(recorded) == [(Outcome.FAILED, 1, True), None]
        assert released(recorded) == ["run_3"]

    async def test_one_that_is_asked_for_in_vain_is_held(
        self, harness: StoreHarness
    ) -> None:
        """There is nothing to publish; a person sees it in the ledger."""
        await harness.one(success("run_1"))
        await harness.one(success("run_2"))
        await self._months_pass(harness, 31)
        await revise(harness, "run_1", "failed")
        [inquiry] = await ask(harness)
        end = lesson(inquiry, move=GiveUp(harness.clock.now_us()), collapses=True)
        assert revisions(await learn(harness, end)) == [None]
        assert await counts(harness, "waiting", "held", "collapsed") == (0, 1, 0)

    async def test_one_that_is_contested_and_forgotten_is_asked_for_once(
        self, harness: StoreHarness
    ) -> None:
        """Its two open questions are one."""
        await harness.one(success("run_1"))
        await harness.one(success("run_2"))
        await self._months_pass(harness, 31)
        contested = await doubt(harness, "run_2")
        await revise(harness, "run_1", "failed")
        names = ("waiting", "collapsed", "closed")
        assert await counts(harness, *names) == (1, 0, 1)
        answer = lesson(contested, told(run="run_2", client_ref=REF), collapses=True)
        assert revisions(await learn(harness, answer)) == [SUCCEEDED]
        assert await counts(harness, *names) == (0, 0, 1)

    async def test_a_callback_that_somebody_still_needs_is_there_when_it_is_released(
        self, harness: StoreHarness
    ) -> None:
        """An unconfirmed run is asked for, and keeps what it said."""
        await harness.one(success("run_1"))
        await harness.one(success("run_2", completed_at=None))
        [inquiry] = await ask(harness)
        await learn(harness, lesson(inquiry, move=GiveUp(NOW_US), collapses=True))
        await self._months_pass(harness, 31)
        [_, recorded] = await revise(harness, "run_1", "failed")
        assert revisions([recorded]) == [(Outcome.SUCCEEDED, 1, False)]
        await harness.deliver_all("lake")

    async def test_what_has_collapsed_goes_with_its_run_and_stays_in_the_account(
        self, harness: StoreHarness
    ) -> None:
        """So does the winner: whoever comes with its client_ref then is the first."""
        await harness.one(success("run_1", router=NOWHERE))
        await harness.one(success("run_2", router=NOWHERE))
        before = await harness.audit()
        await self._months_pass(harness, 3700 / 2 - 30)
        assert await harness.count("collapsed") == await harness.count("winners") == 1
        harness.days_pass(30)
        await harness.forget()
        assert await harness.count("collapsed") == await harness.count("winners") == 0
        after = await harness.audit()
        assert after.sources["acme"].collapsed == before.sources["acme"].collapsed == 1
        ended = "2041-01-01T00:00:00Z"
        recorded = await harness.one(success("run_3", completed_at=ended))
        assert recorded.letter is not None

    async def _months_pass(self, harness: StoreHarness, days: float) -> None:
        """Whatever is old goes; something newer stays, for the newest row of a table may have to."""
        harness.days_pass(days)
        at = harness.clock.now_us()
        ended = "2040-01-01T00:00:00Z"
        await harness.one(callback("later", at=at, completed_at=ended))
        for place in ("lake", "orders"):
            await harness.deliver_all(place)
        await harness.forget()
        await harness.forget()

    # --- death ------------------------------------------------------------------------------------

    async def test_killed_before_its_commit_a_release_has_not_happened(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(success("run_1"))
        await harness.one(success("run_2"))
        inquiry = await doubt(harness, "run_1")
        answer = lesson(inquiry, told("failed", run="run_1"), collapses=True)
        await harness.killed_at("before-commit", learn(harness, answer))
        await harness.reopen()
        assert await winner(harness) == ["run_1"]
        assert await counts(harness, "events", "collapsed") == (1, 1)
        [again] = await ask(harness)
        answer = lesson(again, told("failed", run="run_1"), collapses=True)
        assert released(await learn(harness, answer)) == ["run_2"]

    async def test_killed_after_its_commit_a_collapse_has_happened(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(success("run_1"))
        dying = harness.one(success("run_2"))
        await harness.killed_at("after-commit", dying)
        await harness.reopen()
        assert (await harness.one(success("run_2"))).verdict is Verdict.DUPLICATE
        assert await counts(harness, "events", "collapsed") == (1, 1)
