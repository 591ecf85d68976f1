"""An answer of the API is believed only when it is about the run that was asked for, and has ended."""

import json

import pytest

from relay.core.callback import Reading, read
from relay.core.identity import Kind, Outcome, RunKey
from relay.core.snapshot import (
    Snapshot,
    Unfinished,
    WrongAnswer,
    document,
    read_answer,
)

ID = "0197f0f0-1111-7222-8333-444455556666"
KEY = RunKey("acme", Kind.RUN, ID)
BATCH = RunKey("acme", Kind.BATCH, "batch_01J0")
ORG = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


def answer(**changed: object) -> bytes:
    """A finished run as the API shows it."""
    whole = {
        "id": ID,
        "status_code": "succeeded",
        "completed_at": "2026-03-01T11:59:58Z",
        "started_at": "2026-03-01T11:59:00Z",
        "created_at": "2026-03-01T11:58:00Z",
        "duration_ms": 58000,
        "output": {"n": 1},
        "metadata": None,
        "client_ref": "order-1",
        "cost": "0.10",
        "org_id": ORG,
        "batch_id": None,
    }
    return json.dumps({**whole, **changed}).encode()


def told(
    body: bytes, key: RunKey = KEY, *callbacks: bytes, enriched: bool = False
) -> Reading:
    """What an event of this answer would be built from."""
    snapshot = read_answer(body, key)
    assert isinstance(snapshot, Snapshot)
    said = [read(callback, source="acme") for callback in callbacks]
    readings = [one for one in said if isinstance(one, Reading)]
    made = document(snapshot, readings, enriched=enriched)
    reading = read(made, source="acme", require=())
    assert isinstance(reading, Reading)
    return reading


@pytest.mark.parametrize(
    "body,reason",
    [
        (b"<html>", "not_json"),
        (b'{"id": "', "not_json"),
        (b"\xff", "not_json"),
        (b"[]", "unexpected_shape"),
        (b"[" * 300 + b"]" * 300, "unexpected_shape"),
        (answer(id=None), "unexpected_shape"),
        (answer(id=7), "unexpected_shape"),
        (answer(id="0197f0f0-1111-7222-8333-444455556667"), "wrong_run"),
        (answer(org_id="another"), "other_organization"),
        (answer(status_code=None), "no_status"),
        (answer(status_code=" "), "no_status"),
    ],
)
def test_what_must_not_be_believed_has_a_name(body: bytes, reason: str) -> None:
    found = read_answer(body, KEY, organization=ORG)
    assert isinstance(found, WrongAnswer)
    assert found.reason == reason


def test_an_organization_is_compared_only_where_both_sides_name_one() -> None:
    for body, organization in (
        (answer(org_id=None), ORG),
        (answer(), None),
        (answer(), ORG.upper()),
    ):
        assert isinstance(read_answer(body, KEY, organization=organization), Snapshot)


@pytest.mark.parametrize("status", ["queued", "Running", "dispatching", "thinking"])
def test_what_has_not_ended_is_no_truth_yet(status: str) -> None:
    """Nor is a word that nobody knows, without a time of ending beside it."""
    found = read_answer(answer(status_code=status, completed_at=None), KEY)
    assert found == Unfinished(status)


def test_an_unknown_word_beside_a_time_of_ending_is_an_end() -> None:
    assert told(answer(status_code="expired")).outcome is Outcome.OTHER


@pytest.mark.parametrize("status", ["canceled", "cancelled"])
def test_both_spellings_are_one_end(status: str) -> None:
    assert told(answer(status_code=status)).outcome is Outcome.CANCELLED


def test_output_and_metadata_are_in_the_document_byte_for_byte() -> None:
    body = (
        answer()[:-1]
        + b', "output": {"price": 1.10, "n": 123456789012345678901234567890}}'
    )
    reading = told(body)
    assert reading.output == b'{"price": 1.10, "n": 123456789012345678901234567890}'


def test_what_only_the_api_tells_is_told_only_where_it_is_asked_for() -> None:
    """So which fields an event has does not depend on how the run became known."""
    plain, rich = told(answer()), told(answer(), enriched=True)
    assert (plain.cost, plain.started_at, plain.org_id) == (None, None, None)
    assert (rich.cost, rich.org_id) == ("0.10", ORG)
    assert rich.started_at == "2026-03-01T11:59:00.000000Z"
    assert plain.client_ref == rich.client_ref == "order-1"
    assert plain.duration_ms == 58000


def test_a_callback_of_the_same_end_fills_in_where_the_api_is_silent() -> None:
    """What it says otherwise is not believed, and one of another end says nothing."""
    agreeing = (
        b'{"run_id":"%b","status":"succeeded","metadata":{"k":1},"client_ref":"wrong"}'
    )
    other = b'{"run_id":"%b","status":"failed","metadata":{"k":2},"duration_ms":1}'
    said = [text % ID.encode() for text in (other, agreeing)]
    reading = told(answer(duration_ms=None), KEY, *said)
    assert (reading.metadata, reading.client_ref) == (b'{"k":1}', "order-1")
    assert reading.duration_ms is None


def test_what_fills_in_does_not_depend_on_the_order_of_arrival() -> None:
    texts = [
        b'{"run_id":"%b","status":"succeeded","completed_at":"2026-03-01T11:59:5%dZ","metadata":{"k":%d}}'
        % (ID.encode(), second, second)
        for second in range(3)
    ]
    found = {
        told(answer(), KEY, *order).metadata
        for order in (texts, texts[::-1], texts[1:] + texts[:1])
    }
    assert found == {b'{"k":2}'}


def test_what_fills_in_is_the_same_one_where_callbacks_differ_in_nothing_else() -> None:
    """Two of one moment and one output, under two client_refs: neither is the first by its coming."""
    texts = [
        b'{"run_id":"%b","status":"succeeded","client_ref":"%b"}' % (ID.encode(), ref)
        for ref in (b"order-1", b"order-2")
    ]
    silent = answer(client_ref=None)
    found = {told(silent, KEY, *order).client_ref for order in (texts, texts[::-1])}
    assert len(found) == 1


def test_a_client_ref_that_no_store_can_keep_is_left_out() -> None:
    assert told(answer(client_ref="a\0b")).client_ref is None
    assert told(answer(client_ref="x" * 2000)).client_ref is None


def test_a_batch_is_read_by_its_own_id() -> None:
    reading = told(answer(id="batch_01J0"), BATCH, enriched=True)
    assert (reading.key, reading.run_id) == (BATCH, None)


def test_a_run_of_a_batch_keeps_both_ids() -> None:
    reading = told(answer(batch_id="batch_01J0"), enriched=True)
    assert (reading.key, reading.batch_id) == (KEY, "batch_01J0")
