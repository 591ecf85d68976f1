"""What consumers import: models and schemas that fit every event, and cost them nothing else."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import jsonschema
import pytest
from pydantic import ValidationError

from relay.core.event import build
from relay.core.notice import Notice
from relay.events import Data, DestinationEvent, Event, json_schema
from tests.builders import (
    ABSENT,
    any_batch_callback,
    any_callback,
    any_facts,
    any_notice_facts,
    any_notices,
    any_reading,
    reading_of,
)

STRUCTURED = build(any_facts()).structured
BODIES = {
    "run": any_callback(client_ref="order-7", cost="0.10", nodes_total=3, model_id="m"),
    "failed": any_callback(
        event="run.failed", status="failed", output=None, failure_code="X"
    ),
    "bare": any_callback(output=ABSENT, completed_at=ABSENT, created_at=ABSENT),
    "batch": any_batch_callback(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_the_shipped_schema_accepts_what_the_relay_publishes(body: bytes) -> None:
    reading = reading_of(body)
    data = json.loads(build(any_facts(reading)).data)
    schema = json_schema("run" if data["kind"] == "run" else "batch")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(data)


@pytest.mark.parametrize("key", Data.model_fields)
def test_the_schema_asks_for_every_key_of_data(key: str) -> None:
    data = json.loads(build(any_facts()).data)
    del data[key]
    with pytest.raises(jsonschema.ValidationError, match=key):
        jsonschema.Draft202012Validator(json_schema("run")).validate(data)


def test_a_schema_says_which_one_it_is() -> None:
    found = [json_schema("run"), json_schema("batch")]
    assert [(schema["$id"], schema["title"]) for schema in found] == [
        ("urn:runflow-relay:schema:run:1", "A finished Runflow run"),
        ("urn:runflow-relay:schema:batch:1", "A finished Runflow batch"),
    ]


def test_an_event_is_read_into_its_types() -> None:
    event = Event.model_validate_json(
        build(any_facts(any_reading(cost="0.10", client_ref="order-7"))).structured
    )
    assert event.time == datetime(2026, 3, 1, 11, 59, 58, 345000, tzinfo=UTC)
    assert event.data.completed_at == event.time
    assert (event.data.status, event.data.cost) == ("succeeded", "0.10")
    assert (event.clientref, event.revision, event.confirmed) == ("order-7", 1, True)


def test_what_a_later_relay_adds_is_kept() -> None:
    later = STRUCTURED.replace(b'"origin":', b'"added":1,"origin":').replace(
        b'"omitted":', b'"added":{"b":2},"omitted":'
    )
    event = Event.model_validate_json(later)
    assert event.model_dump()["added"] == 1
    assert event.data.model_dump()["added"] == {"b": 2}


@pytest.mark.parametrize(
    "old,new",
    [
        (b'"specversion":"1.0"', b'"specversion":"0.3"'),
        (b'"kind":"run"', b'"kind":"flow"'),
        (b'"status":"succeeded"', b'"status":"canceled"'),
        (b'"client_ref":null,', b""),
        (b'"revision":1', b'"revision":null'),
    ],
)
def test_what_is_no_event_of_the_relay_is_refused(old: bytes, new: bytes) -> None:
    assert old in STRUCTURED
    with pytest.raises(ValidationError):
        Event.model_validate_json(STRUCTURED.replace(old, new))


def test_a_consumer_loads_no_server_and_no_broker_client() -> None:
    program = (
        "import sys, relay.events\n"
        "print({'aiohttp', 'aiokafka', 'structlog', 'typer'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("notice", any_notices(), ids=lambda notice: notice.state)
def test_what_the_relay_tells_of_itself_fits_its_model_and_schema(
    notice: Notice,
) -> None:
    event = build(any_notice_facts(notice))
    told = DestinationEvent.model_validate_json(event.structured)
    assert told.type == f"io.runflow.relay.destination.{told.data.state}"
    assert (told.subject, told.data.omitted) == (told.data.destination, [])
    schema = json_schema("relay.destination")
    assert schema["$id"] == event.attributes["dataschema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(event.data))
