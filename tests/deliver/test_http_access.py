"""Who the relay says that it is, to an endpoint that asks; and that nothing of it is ever shown."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp
import pytest
import trustme

from relay.core.delivery import Delivered, Failed, Fault
from relay.deliver.http_options import BasicAuth, BearerAuth, HttpOptions, Proxy
from relay.deliver.verdict import outcome_of_fault
from tests.deliver.conformance import first
from tests.deliver.endpoint import OK, Connection, Endpoint, Request
from tests.deliver.posting import Names, fail, said, send, sender_to

TOKEN = 'k3y-"with"-quotes\\and/slash'


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as endpoint:
        yield endpoint


class TestHeaders:
    async def test_headers_of_its_own_stand_beside_the_relays(
        self, endpoint: Endpoint
    ) -> None:
        sender = sender_to(
            endpoint.url, headers=(("x-tenant", "acme"), ("authorization", "Key abc"))
        )
        assert isinstance(await send(sender), Delivered)
        await sender.close()
        headers = first(endpoint.requests).headers
        assert (headers["x-tenant"], headers["authorization"]) == ("acme", "Key abc")
        assert headers["content-type"].startswith("application/cloudevents+json")

    async def test_a_token_is_sent_as_bearer(self, endpoint: Endpoint) -> None:
        sender = sender_to(endpoint.url, auth=BearerAuth(token="t0ken"))
        await send(sender)
        await sender.close()
        assert first(endpoint.requests).headers["authorization"] == "Bearer t0ken"

    async def test_a_name_and_a_password_are_sent_as_basic(
        self, endpoint: Endpoint
    ) -> None:
        sender = sender_to(
            endpoint.url, auth=BasicAuth(username="relay", password="pä:ss")
        )
        await send(sender)
        await sender.close()
        expected = "Basic " + base64.b64encode("relay:pä:ss".encode()).decode()
        assert expected == first(endpoint.requests).headers["authorization"]

    @pytest.mark.parametrize(
        "body",
        [
            "{header}",
            "key {key}",
            "token {token}",
            "{token}",
            "{json}",
            "{slashes}",
            "basic {basic}",
            "password {password}",
        ],
    )
    async def test_whatever_is_echoed_is_not_kept(
        self, endpoint: Endpoint, body: str
    ) -> None:
        basic = base64.b64encode(b"relay:hunter2hunter2").decode()
        forms = {
            "header": f"authorization: Basic {basic}\nx-key: {TOKEN}",
            "key": TOKEN,
            "token": TOKEN,
            "json": '{"k": "k3y-\\"with\\"-quotes\\\\and/slash"}',
            "slashes": '{"k": "k3y-\\"with\\"-quotes\\\\and\\/slash"}',
            "basic": basic,
            "password": "hunter2hunter2",
        }
        text = body.format(**forms)

        async def echo(_request: Request, connection: Connection) -> None:
            await connection.say(said(400, body=text.encode()))

        endpoint.answer = echo
        sender = sender_to(
            endpoint.url,
            headers=(("x-key", TOKEN),),
            auth=BasicAuth(username="relay", password="hunter2hunter2"),
        )
        outcome = await fail(sender)
        await sender.close()
        shown = repr(outcome)
        assert b"***" in outcome.excerpt
        for secret in (TOKEN, "with", "hunter2", basic):
            assert secret not in shown

    async def test_a_bearers_token_is_hidden_also_without_its_word(
        self, endpoint: Endpoint
    ) -> None:
        async def echo(_request: Request, connection: Connection) -> None:
            await connection.say(
                said(401, body=b"who is t0ken-t0ken? Bearer t0ken-t0ken")
            )

        endpoint.answer = echo
        sender = sender_to(endpoint.url, auth=BearerAuth(token="t0ken-t0ken"))
        outcome = await fail(sender)
        await sender.close()
        assert outcome.excerpt == b"who is ***? ***"

    def test_options_show_no_secret(self) -> None:
        login = BasicAuth(username="relay", password="hunter2")
        options = HttpOptions(
            url="https://example.com/T0KEN",
            headers=(("x-key", TOKEN),),
            auth=login,
            proxy=Proxy(host="proxy", port=3128, auth=login),
        )
        shown = repr((options, BearerAuth(token="t0ken")))
        for secret in ("hunter2", "k3y", "t0ken", "T0KEN"):
            assert secret not in shown


class TestCertificates:
    @pytest.fixture
    def authority(self) -> trustme.CA:
        return trustme.CA()

    @pytest.fixture
    async def picky(self, authority: trustme.CA) -> AsyncIterator[str]:
        """An endpoint that asks for a certificate of its own authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "orders.test").configure_cert(context)
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED

        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        async with server:
            yield f"https://orders.test:{server.sockets[0].getsockname()[1]}/"

    def _sending(self, authority: trustme.CA, own: trustme.CA | None) -> ssl.SSLContext:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        if own is not None:
            own.issue_cert("relay.test").configure_cert(context)
        return context

    async def test_a_certificate_that_is_asked_for_is_shown(
        self, authority: trustme.CA, picky: str
    ) -> None:
        sender = sender_to(
            picky,
            tls=self._sending(authority, authority),
            resolver=Names({"orders.test": [["127.0.0.1"]]}),
        )
        assert isinstance(await send(sender), Delivered)
        await sender.close()

    @pytest.mark.parametrize("shown", ["none", "a stranger's"])
    async def test_without_the_right_one_nothing_is_delivered(
        self, authority: trustme.CA, picky: str, shown: str
    ) -> None:
        own = None if shown == "none" else trustme.CA()
        sender = sender_to(
            picky,
            tls=self._sending(authority, own),
            resolver=Names({"orders.test": [["127.0.0.1"]]}),
        )
        outcome = await send(sender)
        await sender.close()
        assert isinstance(outcome, Failed)
        assert outcome.fault is Fault.DESTINATION
        # A server that hangs up may overtake its own word for it.
        assert outcome.reason in {"tls", "reset"}

    def test_a_refusal_of_tls_is_named_however_it_is_wrapped(
        self, authority: trustme.CA
    ) -> None:
        """In TLS 1.3 it comes behind the handshake, with the first answer that is read."""
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("orders.test").configure_cert(serving)
        authority.configure_trust(serving)
        serving.verify_mode = ssl.CERT_REQUIRED
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        far = serving.wrap_bio(there, back, server_side=True)
        near = self._sending(authority, None).wrap_bio(
            back, there, server_hostname="orders.test"
        )
        for side in (near, far, near):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
        with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
            far.do_handshake()
        with pytest.raises(ssl.SSLError) as heard:
            near.read()
        wrapped = aiohttp.ClientOSError(None, "words of the library")
        wrapped.__cause__ = heard.value
        outcome = outcome_of_fault(wrapped, duration_us=1)
        assert isinstance(outcome, Failed)
        assert outcome.reason == "tls"
        assert outcome.detail == "SSLError: TLSV13_ALERT_CERTIFICATE_REQUIRED"
