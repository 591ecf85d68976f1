"""A run's end in Runflow's own words: its own bytes where they are all there is, else the same fields."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.callback import Reading, Unreadable, read
from relay.core.errors import UnbuildableError
from relay.core.event import BUILDER, Facts, build
from relay.core.identity import Outcome
from relay.core.passthrough import runflow_body
from relay.core.snapshot import Snapshot, document, read_answer
from tests.builders import any_facts, any_reading, reading_of
from tests.core.json_texts import JSON_TEXTS

#: A callback as it came: odd spaces, an escaped slash, a field that nobody knows.
CALLBACK = (
    rb'{ "event":"run.completed", "run_id":"0197F0F0-1111-7222-8333-444455556666",'
    rb'"status":"succeeded","output":{"a": 1.10,"u":"\/"},"duration_ms":102345,'
    rb'"created_at":"2026-05-06T10:00:00.000+00:00",'
    rb'"completed_at":"2026-05-06T10:01:42.345678+00:00","metadata":{"b":[ ]},"new":1}'
)
#: The same run as the API tells of it; it is kept in the store in the shape of a callback.
ANSWER = (
    rb'{"id":"0197f0f0-1111-7222-8333-444455556666","status_code":"succeeded",'
    rb'"output":{"a": 1.10,"u":"\/"},"duration_ms":102345,'
    rb'"created_at":"2026-05-06T10:00:00Z","completed_at":"2026-05-06T10:01:42.345678Z",'
    rb'"metadata":{"b":[ ]},"client_ref":"order-1","cost":"0.5"}'
)


def told(answer: bytes = ANSWER) -> Facts:
    """The facts of an event that was built from an answer of the API."""
    key = any_reading().key
    named = json.loads(answer)["id"]
    snapshot = read_answer(answer, msgspec.structs.replace(key, id=named))
    assert isinstance(snapshot, Snapshot)
    reading = read(document(snapshot, (), enriched=True), source="acme", require=())
    assert isinstance(reading, Reading)
    return any_facts(reading)


def test_a_callback_that_says_it_all_goes_on_byte_for_byte() -> None:
    assert runflow_body(any_facts(reading_of(CALLBACK))) == CALLBACK


@given(output=JSON_TEXTS, metadata=JSON_TEXTS)
def test_whatever_stands_in_a_callback_goes_on_byte_for_byte(
    output: str, metadata: str
) -> None:
    body = (
        b'{"event":"run.failed","run_id":"r1","status":"failed","output":%b,"metadata":%b}'
        % (output.encode(), metadata.encode())
    )
    assert body == runflow_body(any_facts(reading_of(body)))


def test_an_answer_of_the_api_has_the_fields_of_a_callback_in_their_order() -> None:
    """Golden: written down from Runflow's page; never edited."""
    assert runflow_body(told()) == (
        rb'{"event":"run.completed","run_id":"0197f0f0-1111-7222-8333-444455556666",'
        rb'"status":"succeeded","output":{"a": 1.10,"u":"\/"},"duration_ms":102345,'
        rb'"created_at":"2026-05-06T10:00:00+00:00",'
        rb'"completed_at":"2026-05-06T10:01:42.345678+00:00","metadata":{"b":[ ]},'
        rb'"client_ref":"order-1"}'
    )


def test_a_client_ref_that_another_callback_told_is_added() -> None:
    facts = msgspec.structs.replace(
        any_facts(reading_of(CALLBACK)), client_ref="order-1"
    )
    payload = json.loads(runflow_body(facts))
    assert payload["client_ref"] == "order-1"
    assert list(payload)[:2] == ["event", "run_id"]
    assert runflow_body(facts) == runflow_body(facts)


def test_an_outcome_that_the_callback_did_not_name_is_not_passed_on_in_its_words() -> (
    None
):
    facts = any_facts(reading_of(CALLBACK), outcome=Outcome.FAILED)
    assert json.loads(runflow_body(facts))["event"] == "run.failed"


def test_a_batch_is_named_as_runflow_names_it() -> None:
    reading = reading_of(
        b'{"batch_id":"b1","status":"succeeded","output":{"items":[]}}'
    )
    assert json.loads(runflow_body(any_facts(reading))) == {
        "event": "batch.succeeded",
        "batch_id": "b1",
        "status": "succeeded",
        "output": {"items": []},
        "duration_ms": None,
        "created_at": None,
        "completed_at": None,
        "metadata": None,
    }


@pytest.mark.parametrize(
    "status, event",
    [
        ("succeeded", "run.completed"),
        ("failed", "run.failed"),
        ("cancelled", "run.cancelled"),
        ("canceled", "run.cancelled"),
        ("partial_succeeded", "run.partial_succeeded"),
        ("Expired", "run.expired"),
        ("no such word!", "run.other"),
    ],
)
def test_the_event_follows_from_the_outcome_and_the_status_stays_as_it_was(
    status: str, event: str
) -> None:
    reading = reading_of(json.dumps({"run_id": "r1", "status": status}).encode())
    payload = json.loads(runflow_body(any_facts(reading)))
    assert (event, status) == (payload["event"], payload["status"])


def test_a_failure_that_the_api_tells_of_stands_where_callbacks_have_it() -> None:
    answer = (
        b'{"id":"r1","status_code":"failed","output":null,'
        b'"failure_code":"X","failure_message":"broken","failure_stage_code":"execution"}'
    )
    assert json.loads(runflow_body(told(answer)))["output"] == {
        "code": "X",
        "message": "broken",
        "errors": None,
    }


def test_a_failure_without_a_reason_has_no_output() -> None:
    answer = b'{"id":"r1","status_code":"failed","output":null}'
    assert json.loads(runflow_body(told(answer)))["output"] is None


@given(st.sampled_from([CALLBACK, ANSWER]))
def test_the_relay_reads_what_it_passes_on_as_the_same_event(sent: bytes) -> None:
    """Whoever stands a relay behind a relay hears of the same run, ended in the same way."""
    facts = told() if sent is ANSWER else any_facts(reading_of(sent))
    again = read(runflow_body(facts), source="acme")
    assert isinstance(again, Reading)
    assert (facts.key, facts.outcome) == (again.key, again.outcome)
    assert again.problems == ()
    both = [json.loads(build(f).data) for f in (facts, any_facts(again))]
    assert both[0]["output"] == both[1]["output"]
    assert both[0]["completed_at"] == both[1]["completed_at"]


@pytest.mark.parametrize(
    "facts, reason",
    [
        (any_facts(builder=BUILDER + 1), "unknown_builder"),
        (
            msgspec.structs.replace(any_facts(), reading=Unreadable("damaged")),
            "damaged_receipt",
        ),
    ],
    ids=["a newer program's", "damaged"],
)
def test_what_cannot_be_built_says_why(facts: Facts, reason: str) -> None:
    with pytest.raises(UnbuildableError) as caught:
        runflow_body(facts)
    assert caught.value.reason == reason
