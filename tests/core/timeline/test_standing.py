"""Where a run stands, and what is being waited for now: an example of each."""

from dataclasses import replace

import msgspec
import pytest

from relay.core.delivery import SECOND, State
from relay.core.holding import Hold
from relay.core.identity import Outcome
from relay.core.run import Verdict
from relay.core.timeline import (
    Findings,
    Plan,
    Presence,
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


def test_who_stands_back_behind_another_run_is_said_to() -> None:
    told = history(outcome=Outcome.SUCCEEDED, revision=0, client_ref="order-1")
    state, _, words = said(told)
    assert state == "collapsed"
    assert "ended as succeeded, and stands back behind the first success" in words
    assert "order-1" in words


class TestHeld:
    def test_a_pause_says_by_whom_and_how_it_ends(self) -> None:
        pause = Hold(kind="paused", reason="moving", by="ada", since=NOW_US - SECOND)
        told = sent(delivered(), delivery(hold=pause))
        words = (
            "Event 1 (succeeded) is held for orders: the destination is paused since 11:59:59 by ada: moving;"
            " `relay destinations resume orders` sends it; lake has it."
        )
        assert said(told) == ("held", "paused", words)

    def test_what_is_under_way_is_not_held(self) -> None:
        pause = Hold(kind="paused", reason="", by="ada", since=NOW_US)
        told = sent(delivered(), delivery(hold=pause, leased=True))
        assert said(told)[:2] == ("pending", "under_way")

    def test_what_is_not_made_yet_follows_by_itself(self) -> None:
        told = sent(delivered(), behind={"orders": 10})
        state, reason, words = said(told)
        assert (state, reason) == ("held", "behind")
        assert "too many open deliveries (`limits.backlog`)" in words

    def test_what_was_made_before_it_fell_behind_is_as_it_was(self) -> None:
        told = sent(delivered(), delivered("orders"), behind={"orders": 11})
        assert said(told)[0] == "delivered"
        told = sent(delivered(), delivered("orders"), behind={"orders": 10})
        assert said(told)[0] == "delivered"


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

    def test_a_destination_that_the_relay_knows_to_work_is_not_said_to_be_down(
        self,
    ) -> None:
        """Though the last try failed through it, and the next one waits for its turn."""
        failed = delivery("orders", **FAILED | {"reason": "timeout", "due_at": NOW_US})
        assert (
            said(sent(failed), plan=self.plan(answers=False))[1] == "destination_down"
        )
        _, reason, words = said(sent(failed), plan=self.plan(answers=True))
        assert reason == "due"
        assert "try 3 is due now, the last one failed: no answer in time" in words


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

    def test_an_event_that_no_route_takes_may_be_sent_all_the_same(self) -> None:
        state, _, words = said(sent(delivered(), events=(event(routed=()),)))
        assert state == "delivered"
        assert "lake" in words

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
