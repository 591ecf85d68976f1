"""What a sweep has seen: the law of what is watched, for every store."""

from relay.core.identity import Outcome, event_id
from relay.core.inquiry import (
    Ended,
    InquiryState,
    Let,
)
from relay.core.run import Verdict
from tests.fakes import NOW_US
from tests.record.answers import (
    KEY,
    ask,
    learn,
    learn_all,
    lesson,
    revisions,
    sighting,
    told,
)
from tests.record.harness import StoreHarness
from tests.record.receipts import callback, partial


class SweepLaw:
    """Runs that nobody told of are watched until they have their event."""

    async def test_a_run_that_a_sweep_saw_ends_in_the_event_of_a_callback(
        self, harness: StoreHarness
    ) -> None:
        """Same id, type and subject; its origin says how it became known."""
        assert await harness.store.watch("acme", [sighting()]) == [KEY]
        [inquiry] = await ask(harness)
        assert inquiry.state is InquiryState.WATCHED
        [recorded] = await learn(harness, lesson(inquiry, told()))
        assert recorded.letter is not None
        assert recorded.letter.event.id == event_id(KEY, Outcome.SUCCEEDED, 1)
        assert recorded.letter.event.attributes["origin"] == "sweep"
        counts = (await harness.audit()).sources["acme"]
        assert (counts.receipts, counts.opened, counts.events) == (0, 1, 1)

    async def test_a_run_that_is_known_is_not_watched(
        self, harness: StoreHarness
    ) -> None:
        """Nor is one that waits already, or that is watched."""
        await harness.one(callback("run_1"))
        await harness.one(partial("run_2"))
        await harness.store.watch("acme", [sighting("run_3", None)])
        seen = [
            sighting("run_1"),
            sighting("run_2"),
            sighting("run_3"),
            sighting("run_1", None),
        ]
        assert await harness.store.watch("acme", seen) == []

    async def test_a_dry_look_says_what_is_news_and_changes_nothing(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback("run_2"))
        seen = [sighting("run_1"), sighting("run_2")]
        assert await harness.store.watch("acme", seen, cursor=5, dry=True) == [KEY]
        assert await harness.count("inquiries") == 0
        assert await harness.count("runs") == 1
        assert await harness.store.swept("acme") is None

    async def test_a_run_that_ended_otherwise_since_is_watched(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback())
        seen = [sighting(outcome=Outcome.FAILED)]
        assert await harness.store.watch("acme", seen) == [KEY]
        [recorded] = await learn_all(harness, told("failed"))
        assert revisions([recorded]) == [(Outcome.FAILED, 2, True)]

    async def test_the_callback_of_a_watched_run_is_its_first(
        self, harness: StoreHarness
    ) -> None:
        """The sweep was early: nothing is asked any more, and the origin is the callback's."""
        await harness.store.watch("acme", [sighting(outcome=None)])
        recorded = await harness.one(callback())
        assert recorded.verdict is Verdict.FIRST
        assert recorded.letter is not None
        assert recorded.letter.event.attributes["origin"] == "callback"
        assert await ask(harness) == []
        [lake] = await harness.deliver_all("lake")
        assert lake.letter.event.structured == recorded.letter.event.structured

    async def test_a_partial_callback_of_a_watched_run_opens_its_outcome(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.watch("acme", [sighting(outcome=None)])
        [watching] = await ask(harness)
        await harness.one(partial())
        assert (await harness.audit()).sources["acme"].waiting == 1
        [recorded] = await learn(harness, lesson(watching, told()))
        assert revisions([recorded]) == [(Outcome.SUCCEEDED, 1, True)]
        assert (await harness.audit()).sources["acme"].waiting == 0

    async def test_a_watched_run_that_never_ends_is_let_go(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.watch("acme", [sighting(outcome=None)])
        [inquiry] = await ask(harness)
        await learn(harness, lesson(inquiry, move=Let(), answer="unended"))
        assert await harness.count("inquiries") == 0
        counts = (await harness.audit()).sources["acme"]
        assert (counts.opened, counts.closed) == (0, 0)

    async def test_a_watched_run_that_has_just_ended_waits_for_its_callback(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.watch("acme", [sighting(outcome=None)])
        [inquiry] = await ask(harness)
        later = NOW_US + 300_000_000
        await learn(harness, lesson(inquiry, move=Ended(Outcome.FAILED, later)))
        assert await ask(harness) == []
        harness.clock.advance(seconds=300)
        [again] = await ask(harness)
        assert (again.outcome, again.asks) == (Outcome.FAILED, 0)
        assert again.state is InquiryState.WATCHED

    async def test_how_far_a_sweep_got_survives_and_never_goes_back(
        self, harness: StoreHarness
    ) -> None:
        """Written with what it has seen, and known to the next process."""
        assert await harness.store.swept("acme") is None
        await harness.store.watch("acme", [sighting()], cursor=NOW_US)
        await harness.store.watch("acme", [], cursor=NOW_US - 5)
        await harness.reopen()
        assert await harness.store.swept("acme") == NOW_US
        assert await harness.store.swept("other") is None
