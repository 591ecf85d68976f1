"""What a run that waits is waiting for, and what comes next: an example of each."""

import pytest

from relay.core.delivery import SECOND, State
from relay.core.identity import Outcome
from relay.core.inquiry import InquiryState
from relay.core.timeline import (
    Delivery,
    Plan,
    Question,
    standing,
)
from tests.core.timeline.histories import (
    DAYS,
    PLAN,
    delivered,
    delivery,
    history,
    past_ask,
    question,
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
