"""What an answer corrects: the law of revisions, for every store."""

from relay.core.identity import Outcome
from relay.core.inquiry import (
    GiveUp,
    Lesson,
)
from tests.fakes import NOW_US
from tests.record.answers import (
    HOUR,
    ask,
    learn,
    learn_all,
    lesson,
    revisions,
    told,
)
from tests.record.harness import StoreHarness
from tests.record.receipts import callback, partial, routed


class RevisionLaw:
    """An answer that says something else is the next event of its run."""

    async def test_an_unconfirmed_event_is_revised_only_where_the_answer_differs(
        self, harness: StoreHarness
    ) -> None:
        """What was missing in it is news."""
        await harness.one(partial())
        [inquiry] = await ask(harness)
        await learn(harness, lesson(inquiry, move=GiveUp(NOW_US)))
        [again] = await ask(harness)
        [revised] = await learn(harness, lesson(again, told()))
        assert revisions([revised]) == [(Outcome.SUCCEEDED, 2, True)]
        counts = (await harness.audit()).sources["acme"]
        assert (counts.opened, counts.events, counts.closed) == (2, 2, 0)

    async def test_a_conflict_that_is_denied_ends_without_an_event(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback())
        await harness.one(callback(status="failed", note="wrong"))
        [inquiry] = await ask(harness)
        assert inquiry.reasons == ("outcome_conflict",)
        assert revisions(await learn(harness, lesson(inquiry, told()))) == [None]
        counts = (await harness.audit()).sources["acme"]
        assert (counts.opened, counts.events, counts.closed) == (2, 1, 1)

    async def test_a_conflict_that_is_confirmed_is_the_next_revision(
        self, harness: StoreHarness
    ) -> None:
        """It goes to who its routes name and to whoever had the earlier one; also back again."""
        await harness.one(callback(router=routed("lake", known=["orders"])))
        expected = [("lake", 1)]
        for revision, status in ((2, "failed"), (3, "succeeded")):
            await harness.one(callback(status=status, note=f"revision {revision}"))
            [inquiry] = await ask(harness)
            nowhere = Lesson(
                inquiry=inquiry,
                asked=None,
                document=told(status),
                router=routed("orders", known=["lake"], when={"exact": {"type": "x"}}),
                at=NOW_US,
            )
            [recorded] = await learn(harness, nowhere)
            assert revisions([recorded]) == [(Outcome(status), revision, True)]
            expected.append(("lake", revision))
        found = [(d.destination, d.revision) for d in await harness.deliveries()]
        assert found == expected
        counts = (await harness.audit()).sources["acme"]
        assert (counts.opened, counts.events, counts.closed) == (3, 3, 0)

    async def test_a_client_ref_that_the_answer_settles_is_a_revision(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback(client_ref="one"))
        await harness.one(callback(client_ref="two"))
        [recorded] = await learn_all(harness, told(client_ref="two"))
        assert revisions([recorded]) == [(Outcome.SUCCEEDED, 2, True)]
        assert recorded.letter is not None
        assert recorded.letter.event.attributes["clientref"] == "two"

    async def test_a_revision_waits_for_the_event_before_it(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback())
        await harness.one(callback(status="failed", note="late"))
        await learn_all(harness, told("failed"))
        first = await harness.claim("lake")
        assert [parcel.letter.facts.revision for parcel in first] == [1]
        assert await harness.claim("lake") == []
        await harness.settle(*first)
        assert [p.letter.facts.revision for p in await harness.claim("lake")] == [2]

    async def test_of_two_outcomes_that_contradict_each_other_none_is_published(
        self, harness: StoreHarness
    ) -> None:
        """The one that went out stands, and the run is held."""
        await harness.one(callback())
        await harness.one(callback(status="failed", note="wrong"))
        [inquiry] = await ask(harness)
        end = lesson(inquiry, move=GiveUp(NOW_US + HOUR))
        assert revisions(await learn(harness, end)) == [None]
        counts = (await harness.audit()).sources["acme"]
        assert (counts.held, counts.events) == (1, 1)
