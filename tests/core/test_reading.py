"""What a body says, whatever it is made of."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.callback import Reading, Unreadable, read
from relay.core.event import Facts, build
from relay.core.expiry import earliest_expiry
from relay.core.identity import Kind, Namespace, Outcome, RunKey, UnusableIdError
from relay.core.moment import read_moment, text_of

RUN = "0197f0f0-1111-7222-8333-444455556666"
BODY = {
    "event": "run.completed",
    "run_id": RUN,
    "status": "succeeded",
    "output": {"n": 1},
    "duration_ms": 5,
    "created_at": "2026-05-06T10:00:00+00:00",
    "completed_at": "2026-05-06T10:01:00+00:00",
    "metadata": None,
}


def reading(**changed: object) -> Reading:
    found = read(json.dumps({**BODY, **changed}).encode(), source="acme")
    assert isinstance(found, Reading)
    return found


STATUSES = [
    ("run.completed", "succeeded", Outcome.SUCCEEDED, ()),
    ("run.succeeded", "succeeded", Outcome.SUCCEEDED, ()),
    ("run.failed", "failed", Outcome.FAILED, ()),
    ("run.cancelled", "cancelled", Outcome.CANCELLED, ()),
    ("run.cancelled", "canceled", Outcome.CANCELLED, ()),
    ("run.canceled", "cancelled", Outcome.CANCELLED, ()),
    ("run.partial_succeeded", "partial_succeeded", Outcome.PARTIAL_SUCCEEDED, ()),
    (None, "succeeded", Outcome.SUCCEEDED, ()),
    ("run.completed", None, Outcome.SUCCEEDED, ("missing_status",)),
    (None, None, None, ("missing_status",)),
    ("run.completed", 7, Outcome.SUCCEEDED, ("missing_status",)),
    ("run.completed", "failed", Outcome.FAILED, ("event_and_status_disagree",)),
    ("run.completed", "running", Outcome.SUCCEEDED, ("status_not_terminal",)),
    ("run.completed", "aborted", Outcome.OTHER, ("status_unknown",)),
]


@pytest.mark.parametrize("event,status,outcome,problems", STATUSES)
def test_event_and_status_give_an_outcome_and_its_doubts(
    event: str | None,
    status: object,
    outcome: Outcome | None,
    problems: tuple[str, ...],
) -> None:
    found = reading(event=event, status=status)
    assert (found.outcome, found.problems) == (outcome, problems)


@pytest.mark.parametrize("field", ["completed_at", "output", "status"])
def test_a_required_field_that_is_null_is_missing(field: str) -> None:
    assert reading(**{field: None}).problems == (f"missing_{field}",)


def test_output_is_asked_for_on_success_only() -> None:
    assert reading(event="run.failed", status="failed", output=None).problems == ()


def test_what_a_source_requires_can_be_more() -> None:
    fields = ("created_at", "duration_ms", "metadata", "client_ref", "status")
    body = json.dumps({**BODY, "created_at": "soon", "duration_ms": "5"}).encode()
    found = read(body, source="acme", require=fields)  # type: ignore[arg-type]
    assert isinstance(found, Reading)
    assert found.problems == tuple(f"missing_{name}" for name in fields[:4])


def test_a_status_that_is_not_required_may_be_named_by_the_event_alone() -> None:
    body = json.dumps({**BODY, "status": None}).encode()
    found = read(body, source="acme", require=("completed_at",))
    assert isinstance(found, Reading)
    assert (found.outcome, found.problems) == (Outcome.SUCCEEDED, ())


def test_a_group_of_fields_that_are_all_null_is_null() -> None:
    found = reading(nodes_total=None, nodes_completed=None, failure_code=None)
    assert (found.nodes, found.failure, found.target) == (None, None, None)


def test_a_run_names_its_batch_as_the_batch_names_itself() -> None:
    run = reading(batch_id=RUN.upper())
    batch = reading(batch_id=RUN.upper(), event="batch.succeeded")
    assert run.batch_id == batch.key.id


@pytest.mark.parametrize(
    "cost,expected",
    [("0.10", "0.10"), (".5", ".5"), ("5.", "5."), ("+1", "+1"), (3, "3"), ("1e3", None),
     (".", None), ("", None), ("a lot", None)],
)  # fmt: skip
def test_a_cost_is_any_decimal_that_the_upstream_allows(
    cost: object, expected: str | None
) -> None:
    assert reading(cost=cost).cost == expected


def test_status_code_is_read_where_status_is_not_there() -> None:
    body = {name: value for name, value in BODY.items() if name != "status"}
    found = read(json.dumps({**body, "status_code": "failed"}).encode(), source="a")
    assert isinstance(found, Reading)
    assert found.status_raw == "failed"


def test_the_event_decides_the_kind_and_without_one_the_run_id_wins() -> None:
    both = {"run_id": RUN, "batch_id": "b-1"}
    assert reading(**both, event="batch.succeeded").key.kind is Kind.BATCH
    assert reading(**both, event=None).key.kind is Kind.RUN
    assert reading(run_id=None, batch_id="b-1", event=None).key.kind is Kind.BATCH


def test_a_batch_and_a_run_of_one_id_are_two() -> None:
    run = reading(batch_id=RUN)
    batch = reading(batch_id=RUN, event="batch.succeeded")
    assert run.key != batch.key
    assert run.key.namespace != batch.key.namespace


@given(st.binary(max_size=400))
def test_no_bytes_raise(body: bytes) -> None:
    assert isinstance(read(body, source="acme"), Reading | Unreadable)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from([*BODY, "batch_id", "client_ref", "cost"]), JSON)
)
def test_no_values_raise(changed: dict[str, object]) -> None:
    body = json.dumps({**BODY, **changed}).encode()
    found = read(body, source="acme")
    if isinstance(found, Reading) and found.outcome is not None:
        facts = Facts(
            key=found.key, outcome=found.outcome, revision=1, origin="callback",
            confirmed=True, received_at=0, client_ref=found.client_ref, reading=found,
        )  # fmt: skip
        assert json.loads(build(facts).structured)["subject"] == found.key.id


@given(JSON, st.sampled_from(["", " ", "\n\t "]))
def test_the_output_is_the_same_bytes(value: object, space: str) -> None:
    text = (
        json.dumps(value, separators=(f",{space}", f":{space}"), allow_nan=False)
        if _is_finite(value)
        else "1.10"
    )
    body = json.dumps(BODY).replace('{"n": 1}', text).encode()
    found = read(body, source="acme")
    assert isinstance(found, Reading) or found.reason == "not_json"
    if isinstance(found, Reading):
        assert found.output == (None if text == "null" else text.encode())


def _is_finite(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


MOMENTS = [
    ("2026-05-06T10:00:00+00:00", "2026-05-06T10:00:00.000000Z"),
    ("2026-05-06T10:00:00Z", "2026-05-06T10:00:00.000000Z"),
    ("2026-05-06T10:00:00", "2026-05-06T10:00:00.000000Z"),
    ("2026-05-06 10:00:00.1+00:00", "2026-05-06T10:00:00.100000Z"),
    ("2026-05-06T10:00:00.123+00:00", "2026-05-06T10:00:00.123000Z"),
    ("2026-05-06T10:00:00.123456+00:00", "2026-05-06T10:00:00.123456Z"),
    ("2026-05-06T10:00:00.123456789+00:00", "2026-05-06T10:00:00.123456Z"),
    ("2026-05-06T12:30:00+02:30", "2026-05-06T10:00:00.000000Z"),
    ("2026-05-06T07:30:00-02:30", "2026-05-06T10:00:00.000000Z"),
    ("0999-01-01T00:00:00Z", "0999-01-01T00:00:00.000000Z"),
    ("0001-01-01T00:00:00+01:00", None),
    ("2026-02-30T00:00:00Z", None),
    ("2026-05-06", None),
    ("20260506T100000Z", None),
    ("2026-05-06T10:00:00.+00:00", None),
    ("soon", None),
    (1_777_000_000, None),
]


@pytest.mark.parametrize("text,expected", MOMENTS)
def test_moments_leave_in_one_form(text: object, expected: str | None) -> None:
    assert read_moment(text) == expected


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_written_and_read_again_is_the_same(moment: datetime) -> None:
    once = read_moment(moment.isoformat())
    assert once is not None
    assert read_moment(once) == once
    assert datetime.fromisoformat(once) == moment


def test_microseconds_become_a_moment() -> None:
    assert text_of(1) == "1970-01-01T00:00:00.000001Z"


AMZ = "https://b.s3.amazonaws.com/a?X-Amz-Date=20260506T100000Z&X-Amz-Expires="
EXPIRIES = [
    ({"url": f"{AMZ}3600&X-Amz-Signature=x"}, "2026-05-06T11:00:00.000000Z"),
    ({"a": f"{AMZ}7200", "b": [f"{AMZ}60"]}, "2026-05-06T10:01:00.000000Z"),
    ({"u": "https://x/a?X-Goog-Date=20260506T100000Z&X-Goog-Expires=60"}, "2026-05-06T10:01:00.000000Z"),
    ({"u": "https://x/a?Expires=1778061600"}, "2026-05-06T10:00:00.000000Z"),
    ({"u": "https://x/a?sv=1&se=2026-05-06T10%3A00%3A00Z"}, "2026-05-06T10:00:00.000000Z"),
    ({"u": f"{AMZ}soon"}, None),
    ({"u": "https://x/a?Expires=99999999999999"}, None),
    ({"u": "https://x/a?X-Amz-Date=20269906T100000Z&X-Amz-Expires=60"}, None),
    ({"u": "expires"}, None),
    ({}, None),
]  # fmt: skip


@pytest.mark.parametrize("output,expected", EXPIRIES)
def test_the_first_link_to_die_is_named(output: object, expected: str | None) -> None:
    assert earliest_expiry(json.dumps(output).encode()) == expected


def test_links_are_read_through_json_escapes() -> None:
    link = f"{AMZ}60".replace("&", r"\u0026").replace("/", r"\/")
    found = earliest_expiry(f'{{"u":"{link}"}}'.encode())
    assert found == "2026-05-06T10:01:00.000000Z"


@pytest.mark.parametrize(
    "name,namespace,stored",
    [
        (RUN.upper(), Namespace.RUN_UUID, bytes.fromhex(RUN.replace("-", ""))),
        (RUN.replace("-", ""), Namespace.RUN_TEXT, RUN.replace("-", "").encode()),
        ("01J0ABC", Namespace.RUN_TEXT, b"01J0ABC"),
    ],
)
def test_an_id_is_lower_cased_if_and_only_if_it_is_a_uuid(
    name: str, namespace: Namespace, stored: bytes
) -> None:
    key = RunKey.of("acme", Kind.RUN, name)
    assert (key.namespace, key.stored) == (namespace, stored)
    assert RunKey.restore("acme", namespace, stored) == key


def test_batches_are_restored_as_batches() -> None:
    for name in (RUN, "batch_01J0"):
        key = RunKey.of("acme", Kind.BATCH, name)
        assert RunKey.restore("acme", key.namespace, key.stored) == key


@pytest.mark.parametrize("name", ["", "a\0", "\x85", "x" * 256, "\ud800"])
def test_what_cannot_name_a_run_is_refused(name: str) -> None:
    with pytest.raises(UnusableIdError):
        RunKey.of("acme", Kind.RUN, name)
