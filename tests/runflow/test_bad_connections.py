"""Whatever happens on the way has a name, and the token is in none of them."""

import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from relay.runflow import Runflow, Timeouts
from relay.runflow.errors import (
    AnswerError,
    DisconnectedError,
    NotHttpError,
    RedirectError,
    TimedOutError,
    TlsError,
    TruncatedError,
    UnauthorizedError,
    UnexpectedStatusError,
    UnreachableError,
)
from tests.deliver.endpoint import Connection, Endpoint, Request, answering
from tests.runflow.faults import HEAD, fault_of, fault_of_endpoint
from tests.runflow.upstream import TOKEN, Reply, Upstream, client_of

#: Short enough for a test to wait for, long enough for a busy machine to begin an answer.
SHORT = Timeouts(connect_s=2, silence_s=2, total_s=0.3)
QUIET = Timeouts(connect_s=2, silence_s=0.3, total_s=5)


class TestStatuses:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
    async def test_a_redirect_is_named_and_not_followed(
        self, upstream: Upstream, client: Runflow, status: int
    ) -> None:
        away = {"Location": f"{upstream.url}/v1/elsewhere"}
        upstream.says(Reply(status=status, headers=away))
        fault = await fault_of(client)
        assert (type(fault), fault.reason) == (RedirectError, "redirect")
        assert len(upstream.asked) == 1

    @pytest.mark.parametrize("status", [204, 206, 226])
    async def test_a_status_without_an_object_is_unexpected(
        self, upstream: Upstream, client: Runflow, status: int
    ) -> None:
        upstream.says(Reply(status=status))
        fault = await fault_of(client)
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

        assert isinstance(await fault_of_endpoint(Endpoint(broken)), UnauthorizedError)


class TestConnections:
    async def test_fewer_bytes_than_announced_are_truncated(self) -> None:
        async def short(_: Request, connection: Connection) -> None:
            await connection.say(HEAD + b'Content-Length: 500\r\n\r\n{"id": "a"}')
            connection.hang_up()

        fault = await fault_of_endpoint(Endpoint(short))
        assert (type(fault), fault.reason) == (TruncatedError, "truncated")

    async def test_a_reset_in_the_body_is_truncated(self) -> None:
        async def reset(_: Request, connection: Connection) -> None:
            await connection.say(HEAD + b'Content-Length: 500\r\n\r\n{"id"')
            connection.reset()

        assert (await fault_of_endpoint(Endpoint(reset))).reason in {
            "truncated",
            "disconnected",
        }

    @pytest.mark.parametrize("way", ["hang_up", "reset"])
    async def test_a_connection_that_breaks_before_an_answer_is_disconnected(
        self, way: str
    ) -> None:
        async def breaks(_: Request, connection: Connection) -> None:
            getattr(connection, way)()

        fault = await fault_of_endpoint(Endpoint(breaks))
        assert (type(fault), fault.reason) == (DisconnectedError, "disconnected")

    async def test_another_protocol_is_not_http(self) -> None:
        fault = await fault_of_endpoint(
            Endpoint(answering(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"))
        )
        assert (type(fault), fault.reason) == (NotHttpError, "not_http")

    async def test_endless_headers_are_not_http(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n"
        assert (await fault_of_endpoint(Endpoint(answering(head)))).reason == "not_http"

    async def test_a_closed_port_is_unreachable(self) -> None:
        with closing(socket.socket()) as taken:
            taken.bind(("127.0.0.1", 0))
            async with client_of(
                f"http://127.0.0.1:{taken.getsockname()[1]}"
            ) as client:
                fault = await fault_of(client)
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
            fault = await fault_of(client)
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
                fault = await fault_of(client)
        assert (fault.reason, "407" in str(fault)) == ("unreachable", True)
        [connect] = proxy.requests
        assert connect.line.startswith("CONNECT")
        assert TOKEN not in str(connect)


class TestTime:
    async def test_no_answer_in_time_is_a_timeout_of_the_answer(self) -> None:
        fault = await fault_of_endpoint(Endpoint(answering(b"")), timeouts=SHORT)
        assert isinstance(fault, TimedOutError)
        assert (fault.reason, fault.phase) == ("timeout", "answer")

    @pytest.mark.parametrize("timeouts", [SHORT, QUIET])
    async def test_a_body_that_stands_still_is_a_timeout_of_the_body(
        self, timeouts: Timeouts
    ) -> None:
        stuck = answering(HEAD + b'Content-Length: 500\r\n\r\n{"id"')
        fault = await fault_of_endpoint(Endpoint(stuck), timeouts=timeouts)
        assert isinstance(fault, TimedOutError)
        assert fault.phase == "body"

    async def test_a_dial_that_takes_too_long_is_a_timeout_of_the_connection(
        self,
    ) -> None:
        class Stuck(aiohttp.TCPConnector):
            async def _create_connection(self, *_: object) -> object:  # type: ignore[override]
                raise TimeoutError

        async with aiohttp.ClientSession(connector=Stuck()) as session:
            fault = await fault_of(client_of("http://127.0.0.1:1", session=session))
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
            fault = await fault_of(client)
        assert (type(fault), fault.reason) == (TlsError, "tls")
        assert not fault.transient

    async def test_a_server_without_tls_on_that_port_is_named(
        self, upstream: Upstream
    ) -> None:
        async with client_of(upstream.url.replace("http:", "https:")) as client:
            assert (await fault_of(client)).reason == "tls"


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
        fault = await fault_of_endpoint(Endpoint(answer))
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
        fault = await fault_of(client)
        assert TOKEN not in f"{fault!r} {vars(fault)}"
