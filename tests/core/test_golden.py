"""Golden vectors: what has been published once must come out the same for ever.

The ids were made with ``uuid.uuid5`` of the joined parts, outside the relay. A vector is never edited:
a new builder gets new ones.
"""

import json
import uuid

import pytest

from relay.core.callback import Reading, read
from relay.core.errors import UnbuildableError
from relay.core.event import BUILDER, Facts, build
from relay.core.identity import EVENT_NAMESPACE, Kind, Outcome, RunKey, event_id
from relay.events import Event, json_schema

UUID = "0197f0f0-1111-7222-8333-444455556666"
IDS = [
    ("acme", "run", UUID, "succeeded", 1, "50221d84-81c0-5681-abd4-0f439216b62e"),
    ("acme", "run", UUID.upper(), "succeeded", 1, "50221d84-81c0-5681-abd4-0f439216b62e"),
    ("acme", "run", UUID, "succeeded", 2, "3c42642c-4a92-580d-a486-0be58a2cfce4"),
    ("acme", "run", UUID, "failed", 1, "11561c57-2c67-5ac1-9641-5294f1864289"),
    ("acme", "batch", UUID, "succeeded", 1, "d8a462f7-b50f-5c6b-9eec-57998b67b32d"),
    ("acme", "run", "01J0ABCDEFGHJKMNPQRSTVWXYZ", "cancelled", 1, "20a40d30-f414-5963-867c-d12627be120f"),
    ("acme", "batch", "batch_01J0", "partial_succeeded", 1, "a582d704-27ac-5d0d-acc4-ee3b40fc7ae5"),
    ("other", "run", "é", "other", 12, "9771b1b2-e453-5aa9-b6d0-d02b79acd0f1"),
]  # fmt: skip


@pytest.mark.parametrize("source,kind,name,outcome,revision,expected", IDS)
def test_the_id_of_an_event_never_changes(
    source: str, kind: str, name: str, outcome: str, revision: int, expected: str
) -> None:
    key = RunKey.of(source, Kind(kind), name)
    assert str(event_id(key, Outcome(outcome), revision)) == expected


def test_ids_are_version_5_of_the_documented_namespace() -> None:
    key = RunKey.of("acme", Kind.RUN, UUID)
    text = f"acme\nrun\n{UUID}\nsucceeded\n7"
    assert event_id(key, Outcome.SUCCEEDED, 7) == uuid.uuid5(EVENT_NAMESPACE, text)


WHOLE_RUN = (
    rb'{"event":"run.completed","run_id":"0197F0F0-1111-7222-8333-444455556666",'
    rb'"status":"succeeded","output":{"z": 1.10, "a":'
    rb"1234567890123456789012345678901234567890,"
    b"\n"
    rb'"u":"\u00e9\/"},"duration_ms":102345,'
    rb'"created_at":"2026-05-06T10:00:00.000+00:00",'
    rb'"completed_at":"2026-05-06T12:01:42+02:00","metadata":{"b":1,"a":[ ]}}'
)
WHOLE_BATCH = (
    rb'{"event":"batch.partial_succeeded","batch_id":"batch_01J0",'
    rb'"status":"partial_succeeded","output":{"items":[],"total":0},"duration_ms":null,'
    rb'"created_at":"2026-05-06T10:00:00Z","completed_at":"2026-05-06T10:01:42.3456789Z",'
    rb'"metadata":null,"client_ref":"order-1"}'
)
CANCELLED_RUN = (
    rb'{"event":"run.cancelled","run_id":"01J0ABCDEFGHJKMNPQRSTVWXYZ","status":"canceled",'
    rb'"output":null,"completed_at":"2026-05-06T10:00:00.5+00:00","failure_code":"X",'
    rb'"cost":"0.10","nodes_total":3,"model_id":"m","target_type":"model","org_id":"o"}'
)
EVENTS = {
    WHOLE_RUN: (
        rb'{"specversion":"1.0","id":"50221d84-81c0-5681-abd4-0f439216b62e",'
        rb'"source":"/runflow/acme","type":"io.runflow.run.succeeded",'
        rb'"subject":"0197f0f0-1111-7222-8333-444455556666",'
        rb'"time":"2026-05-06T10:01:42.000000Z",'
        rb'"dataschema":"urn:runflow-relay:schema:run:1","origin":"callback",'
        rb'"confirmed":true,"revision":1,'
        rb'"partitionkey":"0197f0f0-1111-7222-8333-444455556666",'
        rb'"datacontenttype":"application/json","data":{"kind":"run",'
        rb'"run_id":"0197f0f0-1111-7222-8333-444455556666","batch_id":null,"org_id":null,'
        rb'"client_ref":null,"status":"succeeded","status_raw":"succeeded",'
        rb'"created_at":"2026-05-06T10:00:00.000000Z","started_at":null,'
        rb'"completed_at":"2026-05-06T10:01:42.000000Z","duration_ms":102345,"cost":null,'
        rb'"output":{"z": 1.10, "a":1234567890123456789012345678901234567890,'
        b"\n"
        rb'"u":"\u00e9\/"},"output_expires_at":null,"failure":null,"nodes":null,'
        rb'"target":null,"metadata":{"b":1,"a":[ ]},"omitted":[]}}'
    ),
    WHOLE_BATCH: (
        rb'{"specversion":"1.0","id":"a582d704-27ac-5d0d-acc4-ee3b40fc7ae5",'
        rb'"source":"/runflow/acme","type":"io.runflow.batch.partial_succeeded",'
        rb'"subject":"batch_01J0","time":"2026-05-06T10:01:42.345678Z",'
        rb'"dataschema":"urn:runflow-relay:schema:batch:1","clientref":"order-1",'
        rb'"origin":"callback","confirmed":true,"revision":1,"partitionkey":"batch_01J0",'
        rb'"datacontenttype":"application/json","data":{"kind":"batch","run_id":null,'
        rb'"batch_id":"batch_01J0","org_id":null,"client_ref":"order-1",'
        rb'"status":"partial_succeeded","status_raw":"partial_succeeded",'
        rb'"created_at":"2026-05-06T10:00:00.000000Z","started_at":null,'
        rb'"completed_at":"2026-05-06T10:01:42.345678Z","duration_ms":null,"cost":null,'
        rb'"output":{"items":[],"total":0},"output_expires_at":null,"failure":null,'
        rb'"nodes":null,"target":null,"metadata":null,"omitted":[]}}'
    ),
    CANCELLED_RUN: (
        rb'{"specversion":"1.0","id":"20a40d30-f414-5963-867c-d12627be120f",'
        rb'"source":"/runflow/acme","type":"io.runflow.run.cancelled",'
        rb'"subject":"01J0ABCDEFGHJKMNPQRSTVWXYZ","time":"2026-05-06T10:00:00.500000Z",'
        rb'"dataschema":"urn:runflow-relay:schema:run:1","origin":"callback",'
        rb'"confirmed":true,"revision":1,"partitionkey":"01J0ABCDEFGHJKMNPQRSTVWXYZ",'
        rb'"datacontenttype":"application/json","data":{"kind":"run",'
        rb'"run_id":"01J0ABCDEFGHJKMNPQRSTVWXYZ","batch_id":null,"org_id":"o",'
        rb'"client_ref":null,"status":"cancelled","status_raw":"canceled",'
        rb'"created_at":null,"started_at":null,'
        rb'"completed_at":"2026-05-06T10:00:00.500000Z","duration_ms":null,"cost":"0.10",'
        rb'"output":null,"output_expires_at":null,'
        rb'"failure":{"code":"X","message":null,"stage":null},'
        rb'"nodes":{"total":3,"completed":null},'
        rb'"target":{"type":"model","id":"m","version":null},"metadata":null,"omitted":[]}}'
    ),
}


def facts(body: bytes, **changed: object) -> Facts:
    reading = read(body, source="acme")
    assert isinstance(reading, Reading)
    assert reading.outcome is not None
    given = {
        "key": reading.key, "outcome": reading.outcome, "revision": 1,
        "origin": "callback", "confirmed": True, "received_at": 0,
        "client_ref": reading.client_ref, "reading": reading,
    }  # fmt: skip
    return Facts(**{**given, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body,event", EVENTS.items(), ids=["run", "batch", "cancelled"]
)
def test_builder_1_makes_these_bytes_for_ever(body: bytes, event: bytes) -> None:
    assert build(facts(body, builder=1)).structured == event


def test_new_events_are_made_with_a_builder_that_has_vectors() -> None:
    assert BUILDER == 1


@pytest.mark.parametrize("event", EVENTS.values(), ids=["run", "batch", "cancelled"])
def test_consumers_models_read_every_event(event: bytes) -> None:
    read_event = Event.model_validate_json(event)
    assert list(json.loads(event)["data"]) == list(type(read_event.data).model_fields)


@pytest.mark.parametrize("kind", ["run", "batch"])
def test_the_schema_that_an_event_names_ships_with_the_package(kind: str) -> None:
    schema = json_schema(kind)  # type: ignore[arg-type]
    assert schema["$id"] == f"urn:runflow-relay:schema:{kind}:1"


def test_an_unknown_builder_is_said_and_not_guessed() -> None:
    with pytest.raises(UnbuildableError, match="unknown_builder"):
        build(facts(WHOLE_RUN, builder=99))


def test_without_a_time_of_its_own_an_event_has_that_of_its_first_receipt() -> None:
    body = WHOLE_RUN.replace(b'"2026-05-06T12:01:42+02:00"', b"null")
    event = build(facts(body, received_at=1_700_000_000_123_456))
    assert event.attributes["time"] == "2023-11-14T22:13:20.123456Z"


def test_a_client_ref_that_no_attribute_can_hold_is_in_data_alone() -> None:
    body = WHOLE_BATCH.replace(b"order-1", rb"a\u0007b")
    event = build(facts(body))
    assert "clientref" not in event.attributes
    assert json.loads(event.data)["client_ref"] == "a\x07b"
