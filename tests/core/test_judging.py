"""What one more callback makes of a run, in every order."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.callback import Reading, read
from relay.core.identity import Outcome
from relay.core.run import NOTHING, Known, Verdict, Waiting, judge

RUN = "0197f0f0-1111-7222-8333-444455556666"


def said(status: str | None = "succeeded", **changed: object) -> Reading:
    word = "cancelled" if status == "canceled" else status
    event = (
        f"run.{word}"
        if word in ("succeeded", "failed", "cancelled")
        else "run.completed"
    )
    body = {
        "event": event, "run_id": RUN, "status": status, "output": {"n": 1},
        "completed_at": "2026-05-06T10:01:00+00:00",
    }  # fmt: skip
    found = read(json.dumps({**body, **changed}).encode(), source="acme")
    assert isinstance(found, Reading)
    return found


DONE = Known(outcome=Outcome.SUCCEEDED, revision=1, client_ref="a")
WAITS = Known(waiting=Waiting(Outcome.SUCCEEDED, ("missing_output",)))
OPEN = Known(waiting=Waiting(None, ("missing_status",)))
TABLE = [
    (NOTHING, said(), Verdict.FIRST, True),
    (NOTHING, said(output=None), Verdict.FIRST, False),
    (NOTHING, said("running"), Verdict.FIRST, False),
    (DONE, said(), Verdict.DUPLICATE, False),
    (DONE, said(client_ref="a"), Verdict.DUPLICATE, False),
    (DONE, said(client_ref="b"), Verdict.CONFLICT, False),
    (DONE, said("failed"), Verdict.CONFLICT, False),
    (DONE, said("running"), Verdict.STALE, False),
    (WAITS, said(), Verdict.DUPLICATE, True),
    (WAITS, said(output=None), Verdict.DUPLICATE, False),
    (WAITS, said("failed"), Verdict.CONFLICT, False),
    (WAITS, said("running"), Verdict.STALE, False),
    (OPEN, said("failed"), Verdict.DUPLICATE, True),
    (OPEN, said(None, event=None), Verdict.DUPLICATE, False),
]


@pytest.mark.parametrize("known,heard,verdict,published", TABLE)
def test_every_case_has_its_verdict(
    known: Known, heard: Reading, verdict: Verdict, published: bool
) -> None:
    ruling = judge(known, heard)
    assert (ruling.verdict, ruling.publication is not None) == (verdict, published)


def test_a_client_ref_learned_late_is_kept() -> None:
    once = judge(NOTHING, said()).known
    assert judge(once, said(client_ref="late")).known.client_ref == "late"


def test_a_conflict_about_the_client_ref_is_not_settled_by_a_guess() -> None:
    waits = judge(NOTHING, said(output=None, client_ref="a")).known
    contested = judge(waits, said(client_ref="b")).known
    ruling = judge(contested, said(client_ref="a"))
    assert ruling.publication is None
    assert ruling.known.waiting is not None


HEARD = st.builds(
    said,
    st.sampled_from(["succeeded", "failed", "cancelled", "canceled", "running", "melted", None]),
    output=st.sampled_from([None, {"n": 1}]),
    client_ref=st.sampled_from([None, "a", "b"]),
)  # fmt: skip


@given(st.lists(HEARD, max_size=12))
def test_whatever_comes_the_account_of_a_run_adds_up(heard: list[Reading]) -> None:
    known, opened, events = NOTHING, 0, 0
    for one in heard:
        ruling = judge(known, one)
        opened += ruling.opened
        if ruling.publication is not None:
            events += 1
            assert ruling.publication.revision == known.revision + 1
        # A terminal state never goes back.
        assert not (known.outcome is not None and ruling.known.outcome is None)
        known = ruling.known
        assert opened == events + (known.waiting is not None)
    assert events <= 1


@given(st.lists(HEARD, min_size=1, max_size=6), st.data())
def test_a_repeat_never_publishes_again(
    heard: list[Reading], data: st.DataObject
) -> None:
    known = NOTHING
    for one in heard:
        known = judge(known, one).known
    again = data.draw(st.sampled_from(heard))
    before = known.revision
    ruling = judge(known, again)
    assert ruling.publication is None or before == 0


@given(
    st.permutations([said(), said(output=None), said(), said(None), said("running")])
)
def test_the_order_of_what_agrees_does_not_matter(heard: list[Reading]) -> None:
    known = NOTHING
    for one in heard:
        known = judge(known, one).known
    assert (known.outcome, known.revision, known.waiting) == (
        Outcome.SUCCEEDED,
        1,
        None,
    )
