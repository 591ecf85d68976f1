"""What is held against the truth is found wanting in every way in which it can be."""

import json
import uuid
from dataclasses import replace

import pytest

from relay.sandbox import BatchTruth, Truth
from tests.acceptance.hearing import NAMESPACE, Hearing, Order, over_http

RUN = "0197f0f0-1111-7222-8333-444455556666"
BATCH = "0197f0f0-1111-7222-8333-000000000000"
AT = "2026-03-01T11:59:58.123456Z"
LINK = '{"outputs":[{"url":"http://a/b.png?X-Amz-Algorithm=1&X-Amz-Signature=%s"}]}'

TRUTH = Truth(
    number=1,
    id=RUN,
    batch_id=None,
    client_ref="order-1",
    callback_url="http://relay/callbacks/acme",
    status="succeeded",
    outcome="succeeded",
    earlier=(),
    told=("succeeded",),
    output=LINK % "first",
    completed_at=AT,
    cost="0.10",
    failure_code=None,
    failure_message=None,
    failure_stage=None,
    injected=(),
    partial=False,
    doubled=False,
    copies_accepted=1,
    attempts=1,
    attempts_dropped=0,
    settled=True,
)
BATCH_TRUTH = BatchTruth(
    number=1,
    id=BATCH,
    callback_url="http://relay/callbacks/acme",
    status="failed",
    outcome="failed",
    runs=(),
    completed_at=AT,
    injected=(),
    copies_accepted=1,
    attempts=1,
    attempts_dropped=0,
    settled=True,
)
ORDERS = {RUN: Order(source="acme", metadata='{"n":1.10}', enriched=True)}


def event(
    *, subject: str = RUN, revision: int = 1, confirmed: bool = True, **data: object
) -> tuple[str, bytes]:
    """One event as it is posted; true, but for what is given."""
    kind = "batch" if subject == BATCH else "run"
    said = {
        "kind": kind,
        "status": "failed" if kind == "batch" else "succeeded",
        "client_ref": "order-1",
        "completed_at": AT,
        "cost": "0.1",
        "failure": None,
        "nodes": None,
        **data,
    }
    raws = {"output": LINK % "second", "metadata": '{"n":1.10}'}
    raws |= {name: str(said.pop(name)) for name in raws if name in said}
    spliced = "".join(f',"{name}":{text}' for name, text in raws.items())
    parts = ["acme", kind, subject, str(said["status"]), str(revision)]
    head = {"source": "/runflow/acme", "subject": subject, "revision": revision}
    text = json.dumps({**head, "confirmed": confirmed, "data": said})
    return str(
        uuid.uuid5(NAMESPACE, "\n".join(parts))
    ), f"{text[:-2]}{spliced}}}}}".encode()


def differences(*events: tuple[str, bytes], truth: Truth = TRUTH) -> list[str]:
    hearing = Hearing("the sink")
    for name, body in (*events, event(subject=BATCH)):
        hearing.hear(over_http(name, body))
    return hearing.differences([truth], [BATCH_TRUTH], ORDERS)


def test_the_truth_is_no_difference_however_often_it_comes() -> None:
    """Its links are signed anew each time; a run without a callback is nobody's."""
    assert differences(event(), event()) == []
    silent = replace(TRUTH, callback_url=None)
    assert differences(truth=silent) == []


def test_a_revision_of_what_was_falsely_told_is_no_difference() -> None:
    story = replace(TRUTH, told=("failed", "succeeded"), injected=("contradict",))
    assert differences(event(status="failed"), event(revision=2), truth=story) == []


@pytest.mark.parametrize(
    "events,said",
    [
        ([], "was never heard of"),
        ([event(status="failed")], "ended succeeded"),
        ([event(status="failed")], "neither true nor was it ever called so"),
        ([event(), event(client_ref="order-2")], "in two forms"),
        ([event(), event(revision=2, cost="0.2")], "is told in 2 events"),
        ([event(), event(revision=2)], "say the same"),
        ([event(revision=2), event()], "revision 1 came after 2"),
        ([event(revision=2)], "revision 2 in the place of 1"),
        ([(str(NAMESPACE), event()[1])], "is not that of"),
        ([event(confirmed=False)], "is not confirmed"),
        ([event(output="null")], "the output is"),
        ([event(completed_at=None)], "completed_at is"),
        ([event(metadata='{"n":1.1}')], "metadata is"),
        ([event(client_ref=None)], "client_ref is"),
        ([event(cost=None)], "the cost is"),
        ([event(failure={"code": "X", "message": "", "stage": None})], "the failure"),
        ([event(), event(subject="another")], "another is none of ours"),
    ],
)  # fmt: skip
def test_every_way_to_be_wrong_is_a_difference(
    events: list[tuple[str, bytes]], said: str
) -> None:
    assert any(said in one for one in differences(*events)), differences(*events)


@pytest.mark.parametrize(
    "wrong,said",
    [
        (event(subject=BATCH, status="succeeded"), "is told in 2 events"),
        (event(subject=BATCH, completed_at=None), "came in two forms"),
    ],
)
def test_a_batch_is_told_once_and_truly(wrong: tuple[str, bytes], said: str) -> None:
    assert any(said in one for one in differences(event(), wrong))


def test_a_failure_is_told_with_its_stage_where_everything_is_asked_for() -> None:
    failed = replace(
        TRUTH,
        outcome="failed",
        told=("failed",),
        failure_code="X",
        failure_message="m",
        failure_stage="execution",
    )
    told = {"code": "X", "message": "m", "stage": "execution"}
    assert differences(event(status="failed", failure=told), truth=failed) == []
    bare = event(status="failed", failure={**told, "stage": None})
    assert any("the failure" in one for one in differences(bare, truth=failed))
