"""Contradictions and repetitions: no callback settles what only the truth can."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.callback import Reading
from relay.core.identity import Outcome
from relay.core.run import (
    CLIENT_REF_CONFLICT,
    NOT_ENRICHED,
    NOTHING,
    OUTCOME_CONFLICT,
    Known,
    Publication,
    Ruling,
    Verdict,
    Waiting,
    judge,
)
from tests.builders import ABSENT, any_reading

SUCCESS = any_reading()
FAILURE = any_reading(event="run.failed", status="failed", output=None)
CANCELLED = any_reading(event="run.cancelled", status="canceled", output=None)
PARTIAL = any_reading(output=None)
#: Says how it ended by its event alone.
UNNAMED = any_reading(status=ABSENT)
#: Names a run, and no end.
NAMELESS = any_reading(event=ABSENT, status=ABSENT)
RUNNING = any_reading(event=ABSENT, status="running")
OTHER = any_reading(event=ABSENT, status="melted")
UNLIKE = {"event": "run.failed", "status": "failed", "output": None}
NAMELESS_B = any_reading(event=ABSENT, status=ABSENT, client_ref="b")


def after(*heard: Reading) -> Ruling:
    """What the last of several callbacks came to."""
    return all_of(*heard)[-1]


def all_of(*heard: Reading) -> list[Ruling]:
    rulings: list[Ruling] = []
    known = NOTHING
    for reading in heard:
        rulings.append(judge(known, reading))
        known = rulings[-1].known
    return rulings


@pytest.mark.parametrize(
    "reading,outcome",
    [
        (SUCCESS, Outcome.SUCCEEDED),
        (FAILURE, Outcome.FAILED),
        (CANCELLED, Outcome.CANCELLED),
    ],
)
def test_a_complete_first_callback_is_an_event_at_once(
    reading: Reading, outcome: Outcome
) -> None:
    assert judge(NOTHING, reading) == Ruling(
        verdict=Verdict.FIRST,
        known=Known(outcome=outcome, revision=1),
        publication=Publication(outcome, revision=1, confirmed=True),
        opened=True,
    )


@pytest.mark.parametrize(
    "reading,outcome,reasons",
    [
        (PARTIAL, Outcome.SUCCEEDED, ("missing_output",)),
        (UNNAMED, Outcome.SUCCEEDED, ("missing_status",)),
        (NAMELESS, None, ("missing_status",)),
        (RUNNING, None, ("status_not_terminal",)),
        (OTHER, Outcome.OTHER, ("status_unknown",)),
    ],
)
def test_a_first_callback_in_doubt_waits_for_the_truth(
    reading: Reading, outcome: Outcome | None, reasons: tuple[str, ...]
) -> None:
    assert judge(NOTHING, reading) == Ruling(
        verdict=Verdict.FIRST,
        known=Known(waiting=Waiting(outcome, reasons)),
        opened=True,
    )


def test_a_run_of_which_only_a_reference_is_known_was_never_heard_of() -> None:
    assert judge(Known(client_ref="a"), SUCCESS) == judge(NOTHING, SUCCESS)


def test_another_outcome_than_the_published_one_is_asked_about_and_not_published() -> (
    None
):
    ruling = after(SUCCESS, FAILURE)
    assert ruling == Ruling(
        verdict=Verdict.CONFLICT,
        known=Known(
            outcome=Outcome.SUCCEEDED,
            revision=1,
            waiting=Waiting(Outcome.FAILED, ("outcome_conflict",)),
        ),
        opened=True,
    )


def test_a_second_contradiction_joins_the_question_that_is_open() -> None:
    ruling = after(
        SUCCESS, FAILURE, any_reading(event="run.cancelled", status="melted")
    )
    assert (ruling.verdict, ruling.opened) == (Verdict.CONFLICT, False)
    assert ruling.known.waiting == Waiting(
        Outcome.FAILED, ("outcome_conflict", "status_unknown")
    )


@pytest.mark.parametrize("settling", [SUCCESS, FAILURE])
def test_an_outcome_contested_before_any_event_is_left_to_the_truth(
    settling: Reading,
) -> None:
    """Neither side may win by being said once more."""
    ruling = after(PARTIAL, FAILURE, settling)
    assert ruling.publication is None
    assert ruling.known.waiting is not None
    assert "outcome_conflict" in ruling.known.waiting.reasons


def test_what_a_waiting_run_learns_is_its_outcome_and_not_new_reasons() -> None:
    ruling = after(NAMELESS, PARTIAL)
    assert ruling.verdict is Verdict.DUPLICATE
    assert ruling.known.waiting == Waiting(Outcome.SUCCEEDED, ("missing_status",))


@pytest.mark.parametrize("named", [None, Outcome.SUCCEEDED])
def test_a_held_run_is_held_no_more_once_a_callback_names_its_end(
    named: Outcome | None,
) -> None:
    """Where one was named before, it is held for another reason, and stays so."""
    known = Known(waiting=Waiting(named, ("missing_status",), held=True))
    ruling = judge(known, PARTIAL)
    assert ruling.known.waiting is not None
    assert ruling.known.waiting.outcome is Outcome.SUCCEEDED
    assert ruling.known.waiting.held is (named is not None)


def test_a_waiting_run_that_hears_no_outcome_knows_what_it_knew() -> None:
    ruling = after(PARTIAL, NAMELESS)
    assert ruling.known == after(PARTIAL).known
    assert ruling.verdict is Verdict.DUPLICATE


def test_the_complete_callback_that_was_waited_for_is_the_first_revision() -> None:
    ruling = after(PARTIAL, SUCCESS)
    assert ruling == Ruling(
        verdict=Verdict.DUPLICATE,
        known=Known(outcome=Outcome.SUCCEEDED, revision=1),
        publication=Publication(Outcome.SUCCEEDED, revision=1, confirmed=True),
    )


@pytest.mark.parametrize("known", [SUCCESS, FAILURE, PARTIAL, NAMELESS])
def test_a_late_state_that_is_not_terminal_changes_nothing(known: Reading) -> None:
    before = after(known).known
    assert judge(before, RUNNING) == Ruling(verdict=Verdict.STALE, known=before)


@pytest.mark.parametrize("later", [SUCCESS, PARTIAL, UNNAMED, NAMELESS])
def test_what_agrees_with_the_event_is_a_duplicate(later: Reading) -> None:
    published = after(SUCCESS).known
    assert judge(published, later) == Ruling(verdict=Verdict.DUPLICATE, known=published)


@pytest.mark.parametrize(
    "first,later",
    [
        (SUCCESS, any_reading(client_ref="late")),
        (SUCCESS, any_reading(client_ref="late", output=None)),
        (SUCCESS, any_reading(client_ref="late", event=ABSENT, status="running")),
        (SUCCESS, any_reading(client_ref="late", event="run.failed", status="failed")),
        (PARTIAL, any_reading(client_ref="late", output=None)),
        (PARTIAL, any_reading(client_ref="late")),
        (PARTIAL, any_reading(client_ref="late", event=ABSENT, status=ABSENT)),
        (PARTIAL, any_reading(client_ref="late", event="run.failed", status="failed")),
    ],
)
def test_a_reference_learned_late_is_kept_whatever_else_is_said(
    first: Reading, later: Reading
) -> None:
    assert after(first, later).known.client_ref == "late"


@pytest.mark.parametrize("later", [SUCCESS, PARTIAL, FAILURE, RUNNING])
def test_a_copy_without_the_reference_does_not_take_it_away(later: Reading) -> None:
    assert after(any_reading(client_ref="a"), later).known.client_ref == "a"


def test_two_references_for_one_run_are_a_conflict_that_keeps_the_first() -> None:
    ruling = after(any_reading(client_ref="a"), any_reading(client_ref="b"))
    assert ruling == Ruling(
        verdict=Verdict.CONFLICT,
        known=Known(
            client_ref="a",
            outcome=Outcome.SUCCEEDED,
            revision=1,
            waiting=Waiting(Outcome.SUCCEEDED, ("client_ref_conflict",)),
        ),
        opened=True,
    )


RAW = {
    "event": st.sampled_from(
        [ABSENT, "run.completed", "run.failed", "run.cancelled", "run.partial_succeeded"]
    ),
    "status": st.sampled_from(
        [ABSENT, "succeeded", "failed", "canceled", "cancelled", "partial_succeeded",
         "running", "melted"]
    ),
    "output": st.sampled_from([None, {}]),
    "completed_at": st.sampled_from([ABSENT, "2026-03-01T11:59:58Z"]),
    "client_ref": st.sampled_from([None, "a", "b"]),
}  # fmt: skip
anything = st.builds(any_reading, **RAW)


@given(heard=st.lists(anything, max_size=12))
def test_each_callback_is_accounted_for(heard: list[Reading]) -> None:
    opened = events = 0
    for ruling in all_of(*heard):
        opened += ruling.opened
        events += ruling.publication is not None
        assert opened == events + (ruling.known.waiting is not None)
        # Opening is what a first or a conflict may do, and nothing else.
        assert not ruling.opened or ruling.verdict in (Verdict.FIRST, Verdict.CONFLICT)


@given(heard=st.lists(anything, min_size=2, max_size=12))
def test_a_run_that_has_ended_stays_ended(heard: list[Reading]) -> None:
    for before, then in pairwise(ruling.known for ruling in all_of(*heard)):
        assert before.outcome in (None, then.outcome)
        assert before.revision <= then.revision
        assert before.client_ref in (None, then.client_ref)


@given(heard=st.lists(anything, min_size=1, max_size=8), data=st.data())
def test_only_the_first_callback_is_first_and_publishes_only_its_own_outcome(
    heard: list[Reading], data: st.DataObject
) -> None:
    rulings = all_of(*heard)
    assert [one.verdict is Verdict.FIRST for one in rulings] == [
        place == 0 for place in range(len(heard))
    ]
    place = data.draw(st.integers(0, len(heard) - 1))
    publication = rulings[place].publication
    if publication is not None:
        assert publication.outcome is heard[place].outcome
        assert heard[place].problems == ()
        assert publication.confirmed


@given(heard=st.lists(anything, min_size=1, max_size=8))
def test_hearing_everything_twice_publishes_nothing_more(heard: list[Reading]) -> None:
    doubled = [reading for reading in heard for _ in range(2)]
    once = sum(ruling.publication is not None for ruling in all_of(*heard))
    twice = sum(ruling.publication is not None for ruling in all_of(*doubled))
    assert twice == once


agreeing = st.lists(
    st.builds(
        any_reading,
        event=st.sampled_from([ABSENT, "run.completed"]),
        status=st.sampled_from([ABSENT, "succeeded"]),
        output=st.sampled_from([None, {}]),
        client_ref=st.sampled_from([None, "a"]),
    )
    | st.just(RUNNING),
    min_size=1,
    max_size=6,
)


@given(heard=agreeing, data=st.data())
def test_the_order_of_callbacks_that_agree_does_not_matter(
    heard: list[Reading], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(heard))
    ends = [after(*order).known for order in (heard, shuffled)]
    assert ends[0].outcome is ends[1].outcome
    assert ends[0].revision == ends[1].revision
    assert ends[0].client_ref == ends[1].client_ref
    assert [end.waiting is None for end in ends] in ([True, True], [False, False])


@pytest.mark.parametrize("later", [any_reading(client_ref="b", **UNLIKE), NAMELESS_B])
def test_another_reference_hides_no_other_outcome(later: Reading) -> None:
    """Whoever contradicts both contradicts both; neither outcome is taken for the truth."""
    one = any_reading(output=None, client_ref="a")
    waiting = after(one, later).known.waiting
    assert waiting is not None
    names_another = later.outcome not in (None, one.outcome)
    assert (OUTCOME_CONFLICT in waiting.reasons) is names_another
    assert CLIENT_REF_CONFLICT in waiting.reasons
    assert waiting.outcome is one.outcome


def test_whoever_contradicts_the_reference_may_be_the_first_to_name_an_end() -> None:
    nobody = any_reading(event=ABSENT, status=ABSENT, client_ref="a")
    waiting = after(nobody, any_reading(client_ref="b", **UNLIKE)).known.waiting
    assert waiting is not None
    assert waiting.outcome is Outcome.FAILED
    assert OUTCOME_CONFLICT not in waiting.reasons


@pytest.mark.parametrize("partial_first", [True, False])
def test_where_everything_is_asked_for_a_whole_callback_counts_in_any_order(
    partial_first: bool,
) -> None:
    """What is lacking is only what callbacks never carry."""
    whole, part = (
        msgspec.structs.replace(it, problems=(*it.problems, NOT_ENRICHED))
        for it in (SUCCESS, PARTIAL)
    )
    order = (part, whole) if partial_first else (whole, part)
    waiting = after(*order).known.waiting
    assert waiting == Waiting(Outcome.SUCCEEDED, (NOT_ENRICHED,))
