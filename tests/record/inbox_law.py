"""What goes in: the law of recording, for every store."""

import asyncio
from typing import Any

from relay.core.errors import InternalError, UnstorableError
from relay.core.identity import Kind, Outcome, RunKey, event_id
from relay.core.ledger import SourceCounts
from relay.core.ports import Recorded, Refusal
from relay.core.run import Verdict
from tests.fakes import NOW_US
from tests.record.harness import StoreHarness
from tests.record.receipts import (
    NOWHERE,
    callback,
    odd,
    partial,
    poison,
    routed,
    still_running,
)


class InboxLaw:
    """Receipts become rows, once each, and the ledger knows."""

    async def test_a_complete_callback_is_an_event_with_its_deliveries(
        self, harness: StoreHarness
    ) -> None:
        """All of it in the answer's own commit: receipt, run, event, one delivery a destination."""
        recorded = await harness.one(callback())
        assert recorded.verdict is Verdict.FIRST
        assert recorded.letter is not None
        key = RunKey("acme", Kind.RUN, "run_1")
        assert event_id(key, Outcome.SUCCEEDED, 1) == recorded.letter.event.id
        [(stored,)] = await harness.rows("SELECT id FROM events")
        assert recorded.letter.event.id.bytes == stored
        found = [(d.run, d.revision, d.destination) for d in await harness.deliveries()]
        assert found == [("run_1", 1, "lake"), ("run_1", 1, "orders")]

    async def test_the_same_identity_twice_is_one_event(
        self, harness: StoreHarness
    ) -> None:
        """Other bytes of the same end are a duplicate, kept in a row of their own."""
        await harness.one(callback())
        again = await harness.one(callback(note="rebuilt"))
        assert again.verdict is Verdict.DUPLICATE
        assert again.letter is None
        assert await harness.count("events") == 1
        assert await harness.receipts() == [("first", 1), ("duplicate", 1)]

    async def test_the_same_identity_twice_in_one_call_is_one_event(
        self, harness: StoreHarness
    ) -> None:
        answers = await harness.store.record([callback(), callback(note="rebuilt")])
        assert _verdicts(answers) == [Verdict.FIRST, Verdict.DUPLICATE]
        assert await harness.count("events") == 1

    async def test_the_same_identity_twice_in_one_group_is_one_event(
        self, harness: StoreHarness
    ) -> None:
        """Callers that share a commit see each other's receipts."""
        [[one], [two]] = await harness.together(
            harness.store.record([callback()]),
            harness.store.record([callback(note="rebuilt")]),
        )
        assert [one.verdict, two.verdict] == [Verdict.FIRST, Verdict.DUPLICATE]
        assert await harness.count("events") == 1

    async def test_the_same_identity_from_many_tasks_is_one_event(
        self, harness: StoreHarness
    ) -> None:
        """Whoever wins, exactly one of them is first, whatever the grouping."""
        harness.bounds = type(harness.bounds)(group_size=3)
        await harness.restart()
        answers = await asyncio.gather(
            *(harness.one(callback(note=str(number % 4))) for number in range(20))
        )
        verdicts = [answer.verdict for answer in answers]
        assert verdicts.count(Verdict.FIRST) == 1
        assert verdicts.count(Verdict.DUPLICATE) == 19
        assert await harness.count("events") == 1
        assert sum(count for _, count in await harness.receipts()) == 20

    async def test_equal_bytes_are_one_row_that_counts(
        self, harness: StoreHarness
    ) -> None:
        """Across commits, and within one."""
        await harness.one(callback())
        await harness.one(callback(at=NOW_US + 5))
        await harness.store.record([callback(at=NOW_US + 6), callback(at=NOW_US + 7)])
        assert await harness.receipts() == [("first", 4)]
        # One that came before it, and is committed after it.
        await harness.one(callback(at=NOW_US + 1))
        assert await harness.receipts() == [("first", 5)]
        [seen] = await harness.rows("SELECT first_seen, last_seen FROM receipts")
        assert seen == (NOW_US, NOW_US + 7)

    async def test_equal_bytes_of_another_verdict_are_one_more_row(
        self, harness: StoreHarness
    ) -> None:
        """The first to say `running` opens the run; all that repeat it are stale, in one row."""
        for _ in range(4):
            await harness.one(still_running())
        await harness.store.record([still_running(), still_running()])
        assert await harness.receipts() == [("first", 1), ("stale", 5)]

    async def test_a_partial_callback_waits_for_the_truth(
        self, harness: StoreHarness
    ) -> None:
        """It is kept, an outcome is opened, and there is no event yet."""
        recorded = await harness.one(partial())
        assert recorded.verdict is Verdict.FIRST
        assert recorded.letter is None
        assert "missing_completed_at" in recorded.reasons
        assert await harness.count("events") == 0
        assert await harness.count("inquiries") == 1
        counts = (await harness.audit()).sources["acme"]
        assert (counts.opened, counts.events, counts.waiting) == (1, 0, 1)

    async def test_a_complete_duplicate_is_the_truth_waited_for(
        self, harness: StoreHarness
    ) -> None:
        """The event comes with the callback that completes it; nothing is opened twice."""
        await harness.one(partial())
        recorded = await harness.one(callback())
        assert recorded.verdict is Verdict.DUPLICATE
        assert recorded.letter is not None
        assert await harness.count("inquiries") == 0
        assert len(await harness.deliveries()) == 2
        counts = (await harness.audit()).sources["acme"]
        assert (counts.opened, counts.events, counts.waiting) == (1, 1, 0)

    async def test_waiting_and_its_answer_may_share_a_group(
        self, harness: StoreHarness
    ) -> None:
        """Put and dropped in one commit: nothing is left waiting."""
        answers = await harness.store.record([partial(), callback()])
        assert _verdicts(answers) == [Verdict.FIRST, Verdict.DUPLICATE]
        assert await harness.count("inquiries") == 0
        assert await harness.count("events") == 1

    async def test_an_answer_and_a_new_question_may_share_a_group(
        self, harness: StoreHarness
    ) -> None:
        """What waits then was opened by the contradiction, not by what is answered."""
        await harness.one(partial())
        await harness.store.record(
            [callback(), callback(status="failed", at=NOW_US + 9)]
        )
        assert await harness.count("events") == 1
        [waits] = await harness.rows(
            "SELECT w.opened_at, c.verdict, w.reasons FROM inquiries AS w"
            " JOIN receipts AS c ON c.number = w.receipt"
        )
        assert waits == (NOW_US + 9, 4, '["outcome_conflict"]')

    async def test_a_waiting_run_remembers_who_opened_it(
        self, harness: StoreHarness
    ) -> None:
        """Also when others add their reasons in the same commit."""
        await harness.store.record([partial(), partial(status="failed", at=NOW_US + 9)])
        await harness.one(partial(status="cancelled", at=NOW_US + 10))
        [opened] = await harness.rows("SELECT receipt, opened_at FROM inquiries")
        [first] = await harness.rows(
            "SELECT MIN(number), MIN(first_seen) FROM receipts"
        )
        assert first == opened

    async def test_conflicts_open_one_outcome_only(self, harness: StoreHarness) -> None:
        """Both are kept; however many contradict, one question is asked."""
        await harness.one(callback())
        verdicts = [
            (await harness.one(callback(status=status, note=status))).verdict
            for status in ("failed", "cancelled", "failed")
        ]
        assert verdicts == [Verdict.CONFLICT] * 3
        assert await harness.count("inquiries") == 1
        assert await harness.receipts() == [
            ("first", 1),
            ("conflict", 2),
            ("conflict", 1),
        ]
        counts = (await harness.audit()).sources["acme"]
        assert (counts.opened, counts.events, counts.waiting) == (2, 1, 1)

    async def test_another_client_ref_is_a_conflict(
        self, harness: StoreHarness
    ) -> None:
        """Missing meets present, two different values contradict."""
        await harness.one(callback())
        learned = await harness.one(callback(client_ref="order-1"))
        assert learned.verdict is Verdict.DUPLICATE
        other = await harness.one(callback(client_ref="order-2"))
        assert other.verdict is Verdict.CONFLICT
        [(known,)] = await harness.rows("SELECT client_ref FROM runs")
        assert known == "order-1"

    async def test_a_late_open_state_moves_nothing_back(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback())
        assert (await harness.one(still_running())).verdict is Verdict.STALE
        assert await harness.count("events") == 1
        assert await harness.count("inquiries") == 0

    async def test_quarantine_dedupes_by_bytes(self, harness: StoreHarness) -> None:
        """One row for equal bytes of a source, across commits and within one."""
        first = await harness.one(odd())
        assert first.verdict is Verdict.QUARANTINED
        assert first.reasons == ("not_json",)
        await harness.store.record([odd(), odd(), odd(b"[]")])
        assert await harness.receipts() == [("quarantined", 3), ("quarantined", 1)]
        counts = (await harness.audit()).sources["acme"]
        assert (counts.quarantined, counts.opened) == (4, 0)

    async def test_every_verdict_is_counted_once(self, harness: StoreHarness) -> None:
        """Equation (a), on one of each."""
        await harness.store.record(
            [
                callback(),
                callback(),
                still_running(),
                callback(status="failed"),
                odd(),
            ]
        )
        counts = (await harness.audit()).sources["acme"]
        expected = SourceCounts(
            receipts=5, first=1, duplicate=1, stale=1, conflict=1, quarantined=1,
            opened=2, events=1, waiting=1,
        )  # fmt: skip
        assert expected == counts

    async def test_sources_do_not_share_runs(self, harness: StoreHarness) -> None:
        """The same run id in two sources is two runs, two events, two lines of the ledger."""
        one = await harness.one(callback(source="acme"))
        two = await harness.one(callback(source="globex"))
        assert [one.verdict, two.verdict] == [Verdict.FIRST] * 2
        assert one.letter is not None
        assert two.letter is not None
        assert one.letter.event.id != two.letter.event.id
        ledger = await harness.audit()
        assert sorted(ledger.sources) == ["acme", "globex"]

    async def test_an_event_goes_where_its_routes_say(
        self, harness: StoreHarness
    ) -> None:
        """And only there."""
        only_failed = routed(
            "orders", when=[{"exact": {"type": "io.runflow.run.failed"}}]
        )
        await harness.one(callback("run_1", status="failed", router=only_failed))
        await harness.one(callback("run_2", router=routed("lake", known=["orders"])))
        found = [(d.run, d.destination) for d in await harness.deliveries()]
        assert found == [("run_1", "orders"), ("run_2", "lake")]

    async def test_an_event_without_a_route_is_counted(
        self, harness: StoreHarness
    ) -> None:
        """It is an event all the same; the ledger says that nobody gets it."""
        recorded = await harness.one(callback(router=NOWHERE))
        assert recorded.letter is not None
        assert (recorded.parcels, recorded.stored_for) == ((), ())
        assert await harness.deliveries() == []
        counts = (await harness.audit()).sources["acme"]
        assert (counts.events, counts.unrouted) == (1, 1)

    async def test_a_new_destination_may_be_registered_later(
        self, harness: StoreHarness
    ) -> None:
        """And gets what is routed from then on; registering again changes nothing."""
        await harness.store.register([("audit", "file")])
        await harness.store.register([("audit", "file"), ("lake", "file")])
        await harness.one(callback(router=routed("audit")))
        [parcel] = await harness.claim("audit")
        assert parcel.destination == "audit"
        assert (await harness.audit()).destinations["audit"].pending == 1

    async def test_registering_disturbs_no_numbers(self, harness: StoreHarness) -> None:
        """Receipts on both sides of it, in one group."""
        one, _, two = await harness.together(
            harness.store.record([callback("run_1")]),
            harness.store.register([("audit", "file")]),
            harness.store.record([callback("run_2")]),
        )
        assert _verdicts([*one, *two]) == [Verdict.FIRST] * 2
        numbers = await harness.rows("SELECT number FROM runs ORDER BY number")
        assert numbers == [(1,), (2,)]
        assert harness.checkpoints.passed["before-commit"] == 3

    async def test_only_the_culprit_of_a_group_fails(
        self, harness: StoreHarness
    ) -> None:
        """A group that cannot be stored is tried again one by one."""
        one, bad, two = await harness.together(
            harness.store.record([callback("run_1")]),
            harness.store.record([poison("run_2")]),
            harness.store.record([callback("run_3"), callback("run_1")]),
        )
        assert _verdicts([*one, *two]) == [
            Verdict.FIRST,
            Verdict.FIRST,
            Verdict.DUPLICATE,
        ]
        assert isinstance(bad[0], UnstorableError)
        found = await harness.rows("SELECT id FROM runs ORDER BY number")
        assert [bytes(run) for (run,) in found] == [b"run_1", b"run_3"]
        counts = (await harness.audit()).sources["acme"]
        assert (counts.receipts, counts.first, counts.duplicate) == (3, 2, 1)

    async def test_only_the_culprit_of_a_call_fails(
        self, harness: StoreHarness
    ) -> None:
        """Its neighbours in the same call are recorded, in their order."""
        answers = await harness.store.record(
            [callback("run_1"), poison("run_2"), callback("run_3")]
        )
        kinds = [type(answer) for answer in answers]
        assert [Recorded, UnstorableError, Recorded] == kinds
        assert await harness.count("runs") == 2

    async def test_a_destination_that_nobody_knows_harms_only_its_event(
        self, harness: StoreHarness
    ) -> None:
        """The event is not made with one delivery less: its callback fails as a whole, by our own fault."""
        good, bad = await harness.together(
            harness.store.record([callback("run_1")]),
            harness.store.record([callback("run_2", router=routed("lake", "nowhere"))]),
        )
        assert _verdicts(good) == [Verdict.FIRST]
        assert isinstance(bad, InternalError)
        assert {"run_1"} == {d.run for d in await harness.deliveries()}
        assert await harness.count("events") == 1

    async def test_a_client_ref_told_by_another_callback_is_the_events(
        self, harness: StoreHarness
    ) -> None:
        """Handed over at once, and built again from what is stored: the same bytes."""
        harness.handover.left = {"lake": 1}
        await harness.one(callback("run_1", completed_at=None, client_ref="order-7"))
        recorded = await harness.one(callback("run_1"))
        assert recorded.letter is not None
        assert recorded.letter.event.attributes["clientref"] == "order-7"
        await harness.reopen()
        [parcel] = await harness.claim("lake")
        assert parcel.letter.event.structured == recorded.letter.event.structured

    async def test_what_failed_can_be_recorded_afterwards(
        self, harness: StoreHarness
    ) -> None:
        """Nothing of it stayed behind, in rows or in memory."""
        [failed] = await harness.store.record([poison("run_1")])
        assert isinstance(failed, UnstorableError)
        recorded = await harness.one(callback("run_1"))
        assert recorded.verdict is Verdict.FIRST
        assert await harness.count("runs") == 1

    async def test_refusals_are_counted_and_bounded(
        self, harness: StoreHarness
    ) -> None:
        """Alike ones add up; beyond the limit the longest unseen are forgotten."""
        harness.bounds = type(harness.bounds)(refusals_kept=3)
        await harness.restart()
        for number in range(5):
            await harness.store.refuse([_refusal(f"10.0.0.{number}", at=number)])
        await harness.store.refuse([_refusal("10.0.0.3", at=9, count=6)])
        found = await harness.rows(
            "SELECT peer, count, first_seen, last_seen FROM refusals ORDER BY peer"
        )
        assert found == [
            ("10.0.0.2", 1, 2, 2),
            ("10.0.0.3", 7, 3, 9),
            ("10.0.0.4", 1, 4, 4),
        ]

    async def test_recording_nothing_does_nothing(self, harness: StoreHarness) -> None:
        assert list(await harness.store.record([])) == []
        assert await harness.count("receipts") == 0


def _refusal(peer: str, *, at: int, count: int = 1) -> Refusal:
    return Refusal(
        source="acme",
        channel="callback",
        reason="mismatch",
        peer=peer,
        count=count,
        first_seen=at,
        last_seen=at,
        size=10,
        digest=b"d" * 16,
    )


def _verdicts(answers: Any) -> list[Verdict]:
    return [answer.verdict for answer in answers]
