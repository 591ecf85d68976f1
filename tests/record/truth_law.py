"""What is asked and answered: the law of the truth, for every store."""

import json
from collections.abc import Sequence

import pytest

from relay.core.identity import Kind, Outcome, RunKey, event_id
from relay.core.inquiry import (
    Asked,
    GiveUp,
    Inquiry,
    InquiryState,
    Lesson,
    Let,
    Postpone,
    Release,
    Sighting,
)
from relay.core.ports import Recorded
from relay.core.run import Verdict
from tests.fakes import NOW_US
from tests.record.harness import StoreHarness
from tests.record.receipts import EVERYWHERE, callback, partial, routed, still_running

KEY = RunKey("acme", Kind.RUN, "run_1")
HOUR = 3_600_000_000


def told(
    status: str = "succeeded",
    *,
    run: str = "run_1",
    completed_at: str = "2026-03-01T11:59:58Z",
    **more: object,
) -> bytes:
    """A document as core makes it of an answer."""
    said = {"run_id": run, "status_code": status, "completed_at": completed_at}
    output = {"output": {"images": [1.10]}} if status == "succeeded" else {}
    return json.dumps({**said, **output, **more}).encode()


async def ask(
    harness: StoreHarness, *, limit: int = 10, opened_before: int | None = None
) -> list[Inquiry]:
    """Claim what is due."""
    found = await harness.store.inquire(
        "acme", limit=limit, now=harness.clock.now_us(), opened_before=opened_before
    )
    return list(found)


def lesson(
    inquiry: Inquiry,
    document: bytes | None = None,
    *,
    move: Postpone | GiveUp | Let | None = None,
    on_unconfirmed: str = "publish",
    answer: str = "told",
    collapses: bool = False,
) -> Lesson:
    """What one ask came to."""
    return Lesson(
        inquiry=inquiry,
        asked=Asked(at=NOW_US, duration_us=7, answer=answer, status=200),
        document=document,
        move=Release() if move is None else move,
        on_unconfirmed="hold" if on_unconfirmed == "hold" else "publish",
        collapses=collapses,
        router=EVERYWHERE,
        at=NOW_US,
    )


async def learn(harness: StoreHarness, *lessons: Lesson) -> list[Recorded]:
    return list(await harness.store.learn(lessons))


async def learn_all(harness: StoreHarness, document: bytes) -> list[Recorded]:
    """Ask for what is due, and be told the same of all."""
    return await learn(harness, *(lesson(i, document) for i in await ask(harness)))


def sighting(
    run: str = "run_1", outcome: Outcome | None = Outcome.SUCCEEDED
) -> Sighting:
    key = RunKey("acme", Kind.RUN, run)
    return Sighting(key=key, outcome=outcome, due_at=NOW_US, at=NOW_US)


def revisions(recorded: Sequence[Recorded]) -> list[tuple[Outcome, int, bool] | None]:
    """Of each answer what was published."""
    return [
        (r.letter.facts.outcome, r.letter.facts.revision, r.letter.facts.confirmed)
        if r.letter
        else None
        for r in recorded
    ]


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

    async def test_leases_of_inquiries_end_with_their_process(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(partial())
        await ask(harness)
        await harness.reopen()
        assert len(await ask(harness)) == 1

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
