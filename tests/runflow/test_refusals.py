"""What the API refuses, by status, envelope and headers."""

from email.utils import formatdate

import pytest

from relay.runflow import Runflow, StatusError
from relay.runflow.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    InsufficientCreditError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    ServerError,
    UnauthorizedError,
    UnprocessableError,
)
from relay.runflow.judging import retry_after_s
from tests.runflow.upstream import Reply, ScriptedTime, Upstream

CASES = [
    (400, BadRequestError, "bad_request", False),
    (401, UnauthorizedError, "unauthorized", False),
    (402, InsufficientCreditError, "insufficient_credit", False),
    (403, ForbiddenError, "forbidden", False),
    (404, NotFoundError, "not_found", False),
    (405, RefusedError, "refused", False),
    (409, ConflictError, "conflict", False),
    (422, UnprocessableError, "unprocessable", False),
    (429, RateLimitedError, "rate_limited", True),
    (451, RefusedError, "refused", False),
    (500, ServerError, "server_error", True),
    (503, ServerError, "server_error", True),
    (599, ServerError, "server_error", True),
]


async def _refusal(client: Runflow) -> StatusError:
    with pytest.raises(StatusError) as caught:
        await client.runs.get("a")
    return caught.value


@pytest.mark.parametrize("status, kind, reason, transient", CASES)
async def test_each_status_has_its_class_and_its_reason(
    upstream: Upstream,
    client: Runflow,
    status: int,
    kind: type[StatusError],
    reason: str,
    transient: bool,
) -> None:
    upstream.says(
        Reply(
            status=status,
            json={"code": "SOME_CODE", "message": "Said so.", "errors": None},
        )
    )
    error = await _refusal(client)
    assert (type(error), error.reason, error.transient) == (kind, reason, transient)
    assert (error.status, error.code, error.detail) == (status, "SOME_CODE", "Said so.")
    assert str(error) == f"GET /v1/runs/a: {status} SOME_CODE: Said so."


@pytest.mark.parametrize(
    "body, detail",
    [
        (b"", None),
        (b"<html>\n<h1>Bad\x00gateway</h1>", "<html>\n<h1>Bad\x00gateway</h1>"),
        (b"[1]", "[1]"),
        (b'{"detail": "old style"}', '{"detail": "old style"}'),
        (
            b'{"code": 7, "message": 8, "errors": 9}',
            '{"code": 7, "message": 8, "errors": 9}',
        ),
    ],
)
async def test_an_error_without_an_envelope_shows_the_beginning_of_what_came(
    upstream: Upstream, client: Runflow, body: bytes, detail: str | None
) -> None:
    upstream.says(Reply(status=502, body=body, headers={"Content-Type": "text/html"}))
    error = await _refusal(client)
    assert (error.code, error.detail, error.errors) == (None, detail, ())
    assert "\n" not in str(error)
    assert "\x00" not in str(error)


async def test_a_large_error_is_read_in_part(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.says(Reply(status=500, body=b"x" * 1_000_000))
    error = await _refusal(client)
    assert len(str(error)) < 300
    assert error.detail is not None
    assert len(error.detail) == 2000


async def test_the_details_of_a_422_arrive(upstream: Upstream, client: Runflow) -> None:
    details = [{"loc": ["body", "input"], "error_type": "missing"}]
    upstream.says(
        Reply(
            status=422, json={"code": "VALIDATION", "message": "m", "errors": details}
        )
    )
    error = await _refusal(client)
    assert error.errors == tuple(details)
    assert isinstance(error, UnprocessableError)
    assert not error.is_conflict


async def test_a_redelivery_that_is_under_way_is_told_from_other_422s(
    upstream: Upstream, client: Runflow
) -> None:
    details = [{"error_type": "conflict", "message": "in flight"}]
    upstream.says(
        Reply(status=422, json={"code": "V", "message": "m", "errors": details})
    )
    with pytest.raises(UnprocessableError) as caught:
        await client.runs.redeliver("a")
    assert caught.value.is_conflict


NOW_S = ScriptedTime.EPOCH_S


@pytest.mark.parametrize(
    "status, headers, seconds",
    [
        (429, {}, None),
        (429, {"Retry-After": "7"}, 7.0),
        (503, {"Retry-After": "1.5"}, 1.5),
        (429, {"Retry-After": "-3"}, 0.0),
        (429, {"Retry-After": "soon"}, None),
        (429, {"Retry-After": "inf"}, None),
        (429, {"Retry-After": "nan"}, None),
        (429, {"Retry-After": formatdate(NOW_S + 90, usegmt=True)}, 90.0),
        (429, {"Retry-After": formatdate(NOW_S - 90, usegmt=True)}, 0.0),
        (429, {"Retry-After": "Mon, 99 Foo 2026 99:99:99 GMT"}, None),
        (429, {"X-RateLimit-Reset": "12"}, 12.0),
        (429, {"X-RateLimit-Reset": str(NOW_S + 30)}, 30.0),
        (429, {"X-RateLimit-Reset": str(NOW_S - 30)}, 0.0),
        (429, {"X-RateLimit-Reset": "later"}, None),
        (429, {"Retry-After": "4", "X-RateLimit-Reset": "60"}, 4.0),
        (500, {"X-RateLimit-Reset": "60"}, None),
    ],
)
def test_how_long_to_wait_is_read_from_what_there_is(
    status: int, headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_s(status, headers, now_s=NOW_S) == seconds


def test_a_date_is_read_by_the_clock_that_wrote_it() -> None:
    theirs = NOW_S + 3600
    headers = {
        "Date": formatdate(theirs, usegmt=True),
        "Retry-After": formatdate(theirs + 20, usegmt=True),
    }
    assert retry_after_s(429, headers, now_s=NOW_S) == 20.0


async def test_the_wait_arrives_with_the_error(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.says(Reply(status=429, headers={"Retry-After": "11"}))
    assert (await _refusal(client)).retry_after == 11.0
    upstream.says(Reply(status=429))
    assert (await _refusal(client)).retry_after is None
