"""What is asked and answered: the law of the truth, for every store."""

import asyncio
from typing import Any

import pytest

from relay.core.identity import Outcome, event_id
from relay.core.inquiry import (
    NO_CALLBACK,
    OTHER_OUTCOME,
    GiveUp,
    InquiryState,
    Lesson,
    Let,
    Postpone,
)
from relay.core.run import Verdict
from tests.fakes import NOW_US
from tests.record.answers import (
    HOUR,
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
from tests.record.receipts import EVERYWHERE, callback, partial, still_running


class TruthLaw:
    """Runs wait, are asked for once, and end in the event that is true."""

    async def test_a_run_that_waits_is_claimed_once(
        self, harness: StoreHarness
    ) -> None:
        """With why it waits, and what its callbacks have said."""
        receipt = partial()
        await harness.one(receipt)
        [inquiry] = await ask(harness)
        assert (inquiry.key, inquiry.state) == (KEY, InquiryState.WAITING)
        assert inquiry.outcome is Outcome.SUCCEEDED
        assert inquiry.reasons == ("missing_completed_at",)
        assert inquiry.bodies == (receipt.body,)
        assert (inquiry.opened_at, inquiry.asks) == (NOW_US, 0)
        assert await ask(harness) == []

    async def test_an_answer_is_the_event_that_was_missing(
        self, harness: StoreHarness
    ) -> None:
        """With the id that a complete callback would have given it, and the answer's content."""
        await harness.one(partial())
        [recorded] = await learn_all(harness, told(output={"n": 1}))
        assert recorded.letter is not None
        assert recorded.letter.event.id == event_id(KEY, Outcome.SUCCEEDED, 1)
        assert b'"output":{"n": 1}' in recorded.letter.event.data
        assert recorded.letter.event.attributes["origin"] == "callback"
        [lake] = await harness.deliver_all("lake")
        assert lake.letter.event.structured == recorded.letter.event.structured
        counts = (await harness.audit()).sources["acme"]
        assert (counts.opened, counts.events, counts.waiting) == (1, 1, 0)
        assert await harness.count("inquiries") == 0

    async def test_an_answer_is_handed_over_at_once_where_there_is_room(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(partial())
        harness.handover.left["lake"] = 1
        [recorded] = await learn_all(harness, told())
        assert harness.handover.handed == list(recorded.parcels)
        assert [parcel.destination for parcel in recorded.parcels] == ["lake"]

    async def test_an_answer_is_no_receipt(self, harness: StoreHarness) -> None:
        """It is kept where an event is built from it, and not counted as a callback."""
        await harness.one(partial())
        await learn_all(harness, told())
        assert await harness.receipts() == [("first", 1), ("told", 1)]
        assert (await harness.audit()).sources["acme"].receipts == 1

    async def test_a_callback_after_the_answer_is_a_duplicate(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(partial())
        await learn_all(harness, told())
        assert (await harness.one(callback())).verdict is Verdict.DUPLICATE
        assert await harness.count("events") == 1

    async def test_a_callback_that_came_first_leaves_an_answer_nothing_to_do(
        self, harness: StoreHarness
    ) -> None:
        """Asked while the complete callback was on its way: one event all the same."""
        await harness.one(partial())
        [inquiry] = await ask(harness)
        await harness.one(callback())
        assert revisions(await learn(harness, lesson(inquiry, told()))) == [None]
        assert await harness.count("events") == 1
        assert await harness.count("asks") == 1

    async def test_callback_and_answer_may_share_a_commit(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(partial())
        [inquiry] = await ask(harness)
        await harness.together(
            harness.store.learn([lesson(inquiry, told())]),
            harness.store.record([callback()]),
        )
        assert await harness.count("events") == 1
        assert await harness.count("inquiries") == 0

    async def test_an_end_and_a_contradiction_beside_the_answer_leave_nothing_leased(
        self, harness: StoreHarness
    ) -> None:
        """The callback's event ends the inquiry, the next one opens another, and the answer meets that one."""
        await harness.one(partial())
        [inquiry] = await ask(harness)
        await harness.together(
            harness.store.record([callback(), callback(status="failed", note="late")]),
            harness.store.learn([lesson(inquiry, told())]),
        )
        leased = "SELECT COUNT(*) FROM inquiries WHERE lease IS NOT NULL"
        assert await harness.rows(leased) == [(0,)]

    async def test_an_answer_between_an_end_and_a_contradiction_leaves_nothing_leased(
        self, harness: StoreHarness
    ) -> None:
        """It comes when there is no question, and the next one is nobody's yet."""
        await harness.one(partial())
        [inquiry] = await ask(harness)
        await harness.together(
            harness.store.record([callback()]),
            harness.store.learn([lesson(inquiry, move=Let())]),
            harness.store.record([callback(status="failed", note="late")]),
        )
        [again] = await ask(harness)
        assert again.state is InquiryState.WAITING

    @pytest.mark.parametrize("move", [Let(), GiveUp(NOW_US), Postpone(NOW_US << 1)])
    async def test_what_was_decided_on_a_question_is_not_done_to_the_one_after_it(
        self, harness: StoreHarness, move: Any
    ) -> None:
        """A run was watched, and has called back while it was asked for: now it waits, and is due."""
        await harness.store.watch("acme", [sighting("run_1")])
        [watched] = await ask(harness)
        await harness.one(partial())
        await learn(harness, lesson(watched, move=move))
        [waiting] = await ask(harness)
        assert waiting.state is InquiryState.WAITING

    @pytest.mark.parametrize("published", [True, False])
    async def test_an_answer_knows_nothing_of_what_is_said_while_it_is_asked_for(
        self, harness: StoreHarness, published: bool
    ) -> None:
        """A callback that came in between may be about a newer end: the API is asked once more."""
        first = callback() if published else partial()
        await harness.one(first)
        if published:
            await harness.one(callback(status="failed"))
        [inquiry] = await ask(harness)
        later = NOW_US + 1_000_000
        await harness.one(callback(note="again", completed_at=None, at=later))
        stale = told("failed") if published else told("cancelled")
        assert revisions(await learn(harness, lesson(inquiry, stale, at=NOW_US))) == [
            None
        ]
        [again] = await ask(harness, now=later)
        answer = lesson(again, told("succeeded"), at=later)
        expected = [None] if published else [(Outcome.SUCCEEDED, 1, True)]
        assert revisions(await learn(harness, answer)) == expected
        assert await harness.count("inquiries") == 0

    async def test_what_was_left_to_a_person_is_asked_for_when_something_is_said(
        self, harness: StoreHarness
    ) -> None:
        """By a callback, or by a list that names its end."""
        for run in ("run_1", "run_2"):
            await harness.one(still_running(run))
        for move in (GiveUp(NOW_US), Let()):
            await learn(harness, *(lesson(it, move=move) for it in await ask(harness)))
        assert await ask(harness, now=NOW_US << 1) == []
        await harness.one(partial("run_1"))
        assert await harness.store.watch("acme", [sighting("run_2")]) == [
            sighting("run_2").key
        ]
        assert [it.key.id for it in await ask(harness)] == ["run_1", "run_2"]

    async def test_what_is_given_back_is_free_at_once(
        self, harness: StoreHarness
    ) -> None:
        """As it was; whoever gives it back waits for nothing."""
        await harness.one(partial())
        [inquiry] = await ask(harness)
        harness.store.release([inquiry])
        await harness.one(partial("run_2"))
        assert [it.key.id for it in await ask(harness)] == ["run_1", "run_2"]

    async def test_an_answer_without_its_lease_changes_nothing(
        self, harness: StoreHarness
    ) -> None:
        """The process that had asked is gone, and another one asks."""
        await harness.one(partial())
        [old] = await ask(harness)
        await harness.reopen()
        [new] = await ask(harness)
        assert new.lease != old.lease
        assert revisions(await learn(harness, lesson(old, told()))) == [None]
        assert await harness.count("events") == 0
        [published] = revisions(await learn(harness, lesson(new, told())))
        assert published == (Outcome.SUCCEEDED, 1, True)

    async def test_an_ask_without_an_answer_waits_for_its_time(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(partial())
        [inquiry] = await ask(harness)
        later = NOW_US + 5_000_000
        await learn(harness, lesson(inquiry, move=Postpone(later), answer="timeout"))
        assert await ask(harness) == []
        assert await harness.store.next_inquiry("acme") == later
        harness.clock.advance(seconds=5)
        [again] = await ask(harness)
        assert (again.asks, again.opened_at) == (1, NOW_US)
        assert await harness.rows("SELECT answer FROM asks") == [("timeout",)]

    async def test_an_ask_that_was_never_made_leaves_no_trace(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(partial())
        [inquiry] = await ask(harness)
        back = Lesson(inquiry=inquiry, asked=None, router=EVERYWHERE, at=NOW_US)
        await learn(harness, back)
        [again] = await ask(harness)
        assert (again.asks, again.bodies) == (0, inquiry.bodies)
        assert await harness.count("asks") == 0

    async def test_what_is_overdue_can_be_claimed_by_itself(
        self, harness: StoreHarness
    ) -> None:
        """While the API is down nothing is asked, and deadlines pass all the same."""
        await harness.one(partial("run_1"))
        await harness.one(partial("run_2", at=NOW_US + 50))
        harness.clock.advance(seconds=60)
        found = await ask(harness, opened_before=NOW_US + 1)
        assert [inquiry.key.id for inquiry in found] == ["run_1"]

    @pytest.mark.parametrize("policy", ["publish", "hold"])
    async def test_without_an_answer_in_time_the_policy_decides(
        self, harness: StoreHarness, policy: str
    ) -> None:
        """Published it says that it is unconfirmed; held it is counted; both are asked for again."""
        await harness.one(partial())
        [inquiry] = await ask(harness)
        end = lesson(inquiry, move=GiveUp(NOW_US + HOUR), on_unconfirmed=policy)
        published = policy == "publish"
        expected = (Outcome.SUCCEEDED, 1, False) if published else None
        assert revisions(await learn(harness, end)) == [expected]
        counts = (await harness.audit()).sources["acme"]
        assert (counts.waiting, counts.held) == (0, int(not published))
        assert counts.events == int(published)
        harness.clock.advance(seconds=3600)
        [again] = await ask(harness)
        state = InquiryState.DOUBTFUL if published else InquiryState.HELD
        assert (again.state, again.asks) == (state, 0)

    async def test_a_run_without_a_named_outcome_is_never_published_unconfirmed(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(still_running())
        [inquiry] = await ask(harness)
        end = lesson(inquiry, move=GiveUp(NOW_US + HOUR))
        assert revisions(await learn(harness, end)) == [None]
        assert (await harness.audit()).sources["acme"].held == 1

    async def test_an_unconfirmed_event_that_was_right_stays_the_only_one(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback(require=("metadata",)))
        [inquiry] = await ask(harness)
        await learn(harness, lesson(inquiry, move=GiveUp(NOW_US)))
        [again] = await ask(harness)
        assert revisions(await learn(harness, lesson(again, told()))) == [None]
        counts = (await harness.audit()).sources["acme"]
        assert (counts.opened, counts.events, counts.closed) == (1, 1, 0)
        assert await harness.count("inquiries") == 0

    async def test_a_held_run_gets_its_event_when_its_callback_comes_whole(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(partial())
        [inquiry] = await ask(harness)
        await learn(
            harness, lesson(inquiry, move=GiveUp(NOW_US), on_unconfirmed="hold")
        )
        recorded = await harness.one(callback())
        assert revisions([recorded]) == [(Outcome.SUCCEEDED, 1, True)]
        counts = (await harness.audit()).sources["acme"]
        assert (counts.held, counts.events) == (0, 1)

    async def test_a_held_run_whose_end_a_callback_names_later_is_published_in_the_end(
        self, harness: StoreHarness
    ) -> None:
        """It had been given up before anybody had said how it ended; the policy is for what has been said since."""
        await harness.one(still_running())
        [inquiry] = await ask(harness)
        await learn(harness, lesson(inquiry, move=GiveUp(NOW_US + HOUR)))
        at = harness.clock.advance(seconds=60)
        await harness.one(partial(at=at))
        [anew] = await ask(harness)
        assert (anew.state, anew.opened_at, anew.asks) == (InquiryState.WAITING, at, 0)
        end = lesson(anew, move=GiveUp(at + HOUR))
        assert revisions(await learn(harness, end)) == [(Outcome.SUCCEEDED, 1, False)]
        counts = (await harness.audit()).sources["acme"]
        assert (counts.waiting, counts.held, counts.events) == (0, 0, 1)

    async def test_a_held_run_that_is_asked_for_no_more_stays_held(
        self, harness: StoreHarness
    ) -> None:
        """Visible in the ledger, and due to nobody."""
        await harness.one(partial())
        for move in (GiveUp(NOW_US), Let()):
            [inquiry] = await ask(harness)
            await learn(harness, lesson(inquiry, move=move, on_unconfirmed="hold"))
        harness.clock.advance(seconds=10**9)
        assert await ask(harness) == []
        assert (await harness.audit()).sources["acme"].held == 1

    async def test_leases_of_inquiries_end_with_their_process(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(partial())
        await ask(harness)
        await harness.reopen()
        assert len(await ask(harness)) == 1

    async def test_an_inquiry_whose_asker_has_gone_is_given_back(
        self, harness: StoreHarness
    ) -> None:
        """Its commit ends all the same; nobody would ever have asked about what it leased."""
        await harness.one(partial())
        with harness.held() as hold:
            asking = asyncio.get_running_loop().create_task(ask(harness))
            await hold.reached()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        await harness.one(partial("run_2"))
        assert KEY in [inquiry.key for inquiry in await ask(harness)]

    async def test_a_run_is_watched_for_a_reason(self, harness: StoreHarness) -> None:
        """Either nobody has told of it, or what was told is not what the list has."""
        await harness.one(callback("run_2"))
        seen = [sighting(), sighting("run_2", Outcome.FAILED)]
        await harness.store.watch("acme", seen)
        found = {i.key.id: i.reasons for i in await ask(harness)}
        assert found == {"run_1": (NO_CALLBACK,), "run_2": (OTHER_OUTCOME,)}

    async def test_killed_before_its_commit_an_answer_was_never_given(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(partial())
        [inquiry] = await ask(harness)
        dying = learn(harness, lesson(inquiry, told()))
        await harness.killed_at("before-commit", dying)
        await harness.reopen()
        assert await harness.count("events") == 0
        [recorded] = await learn_all(harness, told())
        assert revisions([recorded]) == [(Outcome.SUCCEEDED, 1, True)]
