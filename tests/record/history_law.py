"""What a store tells of one run: the law of histories, for every store."""

import pytest

from relay.core.delivery import Delivered, Failed, Fault, State
from relay.core.identity import Kind, Outcome, RunKey
from relay.core.inquiry import InquiryState
from relay.core.run import Verdict
from relay.core.timeline import Findings, History
from relay.record.history import BOUNDS, LISTED_MAX
from tests.fakes import NOW_US
from tests.record.answers import ask, learn, learn_all, lesson, sighting, told
from tests.record.harness import StoreHarness
from tests.record.receipts import NOWHERE, callback, odd, partial
from tests.record.scene import REF, RUN, tell_everything

BUSY = Failed(
    reason="status_503",
    fault=Fault.DESTINATION,
    status=503,
    detail="busy",
    duration_us=5,
    excerpt=b"no\x00thing" * 100,
)


async def only(
    harness: StoreHarness, text: str = "run_1", source: str | None = None
) -> History:
    """The one run that is found."""
    found = await harness.find(text, source)
    [history] = found.histories
    return history


class HistoryLaw:
    """All that is stored of a run is found, by any of its names, and in bounds."""

    async def test_a_run_is_found_by_its_id(self, harness: StoreHarness) -> None:
        await harness.one(callback(client_ref=REF))
        found = await harness.find("run_1", None)
        assert (found.by, found.more, found.quarantined) == ("id", 0, ())
        [history] = found.histories
        assert history.key == RunKey("acme", Kind.RUN, "run_1")
        assert (history.client_ref, history.outcome) == (REF, Outcome.SUCCEEDED)
        assert (history.revision, history.origin) == (1, "callback")
        assert history.first_seen == NOW_US

    @pytest.mark.parametrize("spelt", [RUN, RUN.upper()])
    async def test_a_uuid_is_found_in_any_case(
        self, harness: StoreHarness, spelt: str
    ) -> None:
        await harness.one(callback(RUN))
        assert (await only(harness, spelt)).key.id == RUN

    async def test_a_batch_is_found_by_its_id(self, harness: StoreHarness) -> None:
        body = b'{"event":"batch.succeeded","batch_id":"batch_1","status":"succeeded"}'
        await harness.one(callback(body=body))
        assert (await only(harness, "batch_1")).key.kind is Kind.BATCH

    async def test_a_run_is_found_by_the_id_of_any_of_its_events(
        self, harness: StoreHarness
    ) -> None:
        await tell_everything(harness)
        events = (await only(harness, RUN)).events
        assert [event.revision for event in events] == [1, 2]
        for event in events:
            found = await harness.find(event.id.upper(), None)
            assert found.by == "event"
            assert [history.key.id for history in found.histories] == [RUN]

    async def test_a_client_ref_gives_its_runs_newest_first(
        self, harness: StoreHarness
    ) -> None:
        for number in range(3):
            at = harness.clock.advance(seconds=1)
            await harness.one(callback(f"run_{number}", client_ref=REF, at=at))
        found = await harness.find(REF, None)
        ids = [history.key.id for history in found.histories]
        assert (found.by, found.more, ids) == (
            "client_ref",
            0,
            ["run_2", "run_1", "run_0"],
        )

    async def test_so_many_runs_of_a_client_ref_are_read_and_the_rest_counted(
        self, harness: StoreHarness
    ) -> None:
        runs = range(LISTED_MAX + 3)
        await harness.store.record(
            [callback(f"run_{number}", client_ref=REF) for number in runs]
        )
        found = await harness.find(REF, None)
        assert (len(found.histories), found.more) == (LISTED_MAX, 3)

    async def test_an_id_that_several_sources_know_gives_each_unless_one_is_named(
        self, harness: StoreHarness
    ) -> None:
        for source in ("acme", "globex"):
            await harness.one(callback(source=source, client_ref=REF))
        found = await harness.find("run_1", None)
        assert [one.key.source for one in found.histories] == ["acme", "globex"]
        for words in ("run_1", REF):
            assert (await only(harness, words, "globex")).key.source == "globex"
        [event] = (await only(harness, "run_1", "globex")).events
        assert (await harness.find(event.id, "acme")).histories == ()

    @pytest.mark.parametrize("text", ["run_2", RUN, "", "a\x00b", "x" * 300])
    async def test_what_is_not_there_is_not_found(
        self, harness: StoreHarness, text: str
    ) -> None:
        await harness.one(callback())
        assert await harness.find(text, None) == Findings()

    async def test_everything_that_happened_is_in_it(
        self, harness: StoreHarness
    ) -> None:
        await tell_everything(harness)
        history = await only(harness, RUN)
        assert [(one.verdict, one.count) for one in history.receipts] == [
            (Verdict.FIRST, 1),
            (Verdict.DUPLICATE, 2),
            (Verdict.STALE, 1),
            (Verdict.CONFLICT, 1),
        ]
        assert history.receipts[0].reasons == ("missing_completed_at",)
        assert [one.answer for one in history.asks] == [
            "timeout",
            "wrong_content",
            "unauthorized",
            "told",
            "told",
        ]
        assert history.question is None
        assert [
            (e.outcome, e.confirmed, e.from_api, e.routed) for e in history.events
        ] == [
            (Outcome.SUCCEEDED, True, True, ("lake", "orders")),
            (Outcome.FAILED, True, True, ("lake", "orders")),
        ]
        first, second = (event.number for event in history.events)
        assert [
            (d.event, d.destination, d.kind, d.state, d.failures)
            for d in history.deliveries
        ] == [
            (first, "lake", "file", State.DELIVERED, 0),
            (first, "orders", "http", State.DEAD, 2),
            (second, "lake", "file", State.DELIVERED, 0),
            (second, "orders", "http", State.PENDING, 1),
        ]
        assert [one.reason for one in history.attempts] == [
            "status_503",
            "blocked_address",
            "status_503",
        ]
        assert history.last_body is not None
        assert b'"failed"' in history.last_body
        assert history.left_out == {}

    async def test_an_open_question_is_in_it(self, harness: StoreHarness) -> None:
        await harness.one(partial())
        question = (await only(harness)).question
        assert question is not None
        assert (question.state, question.leased) == (InquiryState.WAITING, False)
        assert question.reasons == ("missing_completed_at",)
        await ask(harness)
        question = (await only(harness)).question
        assert question is not None
        assert question.leased

    async def test_what_a_sweep_has_seen_is_in_it(self, harness: StoreHarness) -> None:
        await harness.store.watch("acme", [sighting()])
        history = await only(harness)
        assert (history.origin, history.events, history.receipts) == ("sweep", (), ())
        assert history.question is not None
        assert history.question.state is InquiryState.WATCHED

    async def test_a_failed_try_is_in_it_with_the_beginning_of_its_answer(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback())
        [parcel] = await harness.claim("orders")
        await harness.settle(parcel, outcome=BUSY)
        history = await only(harness)
        [attempt] = history.attempts
        assert (attempt.status, attempt.detail) == (503, "busy")
        assert attempt.excerpt == BUSY.excerpt[:500]
        orders = history.deliveries[1]
        assert (orders.failures, orders.failed_at) == (1, NOW_US - 5)
        assert orders.due_at > NOW_US

    async def test_a_delivered_one_has_its_status_and_time(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback())
        [parcel] = await harness.claim("orders")
        await harness.settle(parcel, outcome=Delivered(status=204))
        orders = (await only(harness)).deliveries[1]
        assert (orders.state, orders.status) == (State.DELIVERED, 204)
        assert orders.settled_at == harness.clock.now_us()

    async def test_an_event_that_no_route_takes_has_no_destination(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback(router=NOWHERE))
        history = await only(harness)
        assert [event.routed for event in history.events] == [()]
        assert history.deliveries == ()

    async def test_of_many_rows_the_first_and_the_last_are_read_and_the_rest_counted(
        self, harness: StoreHarness
    ) -> None:
        first, last = BOUNDS["read_past_receipts"]
        count = first + last + 7
        for number in range(count):
            at = harness.clock.advance(seconds=1)
            await harness.one(callback(note=str(number), at=at))
        history = await only(harness)
        assert len(history.receipts) == first + last
        assert history.left_out == {"receipts": 7}
        seconds = [(one.first_seen - NOW_US) // 1_000_000 for one in history.receipts]
        middle = range(first + 1, first + 8)
        assert seconds == [n for n in range(1, count + 1) if n not in middle]

    async def test_asks_are_bounded_like_all_else(self, harness: StoreHarness) -> None:
        await harness.one(partial())
        first, last = BOUNDS["read_past_asks"]
        [inquiry] = await ask(harness)
        await learn(
            harness, *(lesson(inquiry, answer="timeout") for _ in range(first + last))
        )
        await learn_all(harness, told())
        history = await only(harness)
        assert len(history.asks) == first + last
        assert history.asks[-1].answer == "told"
        assert history.left_out == {"asks": 1}

    async def test_a_callback_in_quarantine_is_found_by_the_id_that_it_names(
        self, harness: StoreHarness
    ) -> None:
        """In any spelling of a UUID; but not by a part of it, nor by another source's name."""
        await harness.one(
            odd(b'{"event":"evaluation.done","run_id":"%s"}' % RUN.upper().encode())
        )
        found = await harness.find(RUN, None)
        assert (found.by, found.histories) == (None, ())
        [receipt] = found.quarantined
        assert (receipt.verdict, receipt.source) == (Verdict.QUARANTINED, "acme")
        assert receipt.reasons == ("unknown_family",)
        assert (await harness.find(RUN, "acme")).quarantined == (receipt,)
        assert (await harness.find(RUN, "globex")).quarantined == ()
        assert (await harness.find(RUN[:-1], None)).quarantined == ()

    async def test_looking_changes_nothing(self, harness: StoreHarness) -> None:
        await tell_everything(harness)
        before = await harness.find(RUN, None)
        assert await harness.find(RUN, None) == before
        assert await harness.count("deliveries") == 4
