"""Waiting ends with every end, lives through what passes, and says what it saw."""

import pytest

from relay.runflow import (
    NotFoundError,
    RunFailedError,
    Runflow,
    StatusError,
    WaitTimeoutError,
)
from tests.deliver.endpoint import Connection, Endpoint, Request
from tests.runflow.upstream import Reply, ScriptedTime, Upstream, any_run, client_of

TERMINAL = ["succeeded", "failed", "cancelled", "canceled", "partial_succeeded"]


def _stands(*words: str) -> list[Reply]:
    return [Reply(json=any_run(status_code=word)) for word in words]


@pytest.mark.parametrize("word", TERMINAL)
async def test_ends_on_every_terminal_word(
    upstream: Upstream, client: Runflow, time: ScriptedTime, word: str
) -> None:
    upstream.says(*_stands("queued", "dispatching", "running", word))
    run = await client.wait("a", poll=3)
    assert run.status == word
    assert time.slept == [3, 3, 3]


@pytest.mark.parametrize(
    "fault",
    [
        Reply(status=429),
        Reply(status=500),
        Reply(status=503),
        Reply(body=b'{"id": "a'),
    ],
    ids=["429", "500", "503", "truncated"],
)
async def test_lives_through_what_passes(
    upstream: Upstream, client: Runflow, fault: Reply
) -> None:
    upstream.says(fault, *_stands("running"), fault, fault, *_stands("succeeded"))
    assert (await client.wait("a")).outcome == "succeeded"


async def test_lives_through_connections_that_break(time: ScriptedTime) -> None:
    async def breaks_twice(_: Request, connection: Connection) -> None:
        if len(endpoint.requests) < 3:
            connection.reset()
            return
        body = b'{"id": "a", "status_code": "failed"}'
        await connection.say(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )

    endpoint = Endpoint(breaks_twice)
    async with endpoint:
        url = f"http://127.0.0.1:{endpoint.port}"
        async with client_of(url, time) as client:
            assert (await client.wait("a")).outcome == "failed"


async def test_each_question_is_one_request_however_patient_the_client(
    upstream: Upstream, patient: Runflow, time: ScriptedTime
) -> None:
    upstream.says(Reply(status=503), *_stands("succeeded"))
    await patient.wait("a", poll=2)
    assert (len(upstream.asked), time.slept) == (2, [2])


async def test_waits_as_long_as_the_api_asks(
    upstream: Upstream, client: Runflow, time: ScriptedTime
) -> None:
    upstream.says(Reply(status=429, headers={"Retry-After": "30"}), *_stands("failed"))
    await client.wait("a", poll=2)
    assert time.slept == [30.5]


async def test_waits_longer_the_longer_questions_fail(
    upstream: Upstream, client: Runflow, time: ScriptedTime
) -> None:
    upstream.says(*[Reply(status=503)] * 5, *_stands("running", "failed"))
    await client.wait("a", poll=2)
    assert time.slept == [2, 2, 2, 4, 8, 2]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_what_will_not_pass_ends_it_at_once(
    upstream: Upstream, client: Runflow, status: int
) -> None:
    upstream.says(*_stands("running"), Reply(status=status))
    with pytest.raises(StatusError) as caught:
        await client.wait("a")
    assert caught.value.status == status


async def test_the_time_that_is_given_is_the_time_that_is_taken(
    upstream: Upstream, client: Runflow, time: ScriptedTime
) -> None:
    upstream.says(*_stands("running"))
    with pytest.raises(WaitTimeoutError) as caught:
        await client.wait("a", timeout=7, poll=2)
    assert (time.now_s, caught.value.reason) == (7, "wait_timeout")
    assert caught.value.status == "running"
    assert time.slept == [2, 2, 2, 1]


async def test_an_end_in_the_last_moment_is_seen(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.says(*_stands("running", "succeeded"))
    assert (await client.wait("a", timeout=3, poll=60)).outcome == "succeeded"


async def test_it_does_not_wait_for_what_cannot_come_in_time(
    upstream: Upstream, client: Runflow, time: ScriptedTime
) -> None:
    upstream.says(Reply(status=429, headers={"Retry-After": "30"}))
    with pytest.raises(WaitTimeoutError) as caught:
        await client.wait("a", timeout=20)
    assert isinstance(caught.value.__cause__, StatusError)
    assert (time.slept, len(upstream.asked)) == ([], 1)


async def test_an_unknown_word_is_no_end_and_is_named_when_time_is_up(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.says(*_stands("errored"))
    with pytest.raises(WaitTimeoutError, match=r"run a .* within 3 s: .*'errored'"):
        await client.wait("a", timeout=3)


async def test_when_nothing_was_ever_seen_the_last_fault_is_the_cause(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.says(Reply(status=503))
    with pytest.raises(WaitTimeoutError, match="never seen") as caught:
        await client.wait("a", timeout=5)
    assert caught.value.status is None
    assert isinstance(caught.value.__cause__, StatusError)


async def test_without_any_time_it_asks_once(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.says(*_stands("succeeded"))
    assert (await client.wait("a", timeout=0)).status.is_terminal
    upstream.says(*_stands("running"))
    with pytest.raises(WaitTimeoutError):
        await client.wait("a", timeout=0)
    assert len(upstream.asked) == 2


@pytest.mark.parametrize("word", ["failed", "cancelled", "canceled"])
async def test_a_failure_is_an_error_only_on_request(
    upstream: Upstream, client: Runflow, word: str
) -> None:
    upstream.gives(any_run(status_code=word, failure_code="NO_FACE"))
    assert (await client.wait("a")).status == word
    with pytest.raises(RunFailedError, match=f"{word}: NO_FACE") as caught:
        await client.wait("a", raise_on_failure=True)
    assert caught.value.run == await client.runs.get("a")


async def test_a_part_of_the_output_is_no_failure(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.says(*_stands("partial_succeeded"))
    run = await client.wait("a", raise_on_failure=True)
    assert run.outcome == "partial_succeeded"


async def test_a_batch_is_waited_for_in_the_same_way(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.says(*_stands("queued", "partial_succeeded"))
    assert (await client.batches.wait("b")).outcome == "partial_succeeded"
    assert upstream.last.path == "/v1/batches/b"


async def test_a_run_that_never_was_is_not_waited_for(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.says(Reply(status=404))
    with pytest.raises(NotFoundError):
        await client.wait("a")


async def test_a_poll_without_a_pause_is_refused(client: Runflow) -> None:
    with pytest.raises(ValueError, match="poll"):
        await client.wait("a", poll=0)
