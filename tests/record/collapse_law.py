"""Several successes under one ``client_ref``: the law of collapsing, for every store."""

from typing import Any

import pytest

from relay.core.identity import Outcome, event_id
from relay.core.inquiry import GiveUp, InquiryState, Lesson
from relay.core.ports import Recorded
from relay.core.receipt import Receipt
from relay.core.run import Verdict
from tests.fakes import NOW_US
from tests.record.harness import StoreHarness
from tests.record.receipts import NOWHERE, callback, routed
from tests.record.truth_law import ask, learn, lesson, revisions, sighting, told

REF = "order-1"
SUCCEEDED = (Outcome.SUCCEEDED, 1, True)
FAILED_AFTER = (Outcome.FAILED, 2, True)


def success(run: str = "run_1", *, ref: str | None = REF, **said: Any) -> Receipt:
    """A callback of a source that collapses."""
    return callback(run, client_ref=ref, collapses=True, **said)


async def doubt(harness: StoreHarness, run: str) -> Any:
    """Ask how a run that is known ended: a callback has said something else."""
    status = "cancelled"
    at = harness.clock.now_us()
    await harness.one(success(run, status=status, note=f"{run} at {at}", at=at))
    [inquiry] = [it for it in await ask(harness) if it.key.id == run]
    return inquiry


async def revise(
    harness: StoreHarness, run: str, status: str, *, collapses: bool = True, **more: Any
) -> list[Recorded]:
    """The API says so of a run that is known."""
    inquiry = await doubt(harness, run)
    answer = told(status, run=run, **more)
    return await learn(harness, lesson(inquiry, answer, collapses=collapses))


async def counts(harness: StoreHarness, *names: str) -> tuple[int, ...]:
    """Counters of the source, which balance and agree with the rows."""
    found = (await harness.audit()).sources["acme"]
    return tuple(getattr(found, name) for name in names)


async def winner(harness: StoreHarness, ref: str = REF) -> list[str]:
    rows = await harness.rows(
        "SELECT r.id FROM winners AS w JOIN runs AS r ON r.number = w.run"
        " WHERE w.client_ref = ?",
        ref,
    )
    return [bytes(run).decode() for (run,) in rows]


def released(recorded: list[Recorded]) -> list[str]:
    """Which runs were told of beside the one that was learned of."""
    return [r.key.id for r in recorded[1:] if r.key]


class CollapseLaw:
    """Of several successes under one ``client_ref`` one is told, and none is forgotten."""

    # --- who is told ------------------------------------------------------------------------------

    async def test_the_first_success_is_told_and_later_ones_are_not(
        self, harness: StoreHarness
    ) -> None:
        """They are received as ever, and counted."""
        first = await harness.one(success("run_1"))
        later = [await harness.one(success(f"run_{n}")) for n in (2, 3)]
        assert revisions([first, *later]) == [SUCCEEDED, None, None]
        assert [r.verdict for r in later] == [Verdict.FIRST] * 2
        assert [r.reasons for r in later] == [("collapsed",)] * 2
        assert await counts(harness, "opened", "events", "collapsed") == (3, 1, 2)
        assert [d.run for d in await harness.deliveries()] == ["run_1"] * 2
        assert await winner(harness) == ["run_1"]

    @pytest.mark.parametrize("together", [True, False])
    async def test_of_two_in_one_commit_the_first_is_told(
        self, harness: StoreHarness, together: bool
    ) -> None:
        """In one call, or in two that share it."""
        pair = [success("run_2"), success("run_1")]
        if together:
            calls = [harness.store.record([receipt]) for receipt in pair]
            answers = [answer for [answer] in await harness.together(*calls)]
        else:
            answers = list(await harness.store.record(pair))
        assert revisions(answers) == [SUCCEEDED, None]
        assert await winner(harness) == ["run_2"]

    async def test_only_equal_client_refs_of_one_source_meet(
        self, harness: StoreHarness
    ) -> None:
        """A missing one, an empty one and another source's are none of them."""
        one = [success("run_1"), success("run_2", ref="order-2")]
        none = [success(f"none_{n}", ref=None) for n in (1, 2)]
        empty = [success(f"empty_{n}", ref="") for n in (1, 2)]
        other = success("run_1", source="other")
        recorded = await harness.store.record([*one, *none, *empty, other])
        assert all(isinstance(r, Recorded) and r.letter for r in recorded)
        assert await harness.count("collapsed") == 0
        assert await harness.count("winners") == 3

    async def test_only_successes_meet(self, harness: StoreHarness) -> None:
        """Every other end is told, before and after the first success."""
        ends = ("failed", "cancelled", "succeeded", "failed", "partial_succeeded")
        for number, status in enumerate(ends):
            recorded = await harness.one(success(f"run_{number}", status=status))
            assert revisions([recorded]) == [(Outcome(status), 1, True)]
        assert await winner(harness) == ["run_2"]

    async def test_a_batch_meets_nobody(self, harness: StoreHarness) -> None:
        said = b'{"event": "batch.succeeded", "batch_id": "%s", "status": "succeeded",'
        said += b'"completed_at": "2026-03-01T11:59:58Z", "output": {}, "client_ref": "order-1"}'
        batches = [success(body=said % name) for name in (b"batch_1", b"batch_2")]
        for receipt in (batches[0], success("run_1"), batches[1]):
            assert (await harness.one(receipt)).letter is not None
        assert await winner(harness) == ["run_1"]

    async def test_without_the_setting_everything_is_told(
        self, harness: StoreHarness
    ) -> None:
        """Also beside runs that have collapsed while it was set."""
        for number, collapses in enumerate((False, True, False)):
            one = callback(f"run_{number}", client_ref=REF, collapses=collapses)
            assert (await harness.one(one)).letter is not None
        assert (await harness.one(success("run_9"))).letter is None
        assert await winner(harness) == ["run_1"]

    async def test_the_client_ref_may_come_with_any_callback(
        self, harness: StoreHarness
    ) -> None:
        """What a partial one has said holds for the whole one."""
        await harness.one(success("run_1"))
        await harness.one(success("run_2", completed_at=None))
        recorded = await harness.one(success("run_2", ref=None))
        assert (recorded.verdict, recorded.letter) == (Verdict.DUPLICATE, None)
        assert await counts(harness, "waiting", "collapsed") == (0, 1)

    async def test_an_answer_is_told_or_collapses_as_a_callback_does(
        self, harness: StoreHarness
    ) -> None:
        """The client_ref is the API's, where no callback has it."""
        for name in ("run_1", "run_2"):
            await harness.one(success(name, ref=None, completed_at=None))
        for inquiry, expected in zip(
            await ask(harness), (SUCCEEDED, None), strict=True
        ):
            answer = told(run=inquiry.key.id, client_ref=REF)
            recorded = await learn(harness, lesson(inquiry, answer, collapses=True))
            assert revisions(recorded) == [expected]
        assert await counts(harness, "events", "collapsed") == (1, 1)

    async def test_of_two_answers_in_one_commit_the_first_is_told(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.watch("acme", [sighting("run_1"), sighting("run_2")])
        lessons = [
            lesson(it, told(run=it.key.id, client_ref=REF), collapses=True)
            for it in await ask(harness)
        ]
        assert revisions(await learn(harness, *lessons)) == [SUCCEEDED, None]

    async def test_what_is_published_unconfirmed_collapses_too(
        self, harness: StoreHarness
    ) -> None:
        """It is asked for all the same, and told should it have failed."""
        await harness.one(success("run_1"))
        await harness.one(success("run_2", completed_at=None))
        [inquiry] = await ask(harness)
        end = lesson(inquiry, move=GiveUp(NOW_US), collapses=True)
        assert revisions(await learn(harness, end)) == [None]
        assert await counts(harness, "waiting", "collapsed") == (0, 1)
        [again] = await ask(harness)
        assert again.state is InquiryState.DOUBTFUL
        answer = lesson(again, told("failed", run="run_2"), collapses=True)
        assert revisions(await learn(harness, answer)) == [(Outcome.FAILED, 1, True)]

    # --- what stands back -------------------------------------------------------------------------

    async def test_a_repeat_of_what_has_collapsed_is_a_duplicate(
        self, harness: StoreHarness
    ) -> None:
        """And no sweep finds it missing."""
        await harness.one(success("run_1"))
        await harness.one(success("run_2"))
        for note in ("", "rebuilt"):
            recorded = await harness.one(success("run_2", note=note))
            assert (recorded.verdict, recorded.letter) == (Verdict.DUPLICATE, None)
        assert await harness.store.watch("acme", [sighting("run_2")]) == []
        assert await counts(harness, "opened", "collapsed") == (2, 1)

    async def test_a_collapsed_run_that_failed_in_truth_is_told(
        self, harness: StoreHarness
    ) -> None:
        """Its success is closed, and the failure is its first event."""
        await harness.one(success("run_1"))
        await harness.one(success("run_2"))
        [recorded] = await revise(harness, "run_2", "failed")
        assert recorded.letter is not None
        assert revisions([recorded]) == [(Outcome.FAILED, 1, True)]
        names = ("opened", "events", "collapsed", "closed")
        assert await counts(harness, *names) == (3, 2, 0, 1)
        assert await harness.count("collapsed") == 0
        assert await winner(harness) == ["run_1"]

    async def test_a_contradiction_that_is_denied_leaves_a_run_collapsed(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(success("run_1"))
        await harness.one(success("run_2"))
        assert revisions(await revise(harness, "run_2", "succeeded")) == [None]
        assert await counts(harness, "opened", "collapsed", "closed") == (3, 1, 1)

    async def test_a_collapsed_run_with_another_client_ref_in_truth_is_told(
        self, harness: StoreHarness
    ) -> None:
        """Or collapses there, where that one is taken."""
        for name in ("run_1", "run_2", "run_3"):
            await harness.one(success(name))
        moved = await revise(harness, "run_2", "succeeded", client_ref="order-2")
        assert revisions(moved) == [SUCCEEDED]
        assert await winner(harness, "order-2") == ["run_2"]
        again = await revise(harness, "run_3", "succeeded", client_ref="order-2")
        assert revisions(again) == [None]
        names = ("opened", "events", "collapsed", "closed")
        assert await counts(harness, *names) == (5, 2, 1, 2)
        fallen = await revise(harness, "run_2", "failed")
        assert released(fallen) == ["run_3"]

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
