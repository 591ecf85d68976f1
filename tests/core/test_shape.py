"""What a destination is sent of an event: all of it, or all but what it does not want."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.delivery import Refused
from relay.core.event import build
from relay.core.shape import WHOLE, Omittable, Shape
from relay.events import Data
from tests.builders import any_facts, reading_of
from tests.core.json_texts import JSON_TEXTS

NAMES: tuple[Omittable, ...] = get_args(Omittable)
EVENT = build(
    any_facts(
        reading_of(
            b'{"event":"run.completed","run_id":"r1","status":"succeeded","cost":"1.50",'
            b'"output":{"a": 1.10, "b":12345678901234567890123},"metadata":{"x":"\\/"}}'
        )
    )
)


def test_without_a_shape_an_event_is_itself() -> None:
    assert WHOLE.of(EVENT) is EVENT


def test_what_is_left_out_is_null_and_named() -> None:
    """Golden; never edited."""
    shaped = Shape(omit=("output", "cost")).of(EVENT)
    assert shaped.data == (
        b'{"kind":"run","run_id":"r1","batch_id":null,"org_id":null,"client_ref":null,'
        b'"status":"succeeded","status_raw":"succeeded","created_at":null,'
        b'"started_at":null,"completed_at":null,"duration_ms":null,"cost":null,'
        b'"output":null,"output_expires_at":null,"failure":null,"nodes":null,'
        b'"target":null,"metadata":{"x":"\\/"},"omitted":["cost","output"]}'
    )


@given(
    omit=st.lists(st.sampled_from(NAMES), unique=True),
    output=JSON_TEXTS,
    metadata=JSON_TEXTS,
)
def test_only_what_is_left_out_changes(
    omit: list[Omittable], output: str, metadata: str
) -> None:
    body = (
        b'{"event":"run.failed","run_id":"r1","status":"failed","output":%b,"metadata":%b}'
        % (output.encode(), metadata.encode())
    )
    whole = build(any_facts(reading_of(body)))
    shaped = Shape(omit=tuple(omit)).of(whole)
    before, after = json.loads(whole.data), json.loads(shaped.data)
    assert (whole.id, whole.attributes) == (shaped.id, shaped.attributes)
    assert list(before) == list(after)
    assert sorted(omit) == sorted(after["omitted"])
    assert {name: after[name] for name in omit} == dict.fromkeys(omit)
    kept = set(before) - set(omit) - {"omitted"}
    assert {name: before[name] for name in kept} == {n: after[n] for n in kept}
    if "output" not in omit:
        assert output.encode() in shaped.data or before["output"] is None
    Data.model_validate_json(shaped.data)


@given(st.permutations(NAMES[:5]))
def test_the_order_in_which_parts_are_named_changes_no_byte(
    omit: list[Omittable],
) -> None:
    expected = Shape(omit=NAMES[:5]).of(EVENT)
    actual = Shape(omit=tuple(omit)).of(EVENT)
    assert (expected.data, expected.structured) == (actual.data, actual.structured)


def test_what_identifies_a_run_cannot_be_left_out() -> None:
    keys = set(json.loads(EVENT.data))
    assert keys - set(NAMES) == {
        "kind",
        "run_id",
        "batch_id",
        "client_ref",
        "status",
        "status_raw",
        "completed_at",
        "omitted",
    }
    assert set(NAMES) < keys


@pytest.mark.parametrize(
    "limit, size, fits", [(None, 10**9, True), (10, 10, True), (10, 11, False)]
)
def test_what_is_over_the_limit_is_refused(
    limit: int | None, size: int, fits: bool
) -> None:
    refusal = Shape(max_bytes=limit).refusal(size)
    expected = Refused(reason="too_large", detail="11 bytes, of 10 at the most")
    assert refusal == (None if fits else expected)
