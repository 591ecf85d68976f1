"""Whatever comes in has its documented answer; nothing is lost and nothing crashes."""

import asyncio
import gzip
import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from tests.acceptance.relays import SECRET, callback, run_id, sign
from tests.receive.conftest import STANDARD_SECRET, Door, read_answer

RUN = run_id(1)
MIB = 1024 * 1024


def _with(**fields: object) -> bytes:
    return json.dumps({**json.loads(callback(1)), **fields}).encode()


ODD = {
    "not JSON": (b"run completed!", "not_json"),
    "nothing": (b"", "not_json"),
    "not UTF-8": (callback(1).replace(b"succeeded", b"\xff\xfe"), "not_utf8"),
    "not an object": (b'["run.completed"]', "not_an_object"),
    "gzip": (gzip.compress(callback(1), mtime=0), "not_utf8"),
    "deep nesting": (callback(1, output="[" * 300 + "]" * 300), "too_deep"),
    "very deep nesting": (callback(1, output="[" * 90_000), "too_deep"),
    "lone surrogate": (callback(1, output=r'"\ud800"'), "not_json"),
    "NUL in the id": (_with(run_id="a\0b"), "unusable_id"),
    "256 bytes of id": (_with(run_id="é" * 128), "unusable_id"),
    "empty id": (_with(run_id=""), "unusable_id"),
    "a number as id": (_with(run_id=5), "unusable_id"),
    "no id": (b'{"event":"run.completed","status":"succeeded"}', "unusable_id"),
    "the key twice": (
        b'{"run_id":"a","event":"run.failed","run_id":"b","status":"failed"}',
        "duplicate_key",
    ),
    "the key twice, escaped": (
        rb'{"run_id":"a","event":"run.failed","run\u005fid":"b","status":"failed"}',
        "duplicate_key",
    ),
    "another family": (_with(event="headshots.completed"), "unknown_family"),
    "an evaluation": (b'{"evaluation_id":"x","status":"completed"}', "unknown_family"),
    "another event": (_with(event="run.paused"), "unknown_event"),
    "a number as event": (_with(event=7), "unknown_event"),
    "an endless client_ref": (_with(client_ref="x" * 5000), "unusable_client_ref"),
}


@pytest.mark.parametrize("body,reason", ODD.values(), ids=ODD)
async def test_a_signed_body_that_is_odd_is_taken_into_quarantine(
    body: bytes, reason: str, door: Door
) -> None:
    answer = await door.post(body)
    assert (answer.status, answer.body) == (202, b'{"result":"accepted"}')
    assert await door.quarantined() == [(reason, body)]


@pytest.mark.parametrize("body,_", ODD.values(), ids=ODD)
async def test_the_same_body_unsigned_is_refused_and_not_kept(
    body: bytes, _: str, door: Door
) -> None:
    assert (await door.post(body, {})).status == 401
    assert await door.receipts() == 0


WHOLE = {
    "huge numbers": callback(1, output='{"n":' + "9" * 5000 + ',"e":1e999}'),
    "a wrong type beside it": _with(duration_ms="soon", metadata=7, client_ref=8),
    "keys repeated inside the output": callback(
        1, output='{"status":1,"status":2,"event":3,"event":4}'
    ),
    "unknown fields": _with(next_year={"a": [1]}),
}


@pytest.mark.parametrize("body", WHOLE.values(), ids=WHOLE)
async def test_what_can_be_read_all_the_same_becomes_an_event(
    body: bytes, door: Door
) -> None:
    assert (await door.post(body)).status == 202
    assert await asyncio.to_thread(door.rows, "SELECT revision FROM events") == [(1,)]


@pytest.mark.parametrize(
    "changed",
    [{"status": "running"}, {"status": None}, {"completed_at": "soon"},
     {"output": None}, {"status": "melted"}, {"status": "failed"}],
    ids=str,
)  # fmt: skip
async def test_a_partial_body_waits_and_is_no_event(
    changed: dict[str, object], door: Door
) -> None:
    assert (await door.post(_with(**changed))).status == 202
    assert await asyncio.to_thread(door.rows, "SELECT run FROM inquiries") == [(1,)]
    assert await asyncio.to_thread(door.rows, "SELECT number FROM events") == []


async def test_a_repeat_is_answered_200_from_a_commit(door: Door) -> None:
    statuses = [(await door.post(callback(1))).status for _ in range(3)]
    assert statuses == [202, 200, 200]
    assert await door.receipts() == 3


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Runflow-Signature": "0" * 64},
        {"Runflow-Signature": sign(callback(1))["Runflow-Signature"].upper()},
        {"Runflow-Signature": "sha256=" + sign(callback(1))["Runflow-Signature"]},
        {"Runflow-Signature": "ü" * 64},
        {
            "Runflow-Signature": sign(callback(1), "whsec_the-old-one")[
                "Runflow-Signature"
            ]
        },
    ],
    ids=["none", "wrong", "upper case", "prefixed", "non-ASCII", "an expired secret"],
)
async def test_a_request_that_does_not_verify_is_refused(
    headers: dict[str, str], door: Door
) -> None:
    answer = await door.post(callback(1), headers)
    assert (answer.status, answer.body) == (401, b'{"result":"invalid_signature"}')


async def test_two_signatures_cannot_both_be_meant(door: Door) -> None:
    body = callback(1)
    line = f"Runflow-Signature: {sign(body)['Runflow-Signature']}\r\n"
    head = f"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\n{line}{line}Content-Length: {len(body)}\r\n\r\n"
    answer = await door.raw(head.encode() + body)
    assert answer is not None
    assert answer.status == 401


async def test_failures_are_limited_and_verified_callbacks_never_are(
    door: Door,
) -> None:
    refused = [(await door.post(callback(1), {})) for _ in range(7)]
    assert [answer.status for answer in refused] == [401] * 5 + [429] * 2
    assert int(refused[-1].headers["retry-after"]) >= 1
    assert (await door.post(callback(1))).status == 202
    # Another peer, as a trusted proxy names it, has a share of its own.
    other = await door.post(callback(1), {"X-Forwarded-For": "203.0.113.9"})
    assert other.status == 401


async def test_a_source_without_a_live_secret_is_our_fault(door: Door) -> None:
    answer = await door.post(callback(1), path="/callbacks/lapsed")
    assert (answer.status, int(answer.headers["retry-after"]) > 0) == (503, True)


async def test_a_standard_webhook_is_another_channel_of_the_same_run(
    door: Door,
) -> None:
    body = callback(1)
    now = datetime.now(tz=UTC)  # noqa: TID251 - the sender's clock is the real one
    signature = Webhook(STANDARD_SECRET).sign("msg_1", now, body.decode())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    first = await door.post(body, headers, path="/callbacks/acme/org")
    second = await door.post(body)
    assert (first.status, second.status) == (202, 200)
    assert await asyncio.to_thread(door.rows, "SELECT origin FROM runs") == [
        ("webhook",)
    ]


@pytest.mark.parametrize(
    "method,path,status",
    [
        ("POST", "/callbacks/nobody", 404),
        ("POST", "/callbacks/acme/nowhere", 404),
        ("POST", "/callbacks/acme/callback", 404),
        ("POST", "/elsewhere", 404),
        ("GET", "/callbacks/acme", 405),
        ("PUT", "/callbacks/acme", 405),
        ("GET", "/healthz", 200),
        ("POST", "/healthz", 405),
    ],
)
async def test_every_address_has_its_answer(
    method: str, path: str, status: int, door: Door
) -> None:
    answer = await door.post(callback(1), method=method, path=path)
    assert answer.status == status


async def test_a_content_encoding_is_refused(door: Door) -> None:
    body = gzip.compress(callback(1))
    answer = await door.post(body, {**sign(body), "Content-Encoding": "gzip"})
    assert answer.status == 415


async def test_seven_mebibytes_are_refused_before_they_are_sent(door: Door) -> None:
    head = (
        f"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\nContent-Length: {7 * MIB}\r\n\r\n"
    )
    answer = await door.raw(head.encode())
    assert answer is not None
    assert answer.status == 413


async def test_chunks_without_end_are_cut_off(door: Door) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(
        b"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    sent = 0
    try:
        while sent < 20 * MIB and not reader.at_eof():
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
            if sent > 8 * MIB:
                break
    except ConnectionResetError:
        pass
    answer = await asyncio.wait_for(read_answer(reader), 5)
    writer.close()
    assert answer is not None
    assert answer.status == 413
    assert door.service.public.port == door.port


async def test_a_body_of_five_mebibytes_passes(door: Door) -> None:
    body = callback(1, output='{"blob":"' + "x" * (5 * MIB) + '"}')
    assert (await door.post(body)).status == 202


async def test_a_body_that_never_comes_is_answered_408(door: Door) -> None:
    head = b"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    answer = await door.raw(head)
    assert answer is not None
    assert (answer.status, answer.body) == (408, b'{"result":"too_slow"}')


async def test_a_head_that_never_ends_is_closed_in_time(door: Door) -> None:
    assert await door.raw(b"POST /callbacks/acme HTTP/1.1\r\nHost: ") is None


async def test_a_connection_that_says_nothing_is_closed_in_time(door: Door) -> None:
    assert await door.raw(b"") is None


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /callbacks/acme HTTP/1.1\r\n" + b"".join(b"H%d: x\r\n" % n for n in range(300)) + b"\r\n",
        b"POST /callbacks/acme HTTP/1.1\r\nHost: " + b"x" * 100_000 + b"\r\n\r\n",
        b"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"what is this\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    ],
    ids=["300 headers", "a header of 100 KB", "negative length", "two lengths", "no HTTP", "TLS"],
)  # fmt: skip
async def test_what_is_no_http_is_answered_400_without_an_echo(
    request_: bytes, door: Door
) -> None:
    answer = await door.raw(request_)
    assert answer is not None
    assert (answer.status, answer.body) == (400, b'{"result":"bad_request"}')


async def test_a_malformed_chunk_is_answered_400(door: Door) -> None:
    head = b"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await door.raw(head + b"zz\r\n")
    assert answer is not None
    assert answer.status == 400


async def test_a_sender_that_waits_to_be_asked_is_asked(door: Door) -> None:
    body = callback(1)
    head = "".join(f"{name}: {value}\r\n" for name, value in sign(body).items())
    request = (
        f"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{head}"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(f"{request}Content-Length: {len(body)}\r\n\r\n".encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    answer = await read_answer(reader)
    writer.close()
    assert answer is not None
    assert answer.status == 202


async def test_more_connections_than_allowed_are_told_to_come_back(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """And a crowd of them is no fault of ours that the log would fill up with."""
    held = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(50)]
    answer = await door.raw(b"")
    for _, writer in held:
        writer.close()
    assert answer is not None
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert [record.message for record in caplog.records] == []


async def test_requests_in_one_packet_are_answered_in_order(door: Door) -> None:
    requests = b""
    for body in (callback(1), callback(1), callback(2)):
        head = "".join(f"{name}: {value}\r\n" for name, value in sign(body).items())
        requests += (
            f"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(requests)
    answers = [await read_answer(reader) for _ in range(3)]
    writer.close()
    assert [answer.status for answer in answers if answer] == [202, 200, 202]


async def test_refused_requests_are_summed_up_without_their_bytes(door: Door) -> None:
    for _ in range(3):
        await door.post(b'{"token":"very secret"}', {"Runflow-Signature": "0" * 64})
    await door.service.stop()
    [row] = await asyncio.to_thread(
        door.rows, "SELECT source, channel, reason, peer, count, size FROM refusals"
    )
    assert row == ("acme", "callback", "bad_signature", "127.0.0.1", 3, 23)
    store = await asyncio.to_thread((door.directory / "relay.db").read_bytes)
    assert b"very secret" not in store


async def test_secrets_are_in_no_answer_and_no_metric(door: Door) -> None:
    answer = await door.post(callback(1), {})
    page = await asyncio.to_thread(door.service.metrics.exposition)
    assert SECRET.encode() not in answer.body + page + str(answer.headers).encode()
