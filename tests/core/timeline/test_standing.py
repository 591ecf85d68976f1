"""Where a run stands, and what is being waited for now: an example of each."""

from dataclasses import replace

import msgspec
import pytest

from relay.core.delivery import SECOND, State
from relay.core.identity import Outcome
from relay.core.inquiry import InquiryState
from relay.core.run import Verdict
from relay.core.timeline import (
    Delivery,
    Findings,
    Plan,
    Presence,
    Question,
    hidden_standing,
    standing,
)
from tests.core.timeline.histories import (
    DAYS,
    PLAN,
    delivered,
    delivery,
    event,
    history,
    past_ask,
    question,
    receipt,
    said,
    sent,
)
from tests.fakes import NOW_US

NEVER = 1 << 62
SECRETLESS = Plan(asks=False, deadline=0, on_unconfirmed="hold")
FAILED = {
    "failures": 2,
    "failed_at": NOW_US - SECOND,
    "reason": "status_400",
    "due_at": NOW_US + 252 * SECOND,
}


def holding(plan: Plan = PLAN) -> Plan:
    return Plan(
        setting=plan.setting, asks=True, deadline=plan.deadline, on_unconfirmed="hold"
    )


class TestDelivered:
    def test_one_destination_has_it(self) -> None:
        told = sent(delivered(), events=(event(routed=("lake",)),))
        words = "Nothing is waited for: lake has event 1 (succeeded), since 12:00:00."
        assert said(told) == ("delivered", "delivered", words)

    def test_all_destinations_have_it_and_the_last_says_since_when(self) -> None:
        late = delivered("orders", settled_at=NOW_US + 5 * SECOND)
        state, _, words = said(sent(delivered(), late))
        assert state == "delivered"
        assert words == (
            "Nothing is waited for: lake and orders have event 1 (succeeded), the last of them"
            " since 12:00:05."
        )

    def test_of_many_the_first_are_named_and_the_others_counted(self) -> None:
        many = [
            msgspec.structs.replace(delivered(), number=n, destination=f"d{n}")
            for n in range(6)
        ]
        assert "d0, d1, d2 and 3 others have event 1" in said(sent(*many))[2]

    def test_deliveries_that_are_kept_no_more_were_settled(self) -> None:
        assert said(sent())[:2] == ("delivered", "forgotten")

    def test_a_day_that_is_not_today_is_named(self) -> None:
        told = sent(delivered(), events=(event(routed=("lake",)),))
        assert "since 2026-03-01 12:00:00" in said(told, now=NOW_US + DAYS)[2]

    def test_a_replay_takes_the_place_of_what_it_repeats(self) -> None:
        dead = delivery(state=State.DEAD, reason="bad_url", settled_at=NOW_US)
        again = delivered("orders", number=9, generation=2)
        found = standing(sent(dead, again), plan=PLAN, now=NOW_US)
        assert found.state == "delivered"
        assert [place.generation for place in found.places] == [2]


class TestPending:
    def test_a_first_try_that_nobody_has_taken(self) -> None:
        state, reason, words = said(sent(delivery()), now=NOW_US + 30 * SECOND)
        assert (state, reason) == ("pending", "due")
        assert words == (
            "Event 1 (succeeded) is on its way to orders: its first try has been due for 30 s: no"
            " relay has taken it yet."
        )

    def test_a_first_try_that_is_due_now(self) -> None:
        assert said(sent(delivery()))[2].endswith(": its first try is due now.")

    def test_a_first_try_that_is_still_to_come(self) -> None:
        _, reason, words = said(sent(delivery(due_at=NOW_US + SECOND)))
        assert reason == "next_try"
        assert words.endswith("its first try is due at 12:00:01, in 1.0 s.")

    def test_a_try_under_way(self) -> None:
        _, reason, words = said(sent(delivery(leased=True)))
        assert reason == "under_way"
        assert words.endswith("to orders: try 1 is under way, or next in line.")

    def test_the_next_try_and_why_the_last_one_failed(self) -> None:
        _, reason, words = said(sent(delivered(), delivery("orders", **FAILED)))
        assert reason == "next_try"
        assert words == (
            "Event 1 (succeeded) is on its way to orders: try 3 is due at 12:04:12, in 4 min 12 s, the"
            " last one failed: it answered 400; lake has it."
        )

    def test_an_end_that_is_near_is_spoken_of(self) -> None:
        old = delivery(
            "orders", **{**FAILED, "created_at": NOW_US - 7 * DAYS + 3600 * SECOND}
        )
        assert said(sent(old))[2].endswith(
            "; if it goes on failing it is dead after 13:00:00."
        )
        assert "dead" not in said(sent(old), plan=None)[2]

    def test_a_try_that_is_due_again(self) -> None:
        _, reason, words = said(
            sent(delivery("orders", **{**FAILED, "due_at": NOW_US}))
        )
        assert reason == "due"
        assert "try 3 is due now, the last one failed: it answered 400" in words

    @pytest.mark.parametrize(
        "why", ["connect", "timeout", "status_503", "unknown_topic"]
    )
    def test_a_destination_that_does_not_work_is_probed(self, why: str) -> None:
        down = delivery(
            "orders", **{**FAILED, "reason": why, "due_at": NOW_US - SECOND}
        )
        _, reason, words = said(sent(down))
        assert reason == "destination_down"
        assert "to orders: the destination does not work (" in words
        assert "one delivery at a time probes it" in words
        assert "tried 2 times so far." in words

    def test_an_earlier_event_that_is_still_open_there_goes_first(self) -> None:
        first = delivery("orders", **FAILED)
        second = delivery(number=9, event=20)
        told = sent(first, second, events=(event(), event(2)), revision=2)
        found = standing(told, plan=PLAN, now=NOW_US)
        assert [place.reason for place in found.places] == ["next_try", "earlier_open"]
        assert found.reason == "next_try"
        assert found.sentence == (
            "2 deliveries are open: event 1 (succeeded) to orders: try 3 is due at 12:04:12, in"
            " 4 min 12 s, the last one failed: it answered 400; event 2 (succeeded) to orders: waits"
            " until event 1 is settled there, so that order is kept."
        )

    def test_a_destination_that_is_configured_no_more(self) -> None:
        plan = Plan(asks=True, deadline=0, on_unconfirmed="hold", max_age={"lake": 1})
        _, reason, words = said(sent(delivery()), plan=plan)
        assert reason == "not_configured"
        assert "nobody tries it" in words
        assert said(sent(delivery()), plan=None)[1] == "due"

    def test_of_many_the_first_are_named(self) -> None:
        names = ("lake", "orders", "audit")
        twice = [delivery(name, number=n) for n, name in enumerate(names)]
        more = [delivery(name, number=10 + n, event=20) for n, name in enumerate(names)]
        told = sent(*twice, *more, events=(event(), event(2)), revision=2)
        words = said(told)[2]
        assert words.startswith("6 deliveries are open: ")
        assert words.endswith("; and 3 more.")

    def test_two_that_have_it_are_said_to(self) -> None:
        told = sent(delivered(), delivered("audit"), delivery())
        assert said(told)[2].endswith("; lake and audit have it.")

    def test_one_whose_event_is_left_out_does_not_count(self) -> None:
        assert said(sent(delivery(event=99)))[0] == "delivered"


class TestThePresenceOfARelay:
    def plan(self, *, answers: bool, degraded: tuple[str, ...] = ()) -> Plan:
        presence = Presence(
            address="127.0.0.1:8081", answers=answers, degraded=frozenset(degraded)
        )
        return replace(PLAN, presence=presence)

    def test_nobody_is_there_to_do_what_is_to_be_done(self) -> None:
        silent = self.plan(answers=False)
        for told in (sent(delivery()), history(question=question())):
            assert said(told, plan=silent)[2].endswith(
                "; no relay answers at 127.0.0.1:8081, so look whether one runs."
            )
        done = sent(delivered(), events=(event(routed=("lake",)),))
        assert "no relay" not in said(done, plan=silent)[2]

    def test_somebody_is_there(self) -> None:
        told = sent(delivery())
        assert said(told, plan=self.plan(answers=True)) == said(told)

    def test_a_destination_that_the_relay_knows_not_to_work_is_said_to_be_down(
        self,
    ) -> None:
        plan = self.plan(answers=True, degraded=("orders",))
        _, reason, words = said(sent(delivery()), plan=plan)
        assert reason == "destination_down"
        assert "the destination does not work: one delivery" in words
        assert words.endswith("; not tried yet.")
        _, reason, words = said(sent(delivery("orders", **FAILED)), plan=plan)
        assert reason == "destination_down"
        assert words.endswith("; tried 2 times so far.")


class TestHeldAndDead:
    def test_one_that_is_held(self) -> None:
        state, reason, words = said(sent(delivery(state=State.HELD)))
        assert (state, reason) == ("held", "held")
        assert words.startswith("Event 1 (succeeded) is held for orders: until")

    def test_one_that_is_dead(self) -> None:
        dead = delivery(
            state=State.DEAD, failures=3, reason="expired", settled_at=NOW_US
        )
        state, reason, words = said(sent(delivered(), dead))
        assert (state, reason) == ("dead", "expired")
        assert words == (
            "Nothing is waited for: event 1 (succeeded) did not reach orders, dead at 12:00:00 after 3"
            " tries: it had failed for max_age; lake has it."
        )

    def test_one_that_died_untried_for_a_reason_that_was_not_kept(self) -> None:
        dead = delivery(state=State.DEAD)
        found = standing(sent(dead), plan=PLAN, now=NOW_US)
        assert found.reason == "dead"
        assert "dead after 1 try: no reason is kept" in found.sentence
        assert found.places[0].tries == 1

    def test_one_that_was_discarded(self) -> None:
        gone = delivery(state=State.DISCARDED, settled_at=NOW_US)
        state, reason, words = said(sent(gone))
        assert (state, reason) == ("dead", "discarded")
        assert "an operator discarded it at 12:00:00" in words

    def test_one_that_died_and_has_had_a_later_event_is_past(self) -> None:
        dead = delivery(state=State.DEAD, reason="bad_url", settled_at=NOW_US)
        later = delivered("orders", number=9, event=20)
        told = sent(dead, later, events=(event(), event(2)), revision=2)
        assert said(told)[0] == "delivered"

    def test_an_event_that_no_route_takes_stays(self) -> None:
        state, reason, words = said(sent(events=(event(routed=()),)))
        assert (state, reason) == ("held", "unrouted")
        assert "no route takes event 1 (succeeded)" in words

    def test_a_run_that_is_asked_for_no_more(self) -> None:
        assert said(history()) == (
            "held",
            "let_go",
            "Nothing is waited for: no callback has come, and the API is not asked any more.",
        )
        assert "named no end" in said(history(receipts=(receipt(),)))[2]

    def test_a_callback_in_quarantine_is_all_there_is(self) -> None:
        hidden = receipt(verdict=Verdict.QUARANTINED, reasons=("unknown_event",))
        found = hidden_standing(Findings(quarantined=(hidden,)), NOW_US)
        assert (found.state, found.reason) == ("quarantined", "unknown_event")
        assert found.sentence == (
            "Nothing is waited for: the signed callback that names it, of 12:00:00, is in quarantine,"
            " because its event is a word that nobody knows."
        )
        bare = msgspec.structs.replace(hidden, reasons=())
        found = hidden_standing(Findings(quarantined=(bare,)), NOW_US)
        assert found.reason == "unstorable"


class TestWaiting:
    def test_for_the_truth_with_all_that_is_known_of_it(self) -> None:
        asks = (past_ask(), past_ask("server_error", status=500))
        state, reason, words = said(history(question=question(), asks=asks))
        assert (state, reason) == ("waiting", "missing_completed_at")
        assert words == (
            "The API is asked how it ended, because the callback lacks completed_at; asked 2 times, the"
            " last at 11:59:58 (a fault of its own); the next ask is at 12:00:04, in 4.0 s; without an"
            " answer it is published as succeeded, marked confirmed: false, at 12:14:00."
        )

    def test_a_setting_that_may_be_wrong_is_named(self) -> None:
        asks = (past_ask("unauthorized", status=401),)
        told = history(question=question(), asks=asks)
        words = "asked once, at 11:59:58 (it does not know the token - check sources[0].api.token)"
        assert words in said(told)[2]
        assert "check" not in said(told, plan=None)[2]

    def test_a_run_that_goes_on(self) -> None:
        asks = (past_ask("unended", detail="running"),)
        assert '(it says "running")' in said(history(question=question(), asks=asks))[2]

    def test_asks_of_an_earlier_question_do_not_count(self) -> None:
        asks = (past_ask(at=NOW_US - DAYS),)
        assert "asked once" not in said(history(question=question(), asks=asks))[2]

    @pytest.mark.parametrize(
        "changed, words",
        [
            ({"leased": True}, "it is being asked now"),
            ({"due_at": NOW_US}, "the next ask is due now"),
            (
                {"due_at": NOW_US - 90 * SECOND},
                "the next ask has been due for 1 min 30 s;",
            ),
            ({"due_at": NEVER}, "it is not asked again, a person has to decide"),
        ],
        ids=["leased", "due", "late", "never"],
    )
    def test_when_it_is_asked_next(
        self, changed: dict[str, object], words: str
    ) -> None:
        assert words in said(history(question=question(**changed)))[2]

    @pytest.mark.parametrize(
        "asked, plan, words",
        [
            (question(), holding(), "it is held, and asked for again hours apart, at"),
            (question(outcome=None), PLAN, "it is held, and asked for again"),
            (question(reasons=("outcome_conflict",)), PLAN, "it is held, and asked"),
            (
                question(reasons=("not_enriched",)),
                PLAN,
                "it is published as succeeded without what only the API tells, at",
            ),
            (
                question(opened_at=NOW_US - DAYS),
                PLAN,
                "it is published as succeeded, marked confirmed: false, now.",
            ),
        ],
        ids=["hold", "no-outcome", "conflict", "enriched", "over"],
    )
    def test_what_happens_without_an_answer(
        self, asked: Question, plan: Plan, words: str
    ) -> None:
        assert (
            f"without an answer {words}" in said(history(question=asked), plan=plan)[2]
        )

    def test_nobody_is_asked(self) -> None:
        words = said(history(question=question()), plan=SECRETLESS)[2]
        assert words.startswith("Nobody is asked (no api.token, or enrich: never), and")

    def test_while_an_earlier_event_stands(self) -> None:
        asked = question(reasons=("outcome_conflict",), outcome=Outcome.FAILED)
        state, reason, words = said(sent(delivered(), question=asked))
        assert (state, reason) == ("waiting", "outcome_conflict")
        assert words.endswith("; until then event 1 stands.")

    def test_held_after_the_deadline(self) -> None:
        asked = question(state=InquiryState.HELD, due_at=NEVER)
        state, reason, words = said(history(question=asked))
        assert (state, reason) == ("held", "missing_completed_at")
        assert words == (
            "Held: the API has not confirmed how it ended, and the callback lacks completed_at; it is"
            " not asked again, a person has to decide."
        )
        bare = question(reasons=())
        assert said(history(question=bare))[1] == "unconfirmed"

    def test_watched_by_the_sweep(self) -> None:
        asked = question(state=InquiryState.WATCHED, reasons=("no_callback",))
        state, reason, words = said(history(question=asked))
        assert (state, reason) == ("waiting", "no_callback")
        assert words == (
            "A sweep has seen it, and no callback has come; the next ask is at 12:00:04, in 4.0 s."
        )

    def test_a_sweep_has_seen_another_end(self) -> None:
        asked = question(state=InquiryState.WATCHED)
        state, reason, words = said(sent(delivered(), question=asked))
        assert (state, reason) == ("waiting", "outcome_conflict")
        assert words.startswith("A sweep has seen another end than event 1 says")

    @pytest.mark.parametrize(
        "due_at, words",
        [(NOW_US, "it is asked again at 12:00:00."), (NEVER, "it is not asked again.")],
    )
    def test_an_event_in_doubt_is_sent_and_still_asked_for(
        self, due_at: int, words: str
    ) -> None:
        asked = question(state=InquiryState.DOUBTFUL, due_at=due_at)
        state, _, sentence = said(sent(delivered(), question=asked))
        assert state == "delivered"
        assert sentence.endswith(f"; the API has not confirmed the event: {words}")
        # Its events may be left out.
        assert said(history(question=asked))[0] == "held"


def test_every_delivery_says_where_it_stands() -> None:
    made: list[Delivery] = [
        delivered(),
        delivery("orders", **FAILED),
        delivery("audit", state=State.DEAD, failures=1, reason="status_410"),
    ]
    places = standing(sent(*made), plan=PLAN, now=NOW_US).places
    assert [(p.destination, p.state, p.tries, p.due_at) for p in places] == [
        ("lake", "delivered", 1, None),
        ("orders", "pending", 2, NOW_US + 252 * SECOND),
        ("audit", "dead", 1, None),
    ]
    assert places[0].words == "delivered at 12:00:00, 1st try, it answered 204"
