"""The HTTP sender against real servers: what it sends, and what it makes of every answer."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook

from relay.core.credential import Credential
from relay.core.delivery import Delivered, Failed, Fault, Refused
from relay.core.signing import StandardKey
from relay.deliver.http import HttpSender
from relay.deliver.verdict import retry_after_us
from tests.deliver.conformance import (
    NOW_US,
    FixedClock,
    Rig,
    SenderLaw,
    first,
    parcel,
)
from tests.deliver.endpoint import OK, Connection, Endpoint, Request, answering
from tests.deliver.posting import NEW, OLD, fail, said, send, sender_to


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
async def sender(endpoint: Endpoint) -> AsyncIterator[HttpSender]:
    sender = sender_to(endpoint.url)
    yield sender
    await sender.close()


class HttpRig:
    """The law's view of a sender and an endpoint."""

    def __init__(self, sender: HttpSender, endpoint: Endpoint) -> None:
        self.sender = sender
        self._endpoint = endpoint
        self._going = asyncio.Event()

    def arrived(self) -> Sequence[bytes]:
        return [request.body for request in self._endpoint.requests]

    def break_down(self) -> None:
        self._endpoint.answer = answering(said(503))

    def mend(self) -> None:
        self._endpoint.answer = answering(OK)

    def hold(self) -> None:
        async def wait(_request: Request, connection: Connection) -> None:
            await self._going.wait()
            await connection.say(OK)

        self._endpoint.answer = wait

    def let_go(self) -> None:
        self._going.set()
        self.mend()


class TestHttpKeepsTheLaw(SenderLaw):
    @pytest.fixture
    def rig(self, sender: HttpSender, endpoint: Endpoint) -> Rig:
        return HttpRig(sender, endpoint)


class TestWhatIsSent:
    async def test_the_reference_library_verifies_a_request(
        self, endpoint: Endpoint
    ) -> None:
        clock = FixedClock(time.time_ns() // 1000)
        sender = sender_to(endpoint.url, clock=clock)
        await send(sender)
        await sender.close()
        request = first(endpoint.requests)
        for secret in (OLD, NEW):
            Webhook(secret).verify(request.body, request.headers)

    async def test_the_cloudevents_sdk_reads_a_request(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        sent = parcel()
        await sender.send([sent])
        request = first(endpoint.requests)
        event = from_http_event(HTTPMessage(request.headers, request.body))
        assert str(sent.letter.event.id) == event.get_id()
        assert event.get_type() == "io.runflow.run.succeeded"
        assert event.get_subject() == "run_00001"
        assert json.loads(sent.letter.event.data) == event.get_data()

    async def test_headers_are_the_promised_ones_and_no_others(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        sent = parcel()
        await sender.send([sent])
        request = first(endpoint.requests)
        signature = request.headers.pop("webhook-signature")
        assert len(signature.split(" ")) == 2
        assert request.line == "POST /hooks HTTP/1.1"
        assert request.headers == {
            "host": f"127.0.0.1:{endpoint.port}",
            "content-type": "application/cloudevents+json; charset=utf-8",
            "user-agent": "runflow-relay/1.2.3",
            "accept": "*/*",
            "accept-encoding": "identity",
            "webhook-id": str(sent.letter.event.id),
            "webhook-timestamp": str(NOW_US // 1_000_000),
            "content-length": str(len(sent.letter.event.structured)),
        }

    async def test_each_try_has_the_same_id_and_its_own_time(
        self, endpoint: Endpoint
    ) -> None:
        clock = FixedClock()
        sender = sender_to(endpoint.url, clock=clock)
        await send(sender)
        clock.time_us += 5_000_000
        await send(sender)
        await sender.close()
        one, two = (request.headers for request in endpoint.requests)
        assert one["webhook-id"] == two["webhook-id"]
        assert int(one["webhook-timestamp"]) + 5 == int(two["webhook-timestamp"])
        assert one["webhook-signature"] != two["webhook-signature"]

    async def test_a_key_signs_only_while_it_is_in_force(
        self, endpoint: Endpoint
    ) -> None:
        clock = FixedClock()
        now = clock.now_us()
        old = Credential(
            id="old", key=StandardKey.parse(OLD), not_after=now + 1_000_000
        )
        new = Credential(id="new", key=StandardKey.parse(NEW), not_before=now)
        sender = sender_to(endpoint.url, keys=(new, old), clock=clock)
        await send(sender)
        clock.time_us += 1_000_000
        await send(sender)
        await sender.close()
        signatures = [
            request.headers["webhook-signature"].split()
            for request in endpoint.requests
        ]
        assert [len(found) for found in signatures] == [2, 1]

    async def test_with_no_key_in_force_nothing_is_sent_unsigned(
        self, endpoint: Endpoint
    ) -> None:
        clock = FixedClock()
        lapsed = Credential(
            id="old", key=StandardKey.parse(OLD), not_after=clock.now_us()
        )
        sender = sender_to(endpoint.url, keys=(lapsed,), clock=clock)
        outcome = await send(sender)
        await sender.close()
        assert endpoint.requests == []
        assert isinstance(outcome, Failed)
        assert (outcome.reason, outcome.fault) == ("no_live_key", Fault.DESTINATION)

    async def test_without_a_key_nothing_is_signed(self, endpoint: Endpoint) -> None:
        sender = sender_to(endpoint.url, keys=())
        assert isinstance(await send(sender), Delivered)
        await sender.close()
        assert "webhook-signature" not in first(endpoint.requests).headers

    async def test_a_password_in_the_url_goes_into_a_header(
        self, endpoint: Endpoint
    ) -> None:
        url = endpoint.url.replace("//", "//user:pa%20ss@")
        sender = sender_to(url)
        await send(sender)
        await sender.close()
        expected = "Basic " + base64.b64encode(b"user:pa ss").decode()
        assert expected == first(endpoint.requests).headers["authorization"]

    async def test_a_large_event_is_sent_whole(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        large = parcel(output=json.dumps("x" * 3_000_000))
        outcome = first(await sender.send([large]))
        assert isinstance(outcome, Delivered)
        assert large.letter.event.structured == first(endpoint.requests).body

    async def test_cookies_are_not_kept(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        endpoint.answer = answering(said(200, "Set-Cookie: a=b"))
        await send(sender)
        await send(sender)
        assert ["cookie" in r.headers for r in endpoint.requests] == [False, False]

    async def test_a_proxy_of_the_environment_is_not_used(
        self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with Endpoint() as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            sender = sender_to(endpoint.url)
            assert isinstance(await send(sender), Delivered)
            await sender.close()
            assert proxy.requests == []


class TestWhatAnAnswerMeans:
    @pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
    async def test_2xx_is_delivered(
        self, sender: HttpSender, endpoint: Endpoint, status: int
    ) -> None:
        head = f"HTTP/1.1 {status} Word\r\n".encode()
        length = b"" if status == 204 else b"Content-Length: 0\r\n"
        endpoint.answer = answering(head + length + b"\r\n")
        outcome = await send(sender)
        assert isinstance(outcome, Delivered)
        assert status == outcome.status

    @pytest.mark.parametrize(
        "status, fault",
        [
            *((status, Fault.EVENT) for status in (300, 304, 399)),
            *((status, Fault.EVENT) for status in (400, 401, 403, 404, 413, 422)),
            (408, Fault.DESTINATION),
            (425, Fault.DESTINATION),
            (409, Fault.EVENT),
            (429, Fault.DESTINATION),
            *((status, Fault.DESTINATION) for status in (500, 501, 502, 503, 504, 599)),
        ],
    )
    async def test_everything_else_is_a_failure_of_someone(
        self, sender: HttpSender, endpoint: Endpoint, status: int, fault: Fault
    ) -> None:
        body = b"" if status == 304 else b"because"
        endpoint.answer = answering(said(status, body=body))
        outcome = await fail(sender)
        assert outcome.reason == f"status_{status}"
        assert (status, fault, body) == (outcome.status, outcome.fault, outcome.excerpt)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_is_never_followed(
        self, sender: HttpSender, endpoint: Endpoint, status: int
    ) -> None:
        async with Endpoint() as elsewhere:
            endpoint.answer = answering(said(status, f"Location: {elsewhere.url}"))
            outcome = await fail(sender)
            assert elsewhere.connections == []
        assert (outcome.reason, outcome.fault) == (f"status_{status}", Fault.EVENT)
        assert len(endpoint.requests) == 1

    @pytest.mark.parametrize("status", [413, 429, 503])
    @pytest.mark.parametrize(
        "text, wait_us",
        [
            ("0", 0),
            ("120", 120_000_000),
            ("9999999999", 9_999_999_999_000_000),
            ("Sun, 01 Mar 2026 12:00:30 GMT", 30_000_000),
            ("Sun, 01 Mar 2026 13:00:30 +0100", 30_000_000),
            ("Sunday, 01-Mar-26 12:00:30 GMT", 30_000_000),
            ("Sun, 01 Mar 2026 12:00:30 -0000", 30_000_000),
            ("Sun Mar  1 12:00:30 2026", 30_000_000),
            ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("9" * 5000, None),
            ("Sun, 01 Mar 99999999 12:00:30 GMT", None),
            ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
            ("+99999999999999999999 Dec 2024 01:02 PM", None),
            ("", None),
        ],
    )
    async def test_retry_after_is_read(
        self,
        sender: HttpSender,
        endpoint: Endpoint,
        status: int,
        text: str,
        wait_us: int | None,
    ) -> None:
        endpoint.answer = answering(said(status, f"Retry-After: {text}"))
        assert wait_us == (await fail(sender)).retry_after_us

    def test_a_date_is_read_the_same_everywhere(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A date without a zone is UTC, wherever the relay runs."""
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        try:
            for text in ("Sun, 01 Mar 2026 12:00:30 -0000", "Sun Mar  1 12:00:30 2026"):
                assert retry_after_us(text, now_us=NOW_US) == 30_000_000
        finally:
            monkeypatch.undo()
            time.tzset()

    @pytest.mark.parametrize("status", [301, 400, 410])
    async def test_retry_after_counts_only_where_it_may(
        self, sender: HttpSender, endpoint: Endpoint, status: int
    ) -> None:
        endpoint.answer = answering(said(status, "Retry-After: 120"))
        assert (await fail(sender)).retry_after_us is None

    async def test_an_upgrade_is_no_answer(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        endpoint.answer = answering(
            b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nxxxx"
        )
        outcome = await fail(sender)
        assert (outcome.reason, outcome.fault) == ("status_101", Fault.EVENT)

    async def test_provisional_answers_are_passed_over(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        endpoint.answer = answering(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3 + OK)
        assert isinstance(await send(sender), Delivered)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "orders",
        "//orders.example.com/hooks",
        "ftp://orders.example.com/hooks",
        "tcp://127.0.0.1:80/",
        "file:///etc/passwd",
        "http://",
        "http://:80/",
        "http://[::1/",
        "http://orders.example.com:0/",
        "http://orders.example.com:99999/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://us%3Aer:password@orders.example.com/",
    ],
)
async def test_a_bad_url_is_refused_for_good(url: str) -> None:
    sender = sender_to(url)
    outcome = await send(sender)
    await sender.close()
    assert isinstance(outcome, Refused)
    assert outcome.reason == "bad_url"
