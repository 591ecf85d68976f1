"""What is asked again, when, and what never is."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from hypothesis import given
from hypothesis import strategies as st

from relay.runflow import Retries, Runflow, RunflowError, StatusError
from tests.deliver.endpoint import Connection, Endpoint, Request
from tests.runflow.upstream import Reply, ScriptedTime, Upstream, client_of

OK = Reply()
BUSY = Reply(status=503, json={"code": "BUSY", "message": "m", "errors": None})
FULL = Reply(status=429, json={"code": "RATE_LIMITED", "message": "m", "errors": None})
CUT = Reply(body=b'{"id": "a')

Write = Callable[[Runflow], Awaitable[object]]
WRITES: dict[str, Write] = {
    "create a run": lambda c: c.models.run("o/m", input={}),
    "change a run": lambda c: c.runs.update("a", status_code="failed"),
    "redeliver for a run": lambda c: c.runs.redeliver("a"),
    "create a batch": lambda c: c.batches.create("o/m", input=[{}]),
    "redeliver for a batch": lambda c: c.batches.redeliver("a"),
    "create a secret": lambda c: c.callback_secrets.create("x"),
    "change a secret": lambda c: c.callback_secrets.update("a", is_current=True),
}


@pytest.mark.parametrize("fault", [BUSY, FULL, CUT], ids=["503", "429", "truncated"])
async def test_a_read_is_asked_again_until_it_is_answered(
    upstream: Upstream, patient: Runflow, fault: Reply
) -> None:
    upstream.says(fault, fault, OK)
    assert (await patient.runs.get("a")).status == "succeeded"
    assert len(upstream.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422, 302])
async def test_what_will_not_pass_is_not_asked_again(
    upstream: Upstream, patient: Runflow, status: int
) -> None:
    upstream.says(Reply(status=status))
    with pytest.raises(RunflowError):
        await patient.runs.get("a")
    assert len(upstream.asked) == 1


async def test_tries_are_bounded_and_the_last_error_is_the_one_that_is_raised(
    upstream: Upstream, patient: Runflow
) -> None:
    upstream.says(FULL, BUSY)
    with pytest.raises(StatusError) as caught:
        await patient.runs.get("a")
    assert (caught.value.status, len(upstream.asked)) == (503, 5)


async def test_no_retries_is_exactly_one_request(
    upstream: Upstream, client: Runflow, time: ScriptedTime
) -> None:
    upstream.says(BUSY)
    with pytest.raises(StatusError):
        await client.runs.get("a")
    assert (len(upstream.asked), time.slept) == (1, [])


async def test_waits_double_and_are_spread_over_all_of_their_length(
    upstream: Upstream, time: ScriptedTime
) -> None:
    upstream.says(BUSY)
    time.unit = 0.25
    policy = Retries(attempts=8, delay_s_max=8.0)
    async with client_of(upstream.url, time, retries=policy) as client:
        with pytest.raises(StatusError):
            await client.runs.get("a")
    assert time.slept == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0, 2.0]


async def test_what_the_api_asks_for_postpones_and_is_spread_too(
    upstream: Upstream, patient: Runflow, time: ScriptedTime
) -> None:
    upstream.says(Reply(status=429, headers={"Retry-After": "9"}), OK)
    await patient.runs.get("a")
    assert time.slept == [9.5]


async def test_an_api_that_asks_for_a_long_wait_is_not_asked_again_before(
    upstream: Upstream, patient: Runflow, time: ScriptedTime
) -> None:
    """Whoever asked is told at once how long it is."""
    upstream.says(Reply(status=503, headers={"Retry-After": "61"}), OK)
    with pytest.raises(StatusError) as caught:
        await patient.runs.get("a")
    assert (len(upstream.asked), caught.value.retry_after) == (1, 61.0)
    assert time.slept == []


async def test_no_wait_begins_that_would_end_too_late(
    upstream: Upstream, time: ScriptedTime
) -> None:
    upstream.says(Reply(status=503, headers={"Retry-After": "20"}))
    policy = Retries(attempts=100, total_s=50.0)
    async with client_of(upstream.url, time, retries=policy) as client:
        with pytest.raises(StatusError) as caught:
            await client.runs.get("a")
    assert (len(upstream.asked), caught.value.retry_after) == (3, 20.0)
    assert time.now_s <= 50.0


@pytest.mark.parametrize("fault", [BUSY, FULL, CUT], ids=["503", "429", "truncated"])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_no_write_is_blindly_repeated(
    upstream: Upstream, patient: Runflow, write: Write, fault: Reply
) -> None:
    upstream.says(fault)
    with pytest.raises(RunflowError):
        await write(patient)
    assert len(upstream.asked) == 1


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_no_write_is_repeated_when_its_connection_breaks(write: Write) -> None:
    async def breaks(_: Request, connection: Connection) -> None:
        connection.reset()

    async with Endpoint(breaks) as endpoint:
        url = f"http://127.0.0.1:{endpoint.port}"
        async with client_of(url, retries=4) as client:
            with pytest.raises(RunflowError) as caught:
                await write(client)
        assert (caught.value.reason, len(endpoint.requests)) == ("disconnected", 1)


class RefusedOnce(aiohttp.TCPConnector):
    """A connector whose first dial is refused, as by a server that is being restarted."""

    refused = False

    async def _create_connection(self, *arguments: Any) -> ResponseHandler:
        if not self.refused:
            self.refused = True
            raise aiohttp.ClientConnectorError(
                arguments[0].connection_key, OSError(111, "Refused")
            )
        return await super()._create_connection(*arguments)


async def test_a_write_that_never_left_is_sent_again(
    upstream: Upstream, time: ScriptedTime
) -> None:
    """No connection was made: nothing can have been carried out."""
    async with aiohttp.ClientSession(connector=RefusedOnce()) as session:
        client = client_of(upstream.url, time, session=session, retries=4)
        await client.models.run("o/m", input={})
    assert (len(upstream.asked), time.slept) == (1, [0.5])


async def test_a_batch_with_an_idempotency_key_is_sent_again_with_the_same_key(
    upstream: Upstream, patient: Runflow
) -> None:
    upstream.says(BUSY, CUT, Reply(status=201))
    await patient.batches.create("o/m", input=[{"a": 1}], idempotency_key="k-1")
    assert [a.headers["Idempotency-Key"] for a in upstream.asked] == ["k-1"] * 3
    assert len({a.body for a in upstream.asked}) == 1


class ScriptedPacer:
    """Counts turns, and remembers what it was told."""

    def __init__(self) -> None:
        self.turns = 0
        self.hushed: list[float | None] = []

    async def turn(self) -> None:
        self.turns += 1

    def hush(self, seconds: float | None) -> None:
        self.hushed.append(seconds)


async def test_every_request_takes_a_turn_and_every_429_is_told_to_whoever_gives_them(
    upstream: Upstream, patient: Runflow
) -> None:
    """Repeats as well; what else goes wrong is none of the pacer's business."""
    pacer = ScriptedPacer()
    client = patient.with_options(pacer=pacer)
    upstream.says(Reply(status=429, headers={"Retry-After": "9"}), FULL, BUSY, OK)
    await client.runs.get("a")
    await client.with_options(retries=0).batches.redeliver("a")
    assert (pacer.turns, pacer.hushed) == (5, [9.0, None])


@given(
    failures=st.integers(1, 10_000),
    unit=st.floats(0, 1, exclude_max=True),
    retry_after=st.none() | st.floats(0, 60),
)
def test_no_wait_is_negative_or_longer_than_both_caps(
    failures: int, unit: float, retry_after: float | None
) -> None:
    policy = Retries()
    delay_s = policy.delay_s(failures, unit=unit, retry_after=retry_after)
    assert 0 <= delay_s <= policy.delay_s_max + policy.retry_after_s_max
    assert delay_s >= (retry_after or 0.0)


@pytest.mark.parametrize(
    "wrong", [{"attempts": 0}, {"base_s": -1.0}, {"total_s": -1.0}]
)
def test_a_policy_that_cannot_be_obeyed_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"attempts|below zero"):
        Retries(**wrong)
