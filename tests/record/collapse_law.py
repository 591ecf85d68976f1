"""Several successes under one ``client_ref``: who is told and who stands back, for every store."""

import pytest

from relay.core.identity import Outcome
from relay.core.inquiry import GiveUp, InquiryState
from relay.core.ports import Recorded
from relay.core.run import Verdict
from tests.fakes import NOW_US
from tests.record.answers import ask, learn, lesson, revisions, sighting, told
from tests.record.collapse_said import (
    REF,
    SUCCEEDED,
    counts,
    released,
    revise,
    success,
    winner,
)
from tests.record.harness import StoreHarness
from tests.record.receipts import callback

__all__ = ["CollapseLaw"]


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
