"""Through a proxy nothing is reached that would not be dialled without it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest
import trustme

from relay.core.delivery import Delivered, Failed, Fault, Refused
from relay.core.egress import EgressPolicy
from relay.deliver.http_options import BasicAuth, Proxy
from tests.deliver.conformance import first
from tests.deliver.endpoint import OK, Endpoint
from tests.deliver.posting import SHORT_S, Names, fail, send, sender_to
from tests.deliver.proxy import ConnectProxy

#: The endpoint stands at an address that stands for a public one; the proxy's is not in it.
POLICY = EgressPolicy(allow=(ip_network("127.0.0.1/32"),))
LOGIN = BasicAuth(username="relay", password="hunter2hunter2")


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
async def proxy() -> AsyncIterator[ConnectProxy]:
    async with ConnectProxy(hosts="::1") as proxy:
        yield proxy


def at(proxy: ConnectProxy, auth: BasicAuth | None = None) -> Proxy:
    return Proxy(host="::1", port=proxy.port, auth=auth)


async def test_the_proxy_is_asked_for_the_address_that_was_judged(
    endpoint: Endpoint, proxy: ConnectProxy
) -> None:
    """It never hears the name, so that it cannot find another address behind it."""
    sender = sender_to(
        f"http://orders.test:{endpoint.port}/hooks",
        policy=POLICY,
        resolver=Names({"orders.test": [["127.0.0.1"]], "::1": [["::1"]]}),
        proxy=at(proxy),
    )
    assert isinstance(await send(sender), Delivered)
    assert isinstance(await send(sender), Delivered)
    await sender.close()
    assert proxy.targets == [f"127.0.0.1:{endpoint.port}"]
    assert "orders.test" not in first(proxy.heads)
    request = first(endpoint.requests[:1])
    assert request.line == "POST /hooks HTTP/1.1"
    assert request.headers["host"] == f"orders.test:{endpoint.port}"


async def test_tls_goes_through_with_the_name_that_was_meant(
    proxy: ConnectProxy,
) -> None:
    authority = trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("orders.test").configure_cert(serving)
    names: list[str | None] = []
    serving.sni_callback = lambda _socket, name, _context: names.append(name)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
        await writer.drain()
        writer.close()

    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    found = Names(
        {
            name: [["127.0.0.1"]] if name.endswith(".test") else [[name]]
            for name in ("orders.test", "others.test", "::1")
        }
    )
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=serving)
    async with server:
        port = server.sockets[0].getsockname()[1]
        outcomes = []
        for host in ("orders.test", "others.test"):
            sender = sender_to(
                f"https://{host}:{port}/",
                policy=POLICY,
                resolver=found,
                tls=trust,
                proxy=at(proxy, LOGIN),
            )
            outcomes.append(await send(sender))
            await sender.close()
    right, wrong = outcomes
    assert isinstance(right, Delivered)
    assert isinstance(wrong, Failed)
    assert wrong.reason == "tls"
    assert names == ["orders.test", "others.test"]
    # The login is the proxy's alone, and what it carries is not for it to read.
    assert f"Proxy-Authorization: {LOGIN.header}" in proxy.heads[0]
    assert b"POST" not in proxy.seen


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "127.0.0.3", "[::2]", "[64:ff9b::10.0.0.1]", "inside.test"]
)
async def test_the_guard_holds_as_without_a_proxy(
    proxy: ConnectProxy, host: str
) -> None:
    names = Names({"inside.test": [["10.0.0.1"]], "::1": [["::1"]]})
    sender = sender_to(
        f"http://{host}:8080/", policy=POLICY, resolver=names, proxy=at(proxy)
    )
    outcome = await send(sender)
    await sender.close()
    assert isinstance(outcome, Refused)
    assert outcome.reason == "blocked_address"
    assert proxy.heads == []


async def test_metadata_is_never_asked_for_and_never_a_proxy(
    proxy: ConnectProxy,
) -> None:
    everything = EgressPolicy(private=True, allow=(ip_network("0.0.0.0/0"),))
    names = Names({host: [[host]] for host in ("::1", "169.254.169.254")})
    sender = sender_to(
        "http://169.254.169.254/", policy=everything, resolver=names, proxy=at(proxy)
    )
    outcome = await send(sender)
    await sender.close()
    assert isinstance(outcome, Refused)
    sender = sender_to(
        "http://127.0.0.1/",
        policy=everything,
        resolver=names,
        proxy=Proxy(host="169.254.169.254", port=80),
    )
    failed = await fail(sender)
    await sender.close()
    assert (failed.reason, failed.detail) == (
        "proxy",
        "metadata address 169.254.169.254",
    )
    assert proxy.heads == []


async def test_what_the_proxy_is_given_past_the_resolver_is_judged_again(
    proxy: ConnectProxy,
) -> None:
    names = Names({"orders.test": [["10.0.0.1"]], "::1": [["::1"]]})
    sender = sender_to(
        "http://orders.test/", policy=POLICY, resolver=names, proxy=at(proxy)
    )
    connector = sender._session.connector
    assert connector is not None
    connector._resolver = names  # type: ignore[attr-defined] # no guard before the dial
    outcome = await send(sender)
    await sender.close()
    assert isinstance(outcome, Refused)
    assert proxy.heads == []


@pytest.mark.parametrize(
    "says, detail",
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "answered CONNECT with 407"),
        (b"HTTP/1.1 403 Forbidden\r\nX-Why: hunter2hunter2\r\n\r\n", "answered CONNECT with 403"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n", "answered CONNECT with 302"),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "malformed answer to CONNECT"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "spoke out of turn"),
        (b"", "no answer to CONNECT"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 20_000, "no answer to CONNECT"),
    ],
    ids=["login", "forbidden", "redirect", "not http", "early", "nothing", "endless"],
)  # fmt: skip
async def test_a_proxy_that_does_not_connect_is_the_destinations_fault(
    proxy: ConnectProxy, endpoint: Endpoint, says: bytes, detail: str
) -> None:
    proxy.says = says
    sender = sender_to(endpoint.url, policy=POLICY, proxy=at(proxy, LOGIN))
    outcome = await fail(sender)
    await sender.close()
    assert (outcome.reason, outcome.fault) == ("proxy", Fault.DESTINATION)
    assert detail == outcome.detail or "nothing" not in detail
    assert "hunter2" not in repr(outcome)
    assert endpoint.connections == []


async def test_an_endpoint_that_the_proxy_cannot_reach_is_a_failure(
    proxy: ConnectProxy,
) -> None:
    async with Endpoint() as endpoint:
        url = endpoint.url
    sender = sender_to(url, policy=POLICY, proxy=at(proxy))
    outcome = await fail(sender)
    await sender.close()
    assert (outcome.reason, outcome.detail) == ("proxy", "answered CONNECT with 502")
    assert len(proxy.heads) == 1


async def test_a_proxy_that_is_away_is_a_failure(endpoint: Endpoint) -> None:
    async with ConnectProxy() as gone:
        port = gone.port
    sender = sender_to(endpoint.url, proxy=Proxy(host="127.0.0.1", port=port))
    outcome = await fail(sender)
    await sender.close()
    assert (outcome.reason, outcome.fault) == ("proxy", Fault.DESTINATION)
    assert endpoint.connections == []


async def test_a_proxy_that_is_silent_is_waited_for_as_long_as_a_connection() -> None:
    async with Endpoint(reads=False) as silent:

        async def wait(_request: object, _connection: object) -> None:
            await asyncio.Event().wait()

        silent.answer = wait
        sender = sender_to(
            "http://127.0.0.1:9/",
            connect_timeout_s=SHORT_S,
            proxy=Proxy(host="127.0.0.1", port=silent.port),
        )
        outcome = await fail(sender)
        await sender.close()
    assert outcome.reason == "connect_timeout"
    assert outcome.duration_us < 3_000_000


async def test_of_several_addresses_the_first_that_is_reached_is_used(
    endpoint: Endpoint, proxy: ConnectProxy
) -> None:
    wide = EgressPolicy(allow=(ip_network("127.0.0.0/8"), ip_network("::1/128")))
    names = Names({"orders.test": [["::1", "127.0.0.1"]], "::1": [["::1"]]})
    sender = sender_to(
        f"http://orders.test:{endpoint.port}/",
        policy=wide,
        resolver=names,
        proxy=at(proxy),
    )
    assert isinstance(await send(sender), Delivered)
    await sender.close()
    port = endpoint.port
    assert proxy.targets[-1] == f"127.0.0.1:{port}"
    assert set(proxy.targets) <= {f"[::1]:{port}", f"127.0.0.1:{port}"}
