"""Whatever comes, it is a run or an error of ours, and nothing else."""

import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.runflow import Answer, Run, RunflowError, StatusError
from relay.runflow.judging import Secrets, fault_of_head, refusal, retry_after_s
from relay.runflow.paging import page_of
from tests.runflow.upstream import TOKEN

SECRETS = Secrets(TOKEN)

#: Text of every kind, lone surrogates and the token included.
TEXT = st.text(st.characters(), max_size=30) | st.sampled_from(
    ["\ud800", TOKEN, f"x{TOKEN}y", "0001-01-01T00:00:00+14:00", "1e999", "-"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            TEXT | st.sampled_from(sorted(Run.model_fields)), inner, max_size=4
        )
    ),
    max_leaves=12,
)
RUNS = st.dictionaries(st.sampled_from(sorted(Run.model_fields)), JSON, max_size=6)


def _answer(body: bytes) -> Answer:
    return Answer(request="GET /v1/x", status=200, headers={}, body=body)


@given(st.binary(max_size=200) | RUNS.map(lambda run: json.dumps(run).encode()))
def test_any_body_is_a_run_or_an_error(body: bytes) -> None:
    with suppress(RunflowError):
        assert isinstance(_answer(body).parse(Run), Run)


@settings(max_examples=30)  # each is large, and slow to make
@given(
    JSON | st.fixed_dictionaries({"items": st.lists(RUNS), "next": JSON, "first": JSON})
)
def test_any_page_is_a_page_or_an_error(document: object) -> None:
    with suppress(RunflowError):
        page = page_of(_answer(json.dumps(document).encode()), Run)
        assert page.next is None or page.next.isascii()


@given(
    st.integers(400, 999),
    st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()),
    JSON,
)
def test_any_refusal_is_an_error_that_can_be_stored_and_hides_the_token(
    status: int, body: bytes, errors: object
) -> None:
    enveloped = json.dumps({"code": TOKEN, "message": "m", "errors": [errors]}).encode()
    for given_body in (body, enveloped):
        error = refusal("GET /v1/x", status, {}, given_body, secrets=SECRETS, now_s=0)
        assert isinstance(error, StatusError)
        shown = f"{error} {error.code} {error.detail} {error.errors}"
        assert TOKEN not in shown
        assert shown.encode()


def test_an_error_that_is_nested_without_end_is_still_that_error() -> None:
    nested = (
        b'{"code": "X", "message": "m", "errors": [' + b"[" * 700 + b"]" * 700 + b"]}"
    )
    error = refusal("GET /v1/x", 422, {}, nested, secrets=SECRETS, now_s=0)
    assert error.code == "X"


HEADERS = st.dictionaries(
    st.sampled_from(
        ["Content-Type", "Content-Length", "Content-Encoding", "Retry-After", "Date"]
    )
    | st.just("X-RateLimit-Reset"),
    TEXT
    | st.sampled_from(["gzip", "0 0", "Thu, 01 Jan 1970 00:00:00 -0000", "²", "٣"]),
)


@given(st.integers(200, 399), HEADERS)
def test_any_head_is_judged(status: int, headers: dict[str, str]) -> None:
    fault = fault_of_head(
        "GET /v1/x", status, headers, body_bytes_max=10, secrets=SECRETS
    )
    assert TOKEN not in str(fault)


@given(st.integers(400, 599), HEADERS)
def test_any_wait_is_none_or_not_negative(status: int, headers: dict[str, str]) -> None:
    wait = retry_after_s(status, headers, now_s=1_772_366_400)
    assert wait is None or wait >= 0
