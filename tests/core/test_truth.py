"""What an answer is to a run, and that the last event does not depend on the order of what came."""

import json
from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.callback import DEFAULT_REQUIRE, Reading, read
from relay.core.event import Event, Facts, build
from relay.core.identity import Kind, Outcome, RunKey
from relay.core.run import NOT_ENRICHED, NOTHING, Known, Publication, Waiting, judge
from relay.core.snapshot import Snapshot, document, read_answer
from relay.core.truth import give_up, learn

ID = "0197f0f0-1111-7222-8333-444455556666"
KEY = RunKey("acme", Kind.RUN, ID)
AT = "2026-03-01T11:59:58.123456Z"


def reading(body: bytes, *, require: tuple[()] | None = None) -> Reading:
    found = read(
        body, source="acme", require=DEFAULT_REQUIRE if require is None else require
    )
    assert isinstance(found, Reading)
    return found


def said(**changed: object) -> Reading:
    whole = {
        "run_id": ID,
        "status": "succeeded",
        "completed_at": AT,
        "output": {"n": 1},
    }
    return reading(json.dumps({**whole, **changed}).encode(), require=())


DONE = Known(outcome=Outcome.SUCCEEDED, revision=1)
ASKED = Waiting(Outcome.FAILED, ("outcome_conflict",))


@pytest.mark.parametrize(
    "changed,changes",
    [
        ({}, ()),
        ({"status": "failed"}, ("status",)),
        ({"completed_at": "2026-03-01T11:59:59Z"}, ("completed_at",)),
        ({"completed_at": "2026-03-01T11:59:58.123+00:00"}, ()),
        ({"output": {"n": 2}}, ("output",)),
        ({"client_ref": "order-1"}, ("client_ref",)),
        ({"duration_ms": 5, "metadata": {"k": 1}}, ("duration_ms", "metadata")),
        ({"cost": "0.10"}, ()),
    ],
)
def test_an_answer_that_says_something_else_is_the_next_revision(
    changed: dict[str, object], changes: tuple[str, ...]
) -> None:
    finding = learn(DONE, said(**changed), said())
    assert finding.changes == changes
    assert (finding.publication is not None) is bool(changes)
    assert finding.known.revision == (2 if changes else 1)


def test_other_words_for_an_end_that_nobody_knows_are_another_end() -> None:
    known = Known(outcome=Outcome.OTHER, revision=1)
    assert learn(known, said(status="expired"), said(status="Expired")).changes == ()
    assert learn(known, said(status="expired"), said(status="lost")).changes == (
        "status",
    )


def test_the_reason_of_a_failure_is_news_and_its_silence_is_none() -> None:
    known = Known(outcome=Outcome.FAILED, revision=1)
    bare, told = (
        said(status="failed", output=None),
        said(status="failed", output=None, failure_code="OOM"),
    )
    assert learn(known, told, bare).changes == ("failure",)
    assert learn(known, bare, told).changes == ()


def test_an_answer_without_an_end_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="outcome"):
        learn(NOTHING, said(status="running"), None)


def test_what_an_answer_opens_and_closes_is_counted() -> None:
    """A sweep's run opens its outcome; a denied conflict closes one; a confirmed one ends in its event."""
    fresh = learn(NOTHING, said(), None)
    denied = learn(
        Known(outcome=Outcome.SUCCEEDED, revision=1, waiting=ASKED), said(), said()
    )
    confirmed = learn(
        Known(outcome=Outcome.SUCCEEDED, revision=1, waiting=ASKED),
        said(status="failed"),
        said(),
    )
    assert [(f.opened, f.closed) for f in (fresh, denied, confirmed)] == [
        (True, False),
        (False, True),
        (False, False),
    ]


def test_where_the_last_event_is_forgotten_only_another_end_is_news() -> None:
    assert learn(DONE, said(output={"n": 2}), None).publication is None
    assert learn(DONE, said(status="failed"), None).publication == Publication(
        Outcome.FAILED, 2, confirmed=True
    )


@pytest.mark.parametrize(
    "waiting,policy,expected",
    [
        (Waiting(Outcome.FAILED, ("missing_output",)), "publish", (1, False)),
        (Waiting(Outcome.FAILED, (NOT_ENRICHED,)), "publish", (1, True)),
        (Waiting(Outcome.FAILED, ("missing_output",)), "hold", None),
        (Waiting(None, ("missing_status",)), "publish", None),
        (ASKED, "publish", None),
    ],
)
def test_without_an_answer_only_what_signed_bytes_name_is_published(
    waiting: Waiting, policy: str, expected: tuple[int, bool] | None
) -> None:
    end = give_up(Known(waiting=waiting), "hold" if policy == "hold" else "publish")
    found = end.publication
    assert (None if found is None else (found.revision, found.confirmed)) == expected
    if expected is None:
        assert end.known.waiting is not None
        assert end.known.waiting.held
    # What was only to be richer is whole, and is asked for no more.
    assert end.in_doubt is (expected != (1, True))


def test_who_waits_for_nothing_is_left_alone() -> None:
    assert give_up(DONE, "publish") == (DONE, None, False)


# --- the order of arrival ---------------------------------------------------------------------------


class Life:
    """One run, as callbacks come in and the API is asked."""

    def __init__(self, truth: bytes) -> None:
        self._truth = truth
        self.known = NOTHING
        self.said: list[Reading] = []
        self.last: Reading | None = None
        self.events: list[Event] = []
        self.outcomes: list[Outcome] = []

    def receive(self, body: bytes) -> None:
        found = reading(body)
        ruling = judge(self.known, found)
        self.known = ruling.known
        self.said.append(found)
        if ruling.publication is not None:
            self._publish(found, ruling.publication)

    def ask(self) -> None:
        snapshot = read_answer(self._truth, KEY)
        if self.known.waiting is None or not isinstance(snapshot, Snapshot):
            return
        told = reading(document(snapshot, self.said, enriched=False), require=())
        finding = learn(self.known, told, self.last)
        self.known = finding.known
        if finding.publication is not None:
            self._publish(told, finding.publication)

    def _publish(self, built_from: Reading, publication: Publication) -> None:
        self.last = built_from
        self.outcomes.append(publication.outcome)
        facts = Facts(
            key=KEY,
            outcome=publication.outcome,
            revision=publication.revision,
            origin="callback",
            confirmed=publication.confirmed,
            received_at=0,
            client_ref=self.known.client_ref,
            reading=built_from,
        )
        self.events.append(build(facts))


STATUS = st.sampled_from(["succeeded", "failed", "cancelled", "partial_succeeded"])


@st.composite
def stories(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """What is true of a run, and the callbacks that tell it whole, in part, early or wrong."""
    status = draw(STATUS)
    output = {"n": draw(st.integers(0, 3))} if status.endswith("succeeded") else None
    truth: dict[str, object] = {
        "status": status,
        "completed_at": AT,
        "output": output,
        "duration_ms": 7,
        "created_at": "2026-03-01T11:00:00.000000Z",
        "metadata": {"k": [1]},
    }
    # What is asked for by default; without it a callback leaves a question open.
    required = ["status", "completed_at"] + ["output"] * (status == "succeeded")
    lacks = st.sets(st.sampled_from([*required, "metadata"]), min_size=1).filter(
        lambda names: names != {"metadata"}
    )
    wrongs = STATUS.filter(lambda other: other != status)
    wrong = draw(st.lists(wrongs, max_size=2))
    # Signed bytes that nothing contradicts are believed, so what is wrong does not come alone.
    told = [truth] * draw(st.integers(1 if wrong else 0, 2))
    told += [
        {name: value for name, value in truth.items() if name not in missing}
        for missing in draw(st.lists(lacks, max_size=2))
    ]
    told += [{"status": "running"}] * draw(st.integers(0, 1))
    told += [{**truth, "status": other, "output": {"wrong": other}} for other in wrong]
    answer = {
        "id": ID,
        "status_code": status,
        **{k: v for k, v in truth.items() if k != "status"},
    }
    bodies = [json.dumps({"run_id": ID, **one}).encode() for one in told]
    return json.dumps(answer).encode(), bodies


def _lived(truth: bytes, order: Sequence[bytes], asks: Sequence[bool]) -> Life:
    life = Life(truth)
    for body, asked in zip(order, asks, strict=False):
        life.receive(body)
        if asked:
            life.ask()
    life.ask()
    return life


@given(story=stories(), data=st.data())
def test_the_last_event_does_not_depend_on_the_order_of_arrival(
    story: tuple[bytes, list[bytes]], data: st.DataObject
) -> None:
    """However callbacks are ordered and repeated, and whenever the API is asked in between."""
    truth, bodies = story
    if not bodies:
        return
    ends = set()
    for _ in range(4):
        again = data.draw(st.lists(st.sampled_from(bodies), max_size=2))
        order = data.draw(st.permutations([*bodies, *again]))
        asks = data.draw(
            st.lists(st.booleans(), min_size=len(order), max_size=len(order))
        )
        life = _lived(truth, order, asks)
        assert life.known.waiting is None
        # No two events after each other say the same.
        assert all(
            a.data != b.data for a, b in zip(life.events, life.events[1:], strict=False)
        )
        ends.add((life.outcomes[-1], life.events[-1].data))
    assert len(ends) == 1


def test_a_terminal_state_never_goes_back() -> None:
    """Whatever comes after an end, in every order, an open state moves nothing."""
    truth = json.dumps(
        {"id": ID, "status_code": "succeeded", "completed_at": AT, "output": {"n": 1}}
    ).encode()
    done = json.dumps(
        {"run_id": ID, "status": "succeeded", "completed_at": AT, "output": {"n": 1}}
    ).encode()
    running = json.dumps({"run_id": ID, "status": "running"}).encode()
    for order in permutations([done, running, running]):
        life = _lived(truth, order, [False] * 3)
        assert life.known.outcome is Outcome.SUCCEEDED
        assert len(life.events) == 1
