"""The event of a run: the same facts give the same bytes, and CloudEvents' rules hold."""

import json
import re
from typing import get_args

import msgspec
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from relay.core.callback import Reading
from relay.core.event import BUILDER, CONTENT_TYPE, Facts, build
from relay.core.identity import Outcome
from relay.core.notice import HAPPENINGS
from relay.core.ports import Letter
from relay.events import Data
from relay.events import Event as EventModel
from tests.builders import (
    ABSENT,
    RUN_ID,
    any_batch_callback,
    any_callback,
    any_facts,
    any_reading,
    reading_of,
)
from tests.core.json_texts import JSON_TEXTS

# Each vector: facts, the expected ``structured``, the expected ``data``. Never edited; the ids come
# from ``uuid.uuid5``, the rest was written down from the description of the format.
RICH = any_facts(
    reading_of(
        b'{"event":"run.failed","run_id":"0197B0C8-6E6A-7C3D-9A55-3F1D5B1F2A01",'
        b'"status":"failed","org_id":"0197a000-0000-7000-8000-000000000000",'
        b'"batch_id":"batch_01J0ZK7Q2M","client_ref":"caf\\u00e9 \\"7\\" \xe2\x98\x83",'
        b'"created_at":"2026-03-01T11:58:16.000+00:00","started_at":'
        b'"2026-03-01T11:58:20Z","completed_at":"2026-03-01T12:59:58.345+01:00",'
        b'"duration_ms":102345,"cost":0.0420,"output":{"code":"X","url":'
        b'"https:\\/\\/s3.example\\/a?X-Amz-Date=20260301T115958Z\\u0026X-Amz-Expires=3600"'
        b' , "seed": 12345678901234567890123},"failure_code":"X","failure_message":'
        b'"line\\nbreak","failure_stage_code":"execution","nodes_total":4,'
        b'"nodes_completed":3,"target_type":"flow","flow_id":"f-1","target_version":"2",'
        b'"metadata":"plain"}'
    ),
    revision=2,
    origin="webhook",
    confirmed=False,
)
RICH_DATA = (
    b'{"kind":"run","run_id":"0197b0c8-6e6a-7c3d-9a55-3f1d5b1f2a01",'
    b'"batch_id":"batch_01J0ZK7Q2M","org_id":"0197a000-0000-7000-8000-000000000000",'
    b'"client_ref":"caf\xc3\xa9 \\"7\\" \xe2\x98\x83","status":"failed",'
    b'"status_raw":"failed","created_at":"2026-03-01T11:58:16.000000Z",'
    b'"started_at":"2026-03-01T11:58:20.000000Z",'
    b'"completed_at":"2026-03-01T11:59:58.345000Z","duration_ms":102345,'
    b'"cost":"0.0420","output":{"code":"X","url":'
    b'"https:\\/\\/s3.example\\/a?X-Amz-Date=20260301T115958Z\\u0026X-Amz-Expires=3600"'
    b' , "seed": 12345678901234567890123},'
    b'"output_expires_at":"2026-03-01T12:59:58.000000Z",'
    b'"failure":{"code":"X","message":"line\\nbreak","stage":"execution"},'
    b'"nodes":{"total":4,"completed":3},'
    b'"target":{"type":"flow","id":"f-1","version":"2"},"metadata":"plain",'
    b'"omitted":[]}'
)
RICH_EVENT = (
    b'{"specversion":"1.0","id":"86f95083-5c97-506e-a252-c53f6f3e6fd6",'
    b'"source":"/runflow/acme","type":"io.runflow.run.failed",'
    b'"subject":"0197b0c8-6e6a-7c3d-9a55-3f1d5b1f2a01",'
    b'"time":"2026-03-01T11:59:58.345000Z",'
    b'"dataschema":"urn:runflow-relay:schema:run:1",'
    b'"clientref":"caf\xc3\xa9 \\"7\\" \xe2\x98\x83","origin":"webhook",'
    b'"confirmed":false,"revision":2,'
    b'"partitionkey":"0197b0c8-6e6a-7c3d-9a55-3f1d5b1f2a01",'
    b'"datacontenttype":"application/json","data":' + RICH_DATA + b"}"
)
BARE = any_facts(
    reading_of(b'{"batch_id":"01J0ZK7Q2M8Y3N5R6T7V8W9XAB","status":"melted"}'),
    origin="manual",
    received_at=1_772_366_400_000_007,
)
BARE_DATA = (
    b'{"kind":"batch","run_id":null,"batch_id":"01J0ZK7Q2M8Y3N5R6T7V8W9XAB",'
    b'"org_id":null,"client_ref":null,"status":"other","status_raw":"melted",'
    b'"created_at":null,"started_at":null,"completed_at":null,"duration_ms":null,'
    b'"cost":null,"output":null,"output_expires_at":null,"failure":null,"nodes":null,'
    b'"target":null,"metadata":null,"omitted":[]}'
)
BARE_EVENT = (
    b'{"specversion":"1.0","id":"d3dee289-7922-5211-84cf-2beec6db428f",'
    b'"source":"/runflow/acme","type":"io.runflow.batch.other",'
    b'"subject":"01J0ZK7Q2M8Y3N5R6T7V8W9XAB","time":"2026-03-01T12:00:00.000007Z",'
    b'"dataschema":"urn:runflow-relay:schema:batch:1","origin":"manual",'
    b'"confirmed":true,"revision":1,"partitionkey":"01J0ZK7Q2M8Y3N5R6T7V8W9XAB",'
    b'"datacontenttype":"application/json","data":' + BARE_DATA + b"}"
)


@pytest.mark.parametrize(
    "facts,structured,data",
    [(RICH, RICH_EVENT, RICH_DATA), (BARE, BARE_EVENT, BARE_DATA)],
    ids=["rich", "bare"],
)
def test_builder_1_writes_these_bytes(
    facts: Facts, structured: bytes, data: bytes
) -> None:
    event = build(msgspec.structs.replace(facts, builder=1))
    assert event.data == data
    # The second time it is the same object: built once, however many tries.
    assert event.structured == structured
    assert event.structured is event.structured


def test_a_new_builder_needs_vectors_of_its_own() -> None:
    assert BUILDER == 1


def test_the_content_type_is_that_of_structured_mode() -> None:
    assert CONTENT_TYPE == "application/cloudevents+json; charset=utf-8"


def test_a_receipt_that_comes_later_changes_nothing_but_a_time_that_was_unknown() -> (
    None
):
    early, late = any_facts(received_at=1), any_facts(received_at=2)
    assert build(early).structured == build(late).structured


@pytest.mark.parametrize(
    "unfit", ["", "a\x01b", "tab\t", "\x7f", "\x85", "\ufdd0", "\uffff"]
)
def test_what_no_attribute_may_hold_stays_in_data(unfit: str) -> None:
    event = build(any_facts(any_reading(client_ref=unfit)))
    assert "clientref" not in event.attributes
    assert json.loads(event.data)["client_ref"] == unfit


@pytest.mark.parametrize("fit", ["order-7", "é☃😀", '"', "\\", " "])
def test_any_other_client_ref_is_an_attribute(fit: str) -> None:
    assert build(any_facts(any_reading(client_ref=fit))).attributes["clientref"] == fit


def test_a_runs_batch_and_a_batchs_run_are_named_too() -> None:
    run = build(any_facts(any_reading(batch_id="b-1")))
    batch = build(any_facts(reading_of(any_batch_callback(run_id="r-1"))))
    data = [json.loads(event.data) for event in (run, batch)]
    assert [(one["run_id"], one["batch_id"]) for one in data] == [
        (RUN_ID, "b-1"),
        ("r-1", "batch_01J0ZK7Q2M"),
    ]


def test_a_letter_builds_its_event_once() -> None:
    letter = Letter(any_facts())
    assert letter.event is letter.event


@pytest.mark.parametrize("outcome", [one for one in Outcome if one not in HAPPENINGS])
@pytest.mark.parametrize("body", [any_callback(), any_batch_callback()])
def test_the_type_names_kind_and_outcome(body: bytes, outcome: Outcome) -> None:
    reading = reading_of(body)
    event = build(any_facts(reading, outcome=outcome))
    kind = reading.key.kind.value
    assert event.attributes["type"] == f"io.runflow.{kind}.{outcome.value}"
    assert json.loads(event.data)["status"] == outcome.value
    assert outcome.value in get_args(Data.model_fields["status"].annotation)


texts = st.text(st.characters(codec="utf-8"), max_size=20)
#: A callback whose `client_ref` holds a NUL goes to quarantine.
refs = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
readings = st.builds(
    any_reading,
    client_ref=refs | st.none(),
    org_id=texts | st.none(),
    failure_message=texts | st.none(),
    status=st.sampled_from(["succeeded", "failed", "canceled", "melted"]),
    output=JSON_TEXTS.map(lambda text: msgspec.Raw(text.encode())),
    metadata=JSON_TEXTS.map(lambda text: msgspec.Raw(text.encode())),
    completed_at=st.sampled_from([ABSENT, "2026-03-01T11:59:58.345+00:00"]),
)


@given(reading=readings, revision=st.integers(1, 2**31 - 1))
def test_every_event_obeys_the_rules_of_cloudevents(
    reading: Reading, revision: int
) -> None:
    event = build(any_facts(reading, revision=revision))
    for name, value in event.attributes.items():
        assert re.fullmatch("[a-z0-9]{1,20}", name)
        assert value != ""
        if isinstance(value, str):
            assert not re.search(
                "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef]", value
            )
    keys = list(json.loads(event.structured, parse_int=str))
    assert keys == [*event.attributes, "datacontenttype", "data"]


@given(reading=readings)
def test_the_same_facts_give_the_same_bytes(reading: Reading) -> None:
    assert build(any_facts(reading)).structured == build(any_facts(reading)).structured


@given(reading=readings)
def test_the_models_for_consumers_read_every_event(reading: Reading) -> None:
    event = build(any_facts(reading))
    model = EventModel.model_validate_json(event.structured)
    assert model.id == str(event.id)
    assert not model.__pydantic_extra__
    assert not model.data.__pydantic_extra__


def test_an_outside_reader_understands_the_event() -> None:
    read = JSONFormat().read(CloudEvent, build(RICH).structured)
    assert (read.get_id(), read.get_subject()) == (str(build(RICH).id), RUN_ID)
    assert read.get_extension("revision") == 2
