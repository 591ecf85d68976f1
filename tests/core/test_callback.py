"""Reading a callback: whose end it tells, how it ended, and why it cannot be read."""

from typing import get_args

import msgspec
import pytest

from relay.core.callback import (
    DEPTH_MAX,
    Reading,
    Unreadable,
    UnreadableReason,
    read,
)
from relay.core.identity import Kind, Outcome
from tests.builders import (
    ABSENT,
    BATCH_ID,
    RUN_ID,
    any_batch_callback,
    any_callback,
    any_reading,
    reading_of,
)


def reason_of(body: bytes) -> str | None:
    found = read(body, source="acme")
    return found.reason if isinstance(found, Unreadable) else None


def callback_with(text: str) -> bytes:
    """A callback with more members, written as they stand."""
    return any_callback()[:-1] + f",{text}}}".encode()


UNREADABLE: list[tuple[UnreadableReason, bytes]] = [
    ("not_utf8", b"\xff"),
    ("not_utf8", any_callback().replace(b"https", b"\xc3")),
    ("not_utf8", any_callback().decode().encode("utf-16")),
    # A surrogate written in UTF-8's way is not UTF-8.
    ("not_utf8", any_callback().replace(b"https", b"\xed\xa0\x80")),
    ("not_json", b""),
    ("not_json", b"ok"),
    ("not_json", b"\xef\xbb\xbf" + any_callback()),
    ("not_json", any_callback()[:-1]),
    ("not_json", any_callback() + any_callback()),
    ("not_json", b"event=run.completed&run_id=1"),
    ("not_json", callback_with('"seed":NaN')),
    ("not_json", callback_with('"seed":-Infinity')),
    ("not_json", callback_with('"seed":01')),
    ("not_json", callback_with('"note":"\x01"')),
    ("not_json", callback_with(r'"note":"\x"')),
    ("not_json", callback_with(r'"note":"\ud800"')),
    ("not_json", callback_with(r'"note":{"\udfff":1}')),
    ("not_json", any_callback(run_id=msgspec.Raw(rb'"\ud800"'))),
    ("not_an_object", b"null"),
    ("not_an_object", b"[]"),
    ("not_an_object", b'"run.completed"'),
    ("not_an_object", b"[" + any_callback() + b"]"),
    ("too_deep", b'{"output":' + b"[" * 100_000),
    ("too_deep", any_callback(output=msgspec.Raw(b"[" * 5000 + b"]" * 5000))),
    ("duplicate_key", callback_with('"run_id":"other"')),
    ("duplicate_key", callback_with(f'"run_id":"{RUN_ID}"')),
    ("duplicate_key", callback_with('"event":"run.failed"')),
    ("duplicate_key", callback_with('"status":"failed"')),
    ("duplicate_key", callback_with('"batch_id":"a","batch_id":"b"')),
    ("duplicate_key", callback_with('"client_ref":"a","client_ref":"b"')),
    ("duplicate_key", callback_with('"status_code":"failed","status_code":"failed"')),
    ("duplicate_key", callback_with(r'"run\u005fid":"other"')),
    ("duplicate_key", callback_with(r'"\u0072un_id":"other"')),
    ("duplicate_key", callback_with('"run_id" : "other"')),
    ("unknown_family", b"{}"),
    ("unknown_family", any_callback(event="headshots.completed")),
    ("unknown_family", any_callback(event="evaluation.completed")),
    ("unknown_family", any_callback(event="")),
    ("unknown_family", any_callback(event="RUN.completed")),
    ("unknown_family", any_callback(event=ABSENT, run_id=ABSENT)),
    ("unknown_family", any_callback(event=None, run_id=None, batch_id=None)),
    ("too_deep", any_callback(output=msgspec.Raw(b"[" * 5000 + b"]" * 5000), cost=[])),
    ("not_json", any_callback(cost=[])[:-1]),
    ("not_an_object", b"5"),
    ("not_an_object", rb'"\u0000"x'),
    ("unusable_id", any_callback(event=None, run_id=None, batch_id=5)),
    ("unusable_id", any_callback(event=None, run_id=5, batch_id="b-1")),
    ("unusable_client_ref", any_callback(client_ref="order-7\0")),
    ("unknown_family", any_callback(event=None, run_id=None, cost=[])),
    ("unknown_event", any_callback(event=5)),
    ("unknown_event", any_callback(event="run")),
    ("unknown_event", any_callback(event="run.started")),
    ("unknown_event", any_callback(event="run.completed.v2")),
    ("unknown_event", any_batch_callback(event="batch.deleted")),
    ("unusable_client_ref", any_callback(client_ref="order-7\0")),
    ("unknown_family", any_callback(event=None, run_id=None, cost=[])),
    ("unknown_event", any_callback(event=5)),
    ("unknown_event", any_callback(event=["run.completed"])),
    ("unusable_id", any_callback(run_id=ABSENT)),
    ("unusable_id", any_callback(run_id=None)),
    ("unusable_id", any_callback(run_id="")),
    ("unusable_id", any_callback(run_id=5)),
    ("unusable_id", any_callback(run_id={"id": RUN_ID})),
    ("unusable_id", any_callback(run_id="a\x00b")),
    ("unusable_id", any_callback(run_id="a" * 256)),
    ("unusable_id", any_callback(event=ABSENT, run_id=5)),
    # The event's name decides which id counts.
    ("unusable_id", any_batch_callback(batch_id=ABSENT, run_id=RUN_ID)),
    ("unusable_id", any_callback(run_id=ABSENT, batch_id=BATCH_ID)),
    ("unusable_client_ref", any_callback(client_ref="a" * 1021)),
    ("unusable_client_ref", any_callback(client_ref="é" * 511)),
]


@pytest.mark.parametrize(
    "reason,body",
    UNREADABLE,
    ids=[f"{reason}-{place}" for place, (reason, _) in enumerate(UNREADABLE)],
)
def test_what_cannot_be_read_says_why(reason: str, body: bytes) -> None:
    assert reason_of(body) == reason


def test_every_reason_has_an_example() -> None:
    """The others are the store's words, not this module's."""
    shown: set[str] = {reason for reason, _ in UNREADABLE}
    assert shown | {"unstorable", "damaged", "too_old"} == set(
        get_args(UnreadableReason)
    )


@pytest.mark.parametrize(
    "event,kind,outcome",
    [
        ("run.completed", Kind.RUN, Outcome.SUCCEEDED),
        ("run.succeeded", Kind.RUN, Outcome.SUCCEEDED),
        ("run.failed", Kind.RUN, Outcome.FAILED),
        ("run.cancelled", Kind.RUN, Outcome.CANCELLED),
        ("run.canceled", Kind.RUN, Outcome.CANCELLED),
        ("run.partial_succeeded", Kind.RUN, Outcome.PARTIAL_SUCCEEDED),
        ("batch.completed", Kind.BATCH, Outcome.SUCCEEDED),
        ("batch.succeeded", Kind.BATCH, Outcome.SUCCEEDED),
        ("batch.failed", Kind.BATCH, Outcome.FAILED),
        ("batch.cancelled", Kind.BATCH, Outcome.CANCELLED),
        ("batch.canceled", Kind.BATCH, Outcome.CANCELLED),
        ("batch.partial_succeeded", Kind.BATCH, Outcome.PARTIAL_SUCCEEDED),
    ],
)
def test_the_events_name_says_what_ended_and_how(
    event: str, kind: Kind, outcome: Outcome
) -> None:
    reading = any_reading(event=event, batch_id=BATCH_ID, status=ABSENT)
    assert (reading.key.kind, reading.outcome) == (kind, outcome)
    assert reading.key.id == (RUN_ID if kind is Kind.RUN else BATCH_ID)


@pytest.mark.parametrize(
    "status,outcome",
    [
        ("succeeded", Outcome.SUCCEEDED),
        ("failed", Outcome.FAILED),
        ("cancelled", Outcome.CANCELLED),
        ("canceled", Outcome.CANCELLED),
        ("partial_succeeded", Outcome.PARTIAL_SUCCEEDED),
        ("CANCELED", Outcome.CANCELLED),
        (" succeeded ", Outcome.SUCCEEDED),
        ("errored", Outcome.OTHER),
        ("completed", Outcome.OTHER),
        (" ", Outcome.OTHER),
    ],
)
@pytest.mark.parametrize("field", ["status", "status_code"])
def test_the_status_says_how_it_ended_and_keeps_its_spelling(
    field: str, status: str, outcome: Outcome
) -> None:
    body = any_callback(**{"event": ABSENT, "status": ABSENT, field: status})
    reading = reading_of(body)
    assert (reading.outcome, reading.status_raw) == (outcome, status)


def test_status_counts_before_status_code() -> None:
    assert any_reading(status="failed", status_code="succeeded").status_raw == "failed"


@pytest.mark.parametrize("empty", ["", None, 5, ABSENT])
def test_a_status_that_says_nothing_leaves_the_word_to_status_code(
    empty: object,
) -> None:
    reading = any_reading(status=empty, status_code="canceled")
    assert (reading.outcome, reading.status_raw) == (Outcome.CANCELLED, "canceled")


@pytest.mark.parametrize(
    "changes,kind,identifier",
    [
        ({"batch_id": BATCH_ID}, Kind.RUN, RUN_ID),
        ({"run_id": ABSENT, "batch_id": BATCH_ID}, Kind.BATCH, BATCH_ID),
        ({"run_id": None, "batch_id": BATCH_ID}, Kind.BATCH, BATCH_ID),
        ({"event": None}, Kind.RUN, RUN_ID),
    ],
)
def test_without_an_event_the_run_id_wins(
    changes: dict[str, object], kind: Kind, identifier: str
) -> None:
    key = any_reading(**{"event": ABSENT, **changes}).key
    assert (key.source, key.kind, key.id) == ("acme", kind, identifier)


def test_an_upper_case_uuid_is_the_same_run() -> None:
    assert any_reading(run_id=RUN_ID.upper()).key == any_reading().key


def test_the_source_is_part_of_the_key() -> None:
    assert reading_of(any_callback(), source="umbrella").key != any_reading().key


@pytest.mark.parametrize("status", ["queued", "dispatching", "running", "pending"])
def test_a_state_that_is_not_terminal_ends_nothing_by_itself(status: str) -> None:
    reading = any_reading(event=ABSENT, status=status)
    assert (reading.is_open, reading.outcome) == (True, None)


def test_a_terminal_event_with_an_open_status_is_open_and_keeps_its_outcome() -> None:
    reading = any_reading(event="run.failed", status="running")
    assert (reading.is_open, reading.outcome) == (True, Outcome.FAILED)


@pytest.mark.parametrize("longest", ["a" * 255, "é" * 127 + "a"])
def test_an_id_of_255_bytes_can_be_read(longest: str) -> None:
    assert any_reading(run_id=longest).key.id == longest


@pytest.mark.parametrize("longest", ["a" * 1020, "😀" * 255])
def test_a_client_ref_may_have_255_characters_of_any_size(longest: str) -> None:
    assert any_reading(client_ref=longest).client_ref == longest


@pytest.mark.parametrize(
    "text",
    [
        '"extra":{"run_id":"a","run_id":"b"}',
        r'"extra":{"run\u005fid":"a","run_id":"b"}',
        '"extra":[{"event":"a","event":"b"}]',
        '"extra":"\\"run_id\\":\\"a\\""',
        '"note":1,"note":2',
        r'"not\u0065":1,"note":2',
    ],
)
def test_a_key_that_decides_nothing_may_stand_twice(text: str) -> None:
    assert reading_of(callback_with(text)).key == any_reading().key


def test_an_identity_key_may_be_written_with_escapes_once() -> None:
    body = any_callback().replace(b'"run_id"', rb'"run\u005fid"')
    assert reading_of(body).key == any_reading().key


def nested(depth: int) -> msgspec.Raw:
    """An output that makes the whole body ``depth`` deep."""
    pairs = [(b"[", b"]") if n % 2 else (b'{"a":', b"}") for n in range(depth - 2)]
    opening = b"".join(start for start, _ in pairs)
    closing = b"".join(end for _, end in reversed(pairs))
    return msgspec.Raw(opening + b"[]" + closing)


def test_a_body_may_be_256_deep_and_no_deeper() -> None:
    assert DEPTH_MAX == 256
    assert reason_of(any_callback(output=nested(256))) is None
    # More brackets than that make it count for real.
    assert reason_of(any_callback(output=nested(256), metadata=[[], {}])) is None
    assert reason_of(any_callback(output=nested(257))) == "too_deep"


@pytest.mark.parametrize(
    "output",
    [
        "[{" * 1000,
        '\\"[{' * 1000,
        "[{\\\\" * 1000,
    ],
)
def test_brackets_in_a_string_are_no_depth(output: str) -> None:
    body = any_callback(output=msgspec.Raw(f'["{output}"]'.encode()))
    assert reason_of(body) is None


def test_many_brackets_side_by_side_are_no_depth() -> None:
    assert reason_of(any_callback(output=[[], {}] * 1000)) is None


def test_unknown_fields_spoil_nothing() -> None:
    extra = callback_with('"invented":{"a":[1]},"runId":5,"":null')
    assert isinstance(read(extra, source="acme"), Reading)
