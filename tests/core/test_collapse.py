"""Who is told of several successes, who stands back, and what becomes of those who do."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.collapse import (
    RELEASED,
    Course,
    claim_of,
    is_collapsed,
    release,
    stand_back,
    weigh,
)
from relay.core.identity import Kind, Outcome, RunKey
from relay.core.run import NOTHING, Known, Publication, Waiting

RUN = RunKey("acme", Kind.RUN, "run_1")
BATCH = RunKey("acme", Kind.BATCH, "batch_1")
TOLD = Known(client_ref="order-1", outcome=Outcome.SUCCEEDED, revision=1)
BACK = stand_back(TOLD)
CONTESTED = Waiting(Outcome.FAILED, ("outcome_conflict",))
FIRST = Publication(Outcome.SUCCEEDED, 1, confirmed=True)
SECOND = Publication(Outcome.SUCCEEDED, 2, confirmed=True)


@pytest.mark.parametrize("outcome", [*Outcome, None])
def test_only_a_success_claims_its_client_ref(outcome: Outcome | None) -> None:
    known = Known(client_ref="order-1", outcome=outcome, revision=1)
    claimed = "order-1" if outcome is Outcome.SUCCEEDED else None
    assert claim_of(RUN, known) == claimed
    assert claim_of(BATCH, known) is None


@pytest.mark.parametrize("missing", [None, ""])
def test_without_a_client_ref_nothing_is_claimed(missing: str | None) -> None:
    known = Known(client_ref=missing, outcome=Outcome.SUCCEEDED, revision=1)
    assert claim_of(RUN, known) is None


def test_a_run_stands_back_between_its_end_and_its_first_event() -> None:
    assert is_collapsed(BACK)
    assert claim_of(RUN, BACK) == "order-1"
    waiting = Known(waiting=CONTESTED)
    assert not any(map(is_collapsed, (TOLD, NOTHING, waiting)))


@pytest.mark.parametrize(
    "claim,publication,winner,course",
    [
        (None, FIRST, 2, Course.PUBLISH),
        ("order-1", FIRST, None, Course.WIN),
        ("order-1", FIRST, 1, Course.WIN),
        ("order-1", FIRST, 2, Course.COLLAPSE),
        ("order-1", SECOND, 2, Course.PUBLISH),
        ("order-1", SECOND, None, Course.WIN),
    ],
)
def test_the_first_success_wins_and_a_later_one_stands_back_unless_it_was_told_before(
    claim: str | None, publication: Publication, winner: int | None, course: Course
) -> None:
    assert weigh(claim, publication, run=1, winner=winner) is course


@pytest.mark.parametrize("confirmed", [True, False])
def test_what_is_released_is_its_runs_first_event(confirmed: bool) -> None:
    freed = release(BACK, confirmed=confirmed, is_readable=True)
    assert freed.known == TOLD
    assert freed.publication == Publication(Outcome.SUCCEEDED, 1, confirmed)
    assert not freed.closed


def test_what_is_released_while_it_is_contested_waits_on() -> None:
    contested = msgspec.structs.replace(BACK, waiting=CONTESTED)
    freed = release(contested, confirmed=True, is_readable=True)
    assert (freed.known.waiting, freed.known.revision) == (CONTESTED, 1)
    assert not freed.closed


@pytest.mark.parametrize(
    "waiting,outcome,reasons",
    [
        (None, Outcome.SUCCEEDED, (RELEASED,)),
        (CONTESTED, Outcome.FAILED, ("outcome_conflict", RELEASED)),
        (Waiting(None, ("x",), held=True), Outcome.SUCCEEDED, ("x", RELEASED)),
    ],
)
def test_what_is_released_and_forgotten_waits_for_the_truth_and_claims_on(
    waiting: Waiting | None, outcome: Outcome, reasons: tuple[str, ...]
) -> None:
    """One question, and asked anew, whatever had been asked before."""
    freed = release(
        msgspec.structs.replace(BACK, waiting=waiting),
        confirmed=True,
        is_readable=False,
    )
    assert freed.publication is None
    assert freed.known == Known(client_ref="order-1", waiting=Waiting(outcome, reasons))
    assert freed.closed is (waiting is not None)
    assert claim_of(RUN, freed.known) == "order-1"
    assert not is_collapsed(freed.known)


def test_only_what_has_ended_can_be_released() -> None:
    with pytest.raises(ValueError, match="has ended"):
        release(NOTHING, confirmed=True, is_readable=True)


@given(st.lists(st.integers(1, 5), min_size=1))
def test_whatever_comes_in_whatever_order_one_of_the_first_events_is_told(
    runs: list[int],
) -> None:
    winner, told = None, set()
    for run in runs:
        publication = SECOND if run in told else FIRST
        course = weigh("order-1", publication, run=run, winner=winner)
        if course is not Course.COLLAPSE:
            told.add(run)
        if course is Course.WIN:
            winner = run
    assert told == {winner} == {runs[0]}
