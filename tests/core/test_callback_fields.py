"""The fields of a callback: each is read by itself, and two of them stay the bytes that came."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.callback import DEFAULT_REQUIRE, Field, Reading, Unreadable, read
from relay.core.event import build
from tests.builders import (
    ABSENT,
    BATCH_ID,
    RUN_ID,
    any_callback,
    any_facts,
    any_reading,
    reading_of,
)
from tests.core.json_texts import JSON_TEXTS, PICKY, SPACES

#: A run as its page of the API shows it, in a callback's words.
EVERYTHING: dict[str, object] = {
    "client_ref": "order-7",
    "batch_id": BATCH_ID,
    "org_id": "0197a000-0000-7000-8000-000000000000",
    "started_at": "2026-03-01T11:58:20Z",
    "cost": "0.0420",
    "failure_code": "INPUT_VALIDATION_FAILED",
    "failure_message": "no image",
    "failure_stage_code": "dispatch",
    "nodes_total": 4,
    "nodes_completed": 3,
    "target_type": "model",
    "target_version": "2",
    "model_id": "m-1",
    "metadata": {"a": 1},
}


def said_by(reading: Reading) -> dict[str, object]:
    """All that the event will be made of."""
    return {
        "run_id": reading.run_id,
        "batch_id": reading.batch_id,
        "org_id": reading.org_id,
        "client_ref": reading.client_ref,
        "status_raw": reading.status_raw,
        "created_at": reading.created_at,
        "started_at": reading.started_at,
        "completed_at": reading.completed_at,
        "duration_ms": reading.duration_ms,
        "cost": reading.cost,
        "output": reading.output,
        "failure": reading.failure,
        "nodes": reading.nodes,
        "target": reading.target,
        "metadata": reading.metadata,
    }


WHOLE: dict[str, object] = {
    "run_id": RUN_ID,
    "batch_id": BATCH_ID,
    "org_id": "0197a000-0000-7000-8000-000000000000",
    "client_ref": "order-7",
    "status_raw": "succeeded",
    "created_at": "2026-03-01T11:58:16.000000Z",
    "started_at": "2026-03-01T11:58:20.000000Z",
    "completed_at": "2026-03-01T11:59:58.345000Z",
    "duration_ms": 102345,
    "cost": "0.0420",
    "output": b'{"image_urls":["https://cdn.example/a.png"]}',
    "failure": {
        "code": "INPUT_VALIDATION_FAILED",
        "message": "no image",
        "stage": "dispatch",
    },
    "nodes": {"total": 4, "completed": 3},
    "target": {"type": "model", "id": "m-1", "version": "2"},
    "metadata": b'{"a":1}',
}


def test_every_field_is_read() -> None:
    assert said_by(any_reading(**EVERYTHING)) == WHOLE


def test_what_a_body_does_not_say_is_none() -> None:
    reading = any_reading(
        output=ABSENT, duration_ms=ABSENT, created_at=ABSENT, completed_at=ABSENT,
        metadata=ABSENT, status=ABSENT,
    )  # fmt: skip
    unsaid = {name: None for name in WHOLE if name != "run_id"}
    assert said_by(reading) == {**unsaid, "run_id": RUN_ID}


_NO_TEXT: list[object] = [None, 5, 1.5, True, [], {"a": "b"}]
_NO_WHOLE: list[object] = [None, "5", 5.0, True, [], {}, msgspec.Raw(b"1e3"), 10**18]
_NO_DECIMAL: list[object] = [
    None, True, [], {}, "free", "", "1e3", ".", msgspec.Raw(b"1e3")
]  # fmt: skip
#: Field, a value of a type that it cannot have, and what it says then.
SPOILT: list[tuple[str, object, str, object]] = [
    *(
        (field, wrong, field, None)
        for field in ("batch_id", "org_id", "client_ref", "created_at", "started_at",
                      "completed_at")
        for wrong in _NO_TEXT
    ),
    *(("duration_ms", wrong, "duration_ms", None) for wrong in _NO_WHOLE),
    *(("cost", wrong, "cost", None) for wrong in _NO_DECIMAL),
    ("cost", 0.5, "cost", "0.5"),
    ("cost", -3, "cost", "-3"),
    ("cost", msgspec.Raw(b"1.10"), "cost", "1.10"),
    ("duration_ms", -1, "duration_ms", -1),
    ("duration_ms", 10**18 - 1, "duration_ms", 10**18 - 1),
    ("status", 5, "status_raw", None),
    ("status", {"code": "succeeded"}, "status_raw", None),
    ("failure_code", 5, "failure",
     {"code": None, "message": "no image", "stage": "dispatch"}),
    ("failure_message", ["no"], "failure",
     {"code": "INPUT_VALIDATION_FAILED", "message": None, "stage": "dispatch"}),
    ("nodes_total", "4", "nodes", {"total": None, "completed": 3}),
    ("nodes_completed", ABSENT, "nodes", {"total": 4, "completed": None}),
    ("target_type", 5, "target", {"type": None, "id": "m-1", "version": "2"}),
    ("target_version", 2, "target", {"type": "model", "id": "m-1", "version": None}),
    ("model_id", {}, "target", {"type": "model", "id": None, "version": "2"}),
    ("output", None, "output", None),
    ("output", "a text", "output", b'"a text"'),
    ("output", False, "output", b"false"),
    ("metadata", [], "metadata", b"[]"),
    ("metadata", None, "metadata", None),
]  # fmt: skip


@pytest.mark.parametrize(
    "field,value,name,expected",
    SPOILT,
    ids=[f"{place}-{row[0]}" for place, row in enumerate(SPOILT)],
)
def test_a_wrong_type_spoils_its_own_field_alone(
    field: str, value: object, name: str, expected: object
) -> None:
    reading = any_reading(**{**EVERYTHING, field: value})
    assert said_by(reading) == {**WHOLE, name: expected}


@pytest.mark.parametrize("field", ["model_id", "flow_id", "comfyui_workflow_id"])
def test_the_target_is_whichever_kind_was_run(field: str) -> None:
    target = any_reading(**{field: "t-1"}).target
    assert target == {"type": None, "id": "t-1", "version": None}


@pytest.mark.parametrize(
    "changes,problems",
    [
        ({}, ()),
        ({"status": ABSENT}, ("missing_status",)),
        ({"status": None}, ("missing_status",)),
        ({"completed_at": ABSENT}, ("missing_completed_at",)),
        ({"completed_at": "yesterday"}, ("missing_completed_at",)),
        ({"output": ABSENT}, ("missing_output",)),
        ({"output": None}, ("missing_output",)),
        ({"output": []}, ()),
        (
            {"output": None, "event": ABSENT, "status": "partial_succeeded"},
            ("missing_output",),
        ),
        ({"output": None, "event": "run.failed", "status": "failed"}, ()),
        ({"output": None, "event": "run.cancelled", "status": "canceled"}, ()),
        ({"event": "run.failed"}, ("event_and_status_disagree",)),
        ({"event": "run.cancelled", "status": "canceled"}, ()),
        ({"status": "running"}, ("status_not_terminal",)),
        ({"status": "melted"}, ("status_unknown",)),
        ({"event": ABSENT, "status": "melted", "output": None}, ("status_unknown",)),
        (
            {"status": ABSENT, "completed_at": ABSENT, "output": ABSENT},
            ("missing_status", "missing_completed_at", "missing_output"),
        ),
    ],
)
def test_what_is_missing_or_contradicts_itself_is_named(
    changes: dict[str, object], problems: tuple[str, ...]
) -> None:
    assert any_reading(**changes).problems == problems


@pytest.mark.parametrize(
    "field,useless",
    [
        ("created_at", "soon"),
        ("completed_at", 5),
        ("duration_ms", "5"),
        ("output", None),
        ("metadata", None),
        ("client_ref", 5),
    ],
)
def test_a_required_field_that_says_nothing_is_missing(
    field: Field, useless: object
) -> None:
    def problems_with(fields: dict[str, object]) -> tuple[str, ...]:
        return reading_of(any_callback(**fields), require=(field,)).problems

    assert problems_with(EVERYTHING) == ()
    assert problems_with({**EVERYTHING, field: useless}) == (f"missing_{field}",)
    assert problems_with({**EVERYTHING, field: ABSENT}) == (f"missing_{field}",)


def test_what_is_not_required_is_not_missed() -> None:
    bare = any_callback(output=ABSENT, completed_at=ABSENT)
    assert reading_of(bare, require=("status",)).problems == ()
    assert DEFAULT_REQUIRE == ("status", "completed_at", "output")


def spliced(field: str, data: bytes) -> bytes:
    """The bytes between a key of ``data`` and the next key or the end."""
    following = {"output": b',"output_expires_at":', "metadata": b',"omitted":'}
    start = data.index(b'"%b":' % field.encode()) + len(field) + 3
    return data[start : data.rindex(following[field])]


@pytest.mark.parametrize("field", ["output", "metadata"])
@pytest.mark.parametrize("text", PICKY)
def test_what_a_parser_would_change_stays_as_it_came(field: str, text: str) -> None:
    reading = any_reading(**{field: msgspec.Raw(text.encode())})
    event = build(any_facts(reading))
    assert spliced(field, event.data) == text.encode()


@given(output=JSON_TEXTS, metadata=JSON_TEXTS, before=SPACES, after=SPACES)
def test_output_and_metadata_reach_the_event_byte_for_byte(
    output: str, metadata: str, before: str, after: str
) -> None:
    body = (
        f'{{{before}"metadata":{before}{metadata}{after},"event":"run.completed",'
        f'"run_id"{before}:"{RUN_ID}","output"{after}:{before}{output}{after}}}{after}'
    )
    data = build(any_facts(reading_of(body.encode()))).data
    assert spliced("output", data).decode() == output
    assert spliced("metadata", data).decode() == metadata


@given(body=st.binary() | st.text().map(str.encode) | JSON_TEXTS.map(str.encode))
def test_no_body_is_too_strange_to_be_read(body: bytes) -> None:
    assert isinstance(read(body, source="acme"), Reading | Unreadable)


fields = st.sampled_from(
    ["event", "run_id", "status", "status_code", *EVERYTHING, "output", "duration_ms",
     "created_at", "completed_at", "flow_id", "comfyui_workflow_id", "invented"]
)  # fmt: skip


def built_or_refused(body: bytes) -> None:
    """Whatever can be read as an end gives an event that is JSON."""
    found = read(body, source="acme")
    if isinstance(found, Reading):
        json.loads(build(any_facts(found)).structured, parse_int=str)


@given(values=st.dictionaries(fields, JSON_TEXTS, max_size=8))
def test_any_values_in_any_fields_give_an_event_or_a_reason(
    values: dict[str, str],
) -> None:
    raws = {name: msgspec.Raw(text.encode()) for name, text in values.items()}
    built_or_refused(any_callback(**raws))


@given(data=st.data())
def test_a_mutilated_callback_gives_an_event_or_a_reason(data: st.DataObject) -> None:
    body = bytearray(any_callback(**EVERYTHING))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body)))
        end = start + data.draw(st.integers(0, 12))
        body[start:end] = data.draw(
            st.binary(max_size=4)
            | st.sampled_from([b'"', b"\\", b"{", b"}", b",", b"\\u0000", b"\\ud800"])
        )
    built_or_refused(bytes(body))


texts = st.text(max_size=8) | st.sampled_from(
    ["2026-03-01T11:58:20Z", "failed", "1.10"]
)
numbers = st.integers(-(10**19), 10**19)


@given(
    values=st.fixed_dictionaries(
        {"client_ref": texts.filter(lambda text: "\0" not in text) | st.none()},
        optional={
            "status": texts,
            "org_id": texts | st.none(),
            "started_at": texts,
            "completed_at": texts | st.none(),
            "duration_ms": numbers | st.none(),
            "nodes_total": numbers,
            "cost": texts,
            "failure_message": texts,
            "model_id": texts,
        },
    )
)
def test_a_spoilt_field_changes_nothing_about_how_the_others_are_read(
    values: dict[str, object],
) -> None:
    whole = any_callback(**values, target_version=ABSENT)
    spoilt = any_callback(**values, target_version=5)
    assert said_by(reading_of(spoilt)) == said_by(reading_of(whole))
    assert reading_of(spoilt).problems == reading_of(whole).problems


ENVELOPE = {"code": "INPUT_VALIDATION_FAILED", "message": "no image", "errors": []}


@pytest.mark.parametrize(
    "output,code,message",
    [
        (ENVELOPE, "INPUT_VALIDATION_FAILED", "no image"),
        ({"message": "no image"}, None, "no image"),
        ({"code": 7, "message": "no image"}, None, "no image"),
    ],
)
def test_the_failure_of_a_run_may_stand_in_place_of_its_output(
    output: object, code: str | None, message: str | None
) -> None:
    failed = any_reading(event="run.failed", status="failed", output=output)
    assert failed.failure == {"code": code, "message": message, "stage": None}


@pytest.mark.parametrize(
    "changes",
    [
        {"event": "run.failed", "status": "failed", "output": None},
        {"event": "run.failed", "status": "failed", "output": ["no"]},
        {"event": "run.failed", "status": "failed", "output": {"n": 1}},
        {"output": ENVELOPE},
    ],
)
def test_nothing_else_is_taken_for_a_failure(changes: dict[str, object]) -> None:
    assert any_reading(**changes).failure is None


def test_the_failure_fields_count_more_than_the_output() -> None:
    fields = {"event": "run.failed", "status": "failed", "failure_code": "TIMEOUT"}
    failed = any_reading(**fields, output=ENVELOPE)
    assert failed.failure == {"code": "TIMEOUT", "message": None, "stage": None}
