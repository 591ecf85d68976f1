"""Whatever comes instead of an answer has a name, and the token is in none of them."""

import gzip
import json
import socket
import ssl
import traceback
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from relay.runflow import Runflow, RunflowError, Timeouts
from relay.runflow.errors import (
    AnswerError,
    DisconnectedError,
    NotHttpError,
    NotJsonError,
    RedirectError,
    TimedOutError,
    TlsError,
    TooLargeError,
    TruncatedError,
    UnauthorizedError,
    UnexpectedShapeError,
    UnexpectedStatusError,
    UnreachableError,
    WrongContentError,
)
from tests.deliver.endpoint import Connection, Endpoint, Request, answering
from tests.runflow.upstream import TOKEN, Reply, Upstream, any_run, client_of

RUN = "019a8c3e-5b10-7c44-9f21-3d5e8a7b6c01"
#: Short enough for a test to wait for, long enough for a busy machine to begin an answer.
SHORT = Timeouts(connect_s=2, silence_s=2, total_s=0.3)
QUIET = Timeouts(connect_s=2, silence_s=0.3, total_s=5)

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def _fault(client: Runflow) -> RunflowError:
    with pytest.raises(RunflowError) as caught:
        await client.runs.get(RUN)
    return caught.value


async def _fault_of(endpoint: Endpoint, **options: Any) -> RunflowError:
    """What a client says of an endpoint whose every byte is scripted, after one request."""
    async with (
        endpoint,
        client_of(f"http://127.0.0.1:{endpoint.port}", **options) as client,
    ):
        fault = await _fault(client)
    assert len(endpoint.requests) == 1
    return fault


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            '{"id": "a", "status_c',
            '{"id": "a", "cost": 1.',
            '{"id": "a", "cost": -',
            '{"id": "a", "has_logs": tru',
            '{"id": "a\\u00',
            '{"id": "a",',
            '{"id": "a"',
            '{"id"',
            "{",
        ],
    )
    async def test_json_that_ends_in_the_middle_is_truncated(
        self, upstream: Upstream, client: Runflow, body: str
    ) -> None:
        upstream.says(Reply(body=body.encode()))
        fault = await _fault(client)
        assert (type(fault), fault.reason) == (TruncatedError, "truncated")

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"oops",
            b"{oops}",
            b'{"a": 1} {"b": 2}',
            b'{"a": 1} t',
            b'{"a": NaN}',
            b'{"a": "\xff"}',
            b"[" * 100_000,
            b'{"a": ' + b"9" * 5000 + b"}",
        ],
        ids=[
            "empty",
            "word",
            "braces",
            "two",
            "more",
            "nan",
            "bytes",
            "deep",
            "digits",
        ],
    )
    async def test_what_is_not_json_is_said_not_to_be(
        self, upstream: Upstream, client: Runflow, body: bytes
    ) -> None:
        upstream.says(Reply(body=body))
        fault = await _fault(client)
        assert (type(fault), fault.reason) == (NotJsonError, "not_json")

    @pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "text/plain", "x"])
    async def test_a_page_with_200_is_wrong_content_whatever_is_in_it(
        self, upstream: Upstream, client: Runflow, kind: str
    ) -> None:
        upstream.says(Reply(headers={"Content-Type": kind}))
        fault = await _fault(client)
        assert (type(fault), fault.reason) == (WrongContentError, "wrong_content")

    @pytest.mark.parametrize(
        "kind", ["application/vnd.runflow+json", "", "Application/JSON"]
    )
    async def test_json_by_another_name_is_json(
        self, upstream: Upstream, client: Runflow, kind: str
    ) -> None:
        upstream.says(Reply(headers={"Content-Type": kind}))
        assert (await client.runs.get(RUN)).status == "succeeded"

    @pytest.mark.parametrize(
        "document",
        [
            [],
            "text",
            None,
            {},
            {"id": None},
            {"id": "a", "nodes_total": "many"},
            {"id": "a", "logs": [7]},
        ],
    )
    async def test_json_of_another_form_is_an_unexpected_shape(
        self, upstream: Upstream, client: Runflow, document: object
    ) -> None:
        upstream.gives(document)
        fault = await _fault(client)
        assert (type(fault), fault.reason) == (UnexpectedShapeError, "unexpected_shape")

    async def test_an_unexpected_shape_names_fields_and_no_values(
        self, upstream: Upstream, client: Runflow
    ) -> None:
        upstream.gives(any_run(nodes_total="private", duration_ms=[]))
        text = str(await _fault(client))
        assert "nodes_total" in text
        assert "duration_ms" in text
        assert "private" not in text


class TestSizes:
    async def test_a_body_that_is_announced_too_large_is_not_read(self) -> None:
        endpoint = Endpoint(answering(HEAD + b"Content-Length: 2000\r\n\r\n{"))
        fault = await _fault_of(endpoint, body_bytes_max=1999)
        assert (type(fault), fault.reason) == (TooLargeError, "too_large")

    async def test_an_endless_body_is_left_at_the_limit(self) -> None:
        async def endless(_: Request, connection: Connection) -> None:
            await connection.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            while not connection.writer.is_closing():
                await connection.say(b"400\r\n" + b" " * 1024 + b"\r\n")

        fault = await _fault_of(Endpoint(endless), body_bytes_max=100_000)
        assert fault.reason == "too_large"

    async def test_a_bomb_is_left_at_the_limit_after_inflation(self) -> None:
        bomb = gzip.compress(b" " * 50_000_000)
        head = (
            HEAD
            + f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
        )
        fault = await _fault_of(
            Endpoint(answering(head + bomb)), body_bytes_max=100_000
        )
        assert fault.reason == "too_large"

    async def test_a_body_of_just_the_limit_is_taken(self, upstream: Upstream) -> None:
        body = json.dumps(any_run()).encode()
        upstream.says(Reply(body=body))
        async with client_of(upstream.url, body_bytes_max=len(body)) as client:
            assert (await client.runs.fetch(RUN)).body == body


class TestCoding:
    @pytest.mark.parametrize(
        "coding, encode",
        [
            ("gzip", gzip.compress),
            ("x-gzip", gzip.compress),
            ("deflate", zlib.compress),
            ("identity", bytes),
        ],
    )
    async def test_a_compressed_answer_is_given_inflated(
        self,
        upstream: Upstream,
        client: Runflow,
        coding: str,
        encode: Callable[[bytes], bytes],
    ) -> None:
        body = json.dumps(any_run(client_ref="x" * 5000)).encode()
        upstream.says(Reply(body=encode(body), headers={"Content-Encoding": coding}))
        assert (await client.runs.fetch(RUN)).body == body

    async def test_members_one_after_another_are_one_body(
        self, upstream: Upstream, client: Runflow
    ) -> None:
        body = json.dumps(any_run()).encode()
        halves = gzip.compress(body[:9]) + gzip.compress(body[9:])
        upstream.says(Reply(body=halves, headers={"Content-Encoding": "gzip"}))
        assert (await client.runs.fetch(RUN)).body == body

    async def test_a_compressed_body_without_its_end_is_truncated(
        self, upstream: Upstream, client: Runflow
    ) -> None:
        body = gzip.compress(json.dumps(any_run()).encode())[:-9]
        upstream.says(Reply(body=body, headers={"Content-Encoding": "gzip"}))
        assert (await _fault(client)).reason == "truncated"

    @pytest.mark.parametrize("coding", ["gzip", "br"])
    async def test_what_cannot_be_inflated_is_wrong_content(
        self, upstream: Upstream, client: Runflow, coding: str
    ) -> None:
        upstream.says(Reply(headers={"Content-Encoding": coding}))
        assert (await _fault(client)).reason == "wrong_content"


class TestStatuses:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
    async def test_a_redirect_is_named_and_not_followed(
        self, upstream: Upstream, client: Runflow, status: int
    ) -> None:
        away = {"Location": f"{upstream.url}/v1/elsewhere"}
        upstream.says(Reply(status=status, headers=away))
        fault = await _fault(client)
        assert (type(fault), fault.reason) == (RedirectError, "redirect")
        assert len(upstream.asked) == 1

    @pytest.mark.parametrize("status", [204, 206, 226])
    async def test_a_status_without_an_object_is_unexpected(
        self, upstream: Upstream, client: Runflow, status: int
    ) -> None:
        upstream.says(Reply(status=status))
        fault = await _fault(client)
        assert (type(fault), fault.reason) == (
            UnexpectedStatusError,
            "unexpected_status",
        )
        assert isinstance(fault, AnswerError)
        assert fault.status == status

    async def test_an_error_whose_body_breaks_off_is_still_that_error(self) -> None:
        head = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 500\r\n\r\n"

        async def broken(_: Request, connection: Connection) -> None:
            await connection.say(head + b'{"code": "UNAUTH')
            connection.hang_up()

        assert isinstance(await _fault_of(Endpoint(broken)), UnauthorizedError)


class TestConnections:
    async def test_fewer_bytes_than_announced_are_truncated(self) -> None:
        async def short(_: Request, connection: Connection) -> None:
            await connection.say(HEAD + b'Content-Length: 500\r\n\r\n{"id": "a"}')
            connection.hang_up()

        fault = await _fault_of(Endpoint(short))
        assert (type(fault), fault.reason) == (TruncatedError, "truncated")

    async def test_a_reset_in_the_body_is_truncated(self) -> None:
        async def reset(_: Request, connection: Connection) -> None:
            await connection.say(HEAD + b'Content-Length: 500\r\n\r\n{"id"')
            connection.reset()

        assert (await _fault_of(Endpoint(reset))).reason in {
            "truncated",
            "disconnected",
        }

    @pytest.mark.parametrize("way", ["hang_up", "reset"])
    async def test_a_connection_that_breaks_before_an_answer_is_disconnected(
        self, way: str
    ) -> None:
        async def breaks(_: Request, connection: Connection) -> None:
            getattr(connection, way)()

        fault = await _fault_of(Endpoint(breaks))
        assert (type(fault), fault.reason) == (DisconnectedError, "disconnected")

    async def test_another_protocol_is_not_http(self) -> None:
        fault = await _fault_of(Endpoint(answering(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")))
        assert (type(fault), fault.reason) == (NotHttpError, "not_http")

    async def test_endless_headers_are_not_http(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n"
        assert (await _fault_of(Endpoint(answering(head)))).reason == "not_http"

    async def test_a_closed_port_is_unreachable(self) -> None:
        with closing(socket.socket()) as taken:
            taken.bind(("127.0.0.1", 0))
            async with client_of(
                f"http://127.0.0.1:{taken.getsockname()[1]}"
            ) as client:
                fault = await _fault(client)
        assert (type(fault), fault.reason) == (UnreachableError, "unreachable")

    async def test_a_name_that_does_not_resolve_is_unreachable(self) -> None:
        class Nowhere(AbstractResolver):
            async def resolve(
                self,
                host: str,
                port: int = 0,
                family: socket.AddressFamily = socket.AF_INET,
            ) -> list[ResolveResult]:
                raise OSError(
                    socket.EAI_NONAME, "Name or service not known", host, port, family
                )

            async def close(self) -> None:
                pass

        connector = aiohttp.TCPConnector(resolver=Nowhere())
        async with aiohttp.ClientSession(connector=connector) as session:
            client = client_of("http://api.runflow.example", session=session)
            fault = await _fault(client)
        assert fault.reason == "unreachable"

    async def test_a_proxy_that_refuses_is_unreachable_and_hears_no_token(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refuses = answering(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
        )
        async with Endpoint(refuses) as proxy:
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.delenv("NO_PROXY", raising=False)
            async with client_of(
                "https://api.runflow.example", trust_env=True
            ) as client:
                fault = await _fault(client)
        assert (fault.reason, "407" in str(fault)) == ("unreachable", True)
        [connect] = proxy.requests
        assert connect.line.startswith("CONNECT")
        assert TOKEN not in str(connect)


class TestTime:
    async def test_no_answer_in_time_is_a_timeout_of_the_answer(self) -> None:
        fault = await _fault_of(Endpoint(answering(b"")), timeouts=SHORT)
        assert isinstance(fault, TimedOutError)
        assert (fault.reason, fault.phase) == ("timeout", "answer")

    @pytest.mark.parametrize("timeouts", [SHORT, QUIET])
    async def test_a_body_that_stands_still_is_a_timeout_of_the_body(
        self, timeouts: Timeouts
    ) -> None:
        stuck = answering(HEAD + b'Content-Length: 500\r\n\r\n{"id"')
        fault = await _fault_of(Endpoint(stuck), timeouts=timeouts)
        assert isinstance(fault, TimedOutError)
        assert fault.phase == "body"

    async def test_a_dial_that_takes_too_long_is_a_timeout_of_the_connection(
        self,
    ) -> None:
        class Stuck(aiohttp.TCPConnector):
            async def _create_connection(self, *_: object) -> object:  # type: ignore[override]
                raise TimeoutError

        async with aiohttp.ClientSession(connector=Stuck()) as session:
            fault = await _fault(client_of("http://127.0.0.1:1", session=session))
        assert isinstance(fault, TimedOutError)
        assert fault.phase == "connect"


class TestTls:
    @pytest.fixture
    async def secure(self) -> AsyncIterator[str]:
        """The address of a server whose certificate nobody here has heard of."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

        async def answer(_: web.BaseRequest) -> web.StreamResponse:
            return Reply().response()

        runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()

    async def test_a_certificate_that_is_not_trusted_is_named(
        self, secure: str
    ) -> None:
        async with client_of(secure) as client:
            fault = await _fault(client)
        assert (type(fault), fault.reason) == (TlsError, "tls")
        assert not fault.transient

    async def test_a_server_without_tls_on_that_port_is_named(
        self, upstream: Upstream
    ) -> None:
        async with client_of(upstream.url.replace("http:", "https:")) as client:
            assert (await _fault(client)).reason == "tls"


Scripted = Callable[[Request, Connection], Awaitable[None]]


class TestTheToken:
    @pytest.mark.parametrize(
        "answer",
        [
            answering(b"SSH-2.0\r\n\r\n"),
            answering(
                b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 64\r\n\r\n"
                + f"Bearer {TOKEN}".encode().ljust(64)
            ),
            answering(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: "
                + f"x/{TOKEN}\r\n\r\n".encode()
            ),
            answering(HEAD + b"Content-Length: 2\r\n\r\n[]"),
        ],
        ids=["malformed", "echoed", "in a header", "misshapen"],
    )
    async def test_stands_in_no_error_nor_in_what_led_to_it(
        self, answer: Scripted
    ) -> None:
        fault = await _fault_of(Endpoint(answer))
        held: list[BaseException | None] = [fault, fault.__cause__, fault.__context__]
        printed = [f"{error!r} {error} {vars(error)}" for error in held if error]
        printed += traceback.format_exception(fault)
        assert TOKEN not in " ".join(printed)

    async def test_stands_in_no_field_of_an_envelope_that_echoes_it(
        self, upstream: Upstream, client: Runflow
    ) -> None:
        echo = {"headers": [{f"k{TOKEN}": f"Bearer {TOKEN}"}]}
        upstream.says(
            Reply(status=422, json={"code": TOKEN, "message": TOKEN, "errors": [echo]})
        )
        fault = await _fault(client)
        assert TOKEN not in f"{fault!r} {vars(fault)}"
