"""Callbacks of the sandbox: their form and signature, tried until they are heard."""

import asyncio
import hashlib
import hmac
import json
from typing import TYPE_CHECKING

import aiohttp
import pytest

from relay.sandbox import Faults, Retries
from relay.sandbox.book import Book
from relay.sandbox.callbacks import payload as written
from relay.sandbox.orders import read_order

if TYPE_CHECKING:
    # a conftest is no module to import from: only its types are
    from tests.sandbox.conftest import Receiver, Upstream

PAYLOAD_FIELDS = [
    "event",
    "run_id",
    "status",
    "output",
    "duration_ms",
    "created_at",
    "completed_at",
    "metadata",
]


async def test_the_signature_is_the_hmac_of_the_body_by_the_whole_secret(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    async with upstream.open() as made:
        await upstream.dispatch(made, receiver.url)
    expected = hmac.new(upstream.secret.encode(), receiver.bodies[0], hashlib.sha256)
    assert expected.hexdigest() == receiver.headers[0]["Runflow-Signature"]
    assert receiver.headers[0]["Content-Type"] == "application/json"
    assert receiver.headers[0]["Runflow-Request-Id"]


async def test_without_a_secret_there_is_no_signature(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    async with upstream.open(secret=None) as made:
        await upstream.dispatch(made, receiver.url)
    assert "Runflow-Signature" not in receiver.headers[0]


async def test_the_payload_has_the_documented_fields_in_their_order(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    async with upstream.open() as made:
        (told, *_) = await upstream.dispatch(made, receiver.url, 8)
    for payload in receiver.payloads():
        assert list(payload)[:8] == PAYLOAD_FIELDS
        assert payload["event"] == "run.completed"
        assert payload["status"] == "succeeded"
        assert payload["created_at"] == "2026-05-06T12:00:00.123456+00:00"
        assert payload["completed_at"] == "2026-05-06T12:00:00.123456+00:00"
        assert payload["duration_ms"] == 0
    assert told.id in {payload["run_id"] for payload in receiver.payloads()}


async def test_client_ref_comes_last_in_some_and_not_at_all_in_others(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    async with upstream.open() as made:
        known = await upstream.dispatch(made, receiver.url, 12)
    refs = {told.id: told.client_ref for told in known}
    tails = {tuple(payload)[8:] for payload in receiver.payloads()}
    assert {(), ("client_ref",)} == tails
    for payload in receiver.payloads():
        assert (
            payload.get("client_ref", refs[payload["run_id"]])
            == refs[payload["run_id"]]
        )


async def test_the_output_is_the_same_text_in_the_callback_the_api_and_the_truth(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    async with upstream.open() as made:
        known = await upstream.dispatch(made, receiver.url, 20)
        async with aiohttp.ClientSession() as session:
            for told in known:
                assert told.output is not None
                (body,) = receiver.by_run()[told.id]
                async with session.get(
                    f"{made.url}/v1/runs/{told.id}",
                    headers={"Authorization": f"Bearer {made.token}"},
                ) as response:
                    answer = await response.text()
                assert f'"output":{told.output},' in body.decode()
                assert f'"output":{told.output},' in answer
    everything = "".join(told.output or "" for told in known)
    assert '"inference":1.10' in everything
    assert r"\u00e9" in everything
    seeds = [json.loads(told.output or "")["seed"] for told in known]
    assert max(len(str(seed)) for seed in seeds) == 40


async def test_metadata_is_sent_back_byte_for_byte(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    text = r'{"z":1.10,"a":"caf\u00e9"}'
    async with upstream.open() as made, aiohttp.ClientSession() as session:
        body = f'{{"input":{{}},"metadata":{text},"callback_url":"{receiver.url}"}}'
        async with session.post(
            made.url + upstream.model,
            data=body,
            headers={"Authorization": f"Bearer {made.token}"},
        ) as response:
            assert response.status == 201
        await made.settled()
    assert f'"metadata":{text}' in receiver.bodies[0].decode()


def test_a_run_that_goes_on_has_no_payload(upstream: "Upstream") -> None:
    book = Book(seed=1, faults=Faults(), tries_max=1, runs_max=1)
    going_on = book.open(read_order(b'{"input":{}}'), target="a/b", at=upstream.noon)
    with pytest.raises(ValueError, match="not over"):
        written(going_on, base="")


async def test_a_body_of_megabytes_is_sent_whole(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    body = {"input": {}, "metadata": {"x": "x" * 3_000_000}}
    async with upstream.open() as made:
        await upstream.ask(made, upstream.model, body | {"callback_url": receiver.url})
        await made.settled()
    assert receiver.payloads()[0]["metadata"] == body["metadata"]


async def test_a_callback_is_tried_until_it_is_answered_2xx(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    receiver.answer = lambda number: (500, 404, 302, 204)[number - 1]
    async with upstream.open() as made:
        (told,) = await upstream.dispatch(made, receiver.url)
        (delivery,) = await upstream.ask(made, f"/v1/runs/{told.id}/callback")
    assert (told.attempts, told.copies_accepted) == (4, 1)
    assert [a["status_code"] for a in delivery["attempts"]] == [500, 404, 302, 204]
    assert len(set(receiver.bodies)) == 1
    assert len({h["Runflow-Signature"] for h in receiver.headers}) == 1


async def test_a_callback_is_given_up_after_the_last_attempt(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    receiver.answer = lambda _: 503
    async with upstream.open(retry=Retries(max_attempts=3, base_s=0.005)) as made:
        (told,) = await upstream.dispatch(made, receiver.url)
        (delivery,) = await upstream.ask(made, f"/v1/runs/{told.id}/callback")
    assert len(receiver.bodies) == 3
    assert (told.attempts, told.copies_accepted, told.settled) == (3, 0, True)
    assert delivery["status_code"] == "failed"
    assert delivery["failure_detail"] == "answered 503"
    assert (delivery["attempt_count"], delivery["max_attempts"]) == (3, 3)


async def test_a_redirect_is_never_followed(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    receiver.answer = lambda _: 307
    async with upstream.open(retry=Retries(max_attempts=1)) as made:
        (told,) = await upstream.dispatch(made, receiver.url)
    assert len(receiver.bodies) == 1
    assert told.copies_accepted == 0


async def test_a_receiver_that_is_too_slow_is_tried_again(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    receiver.gate.clear()
    retry = Retries(max_attempts=2, base_s=0.005, timeout_s=0.05)
    async with upstream.open(retry=retry) as made, asyncio.timeout(3.0):
        (told,) = await upstream.dispatch(made, receiver.url)
        (delivery,) = await upstream.ask(made, f"/v1/runs/{told.id}/callback")
    assert told.attempts == 2
    assert "no answer within" in delivery["attempts"][0]["error_message"]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://a..b/"], ids=["refused", "no host"]
)
async def test_a_receiver_that_cannot_be_reached_is_tried_again(
    url: str, upstream: "Upstream"
) -> None:
    async with upstream.open(retry=Retries(max_attempts=2, base_s=0.005)) as made:
        (told,) = await upstream.dispatch(made, url)
        (delivery,) = await upstream.ask(made, f"/v1/runs/{told.id}/callback")
    assert told.attempts == 2
    assert delivery["attempts"][1]["error_message"]
    assert delivery["attempts"][1]["status_code"] is None


async def test_the_history_has_the_documented_fields(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    async with upstream.open() as made:
        (told,) = await upstream.dispatch(made, receiver.url)
        (delivery,) = await upstream.ask(made, f"/v1/runs/{told.id}/callback")
    assert list(delivery) == [
        *("id", "run_id", "callback_url", "payload_bytes", "payload"),
        *("signing_secret_id", "is_automatic", "status_code", "failure_reason_code"),
        *("failure_detail", "attempt_count", "max_attempts", "next_attempt_at"),
        *("created_at", "updated_at", "completed_at", "attempts"),
    ]
    assert list(delivery["attempts"][0]) == [
        *("id", "delivery_id", "attempt_number", "status_code", "response_body"),
        *("response_time_ms", "error_message", "created_at"),
    ]
    assert delivery["payload_bytes"].encode() == receiver.bodies[0]
    assert delivery["payload"] == receiver.payloads()[0]
    assert delivery["attempts"][0]["response_body"] == "said 200"
    assert delivery["status_code"] == "succeeded"
