"""A name server that changes its answer finds nobody who believes the second one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from aiohttp import TCPConnector

from relay.core.delivery import Delivered, Refused
from relay.core.egress import EgressPolicy
from relay.deliver.http import HttpSender
from relay.deliver.http_options import Proxy
from tests.deliver.conformance import first
from tests.deliver.endpoint import Endpoint
from tests.deliver.name_server import AskingResolver, NameServer
from tests.deliver.posting import Names, fail, send, sender_to
from tests.deliver.proxy import ConnectProxy

#: Stands for the public address that the name has when it is looked at, and for an inner one.
OUTER, INNER = "127.0.0.1", "::1"
POLICY = EgressPolicy(allow=(ip_network(OUTER),))


class Town:
    """The endpoint that was meant, the service that was not, and who says where the name is."""

    def __init__(self, meant: Endpoint, inner: Endpoint, names: NameServer) -> None:
        self.meant = meant
        self.inner = inner
        self.names = names

    def sender(self, proxy: Proxy | None = None) -> HttpSender:
        return sender_to(
            f"http://rebind.test:{self.meant.port}/",
            policy=POLICY,
            resolver=AskingResolver(self.names),
            proxy=proxy,
        )


@asynccontextmanager
async def town(*answers: list[str]) -> AsyncIterator[Town]:
    async with (
        Endpoint() as meant,
        Endpoint(host=INNER, port=meant.port) as inner,
        NameServer(answers) as names,
    ):
        yield Town(meant, inner, names)


def forget_names(sender: HttpSender) -> None:
    """As if the few seconds had passed for which an answer is kept."""
    connector = sender._session.connector
    assert isinstance(connector, TCPConnector)
    connector.clear_dns_cache()


async def test_what_is_dialled_is_what_was_judged() -> None:
    """The answer changes the moment it has been given: nobody asks again before the dial."""
    async with town([OUTER], [INNER]) as it:
        sender = it.sender()
        assert isinstance(await send(sender), Delivered)
        await sender.close()
        assert it.names.asked == ["rebind.test"]
        assert len(it.meant.requests) == 1
        assert it.inner.connections == []


async def test_the_next_look_up_is_judged_anew() -> None:
    async with town([OUTER], [INNER]) as it:
        sender = it.sender()
        assert isinstance(await send(sender), Delivered)
        first(it.meant.connections).reset()
        forget_names(sender)
        outcome = await send(sender)
        await sender.close()
        assert isinstance(outcome, Refused)
        assert (outcome.reason, outcome.detail) == (
            "blocked_address",
            f"loopback address {INNER}",
        )
        assert it.inner.connections == []


@pytest.mark.parametrize("answer", [[OUTER, INNER], [INNER, OUTER]], ids=" ".join)
async def test_of_a_public_and_an_inner_address_only_the_public_one_is_used(
    answer: list[str],
) -> None:
    async with town(answer) as it:
        sender = it.sender()
        assert isinstance(await send(sender), Delivered)
        await sender.close()
        assert len(it.meant.requests) == 1
        assert it.inner.connections == []


async def test_an_inner_address_is_no_second_choice() -> None:
    """The public one does not answer, and the other is not tried."""
    async with Endpoint() as gone:
        port = gone.port
    async with (
        Endpoint(host=INNER, port=port) as inner,
        NameServer([[OUTER, INNER]]) as names,
    ):
        sender = sender_to(
            f"http://rebind.test:{port}/", policy=POLICY, resolver=AskingResolver(names)
        )
        outcome = await fail(sender)
        await sender.close()
        assert outcome.reason == "connect"
        assert inner.connections == []


async def test_a_proxy_is_told_the_address_that_was_judged() -> None:
    async with town([OUTER], [INNER]) as it, ConnectProxy() as proxy:
        sender = it.sender(Proxy(host="127.0.0.1", port=proxy.port))
        connector = sender._session.connector
        assert connector is not None
        connector._names._inner = Names({"127.0.0.1": [["127.0.0.1"]]})  # type: ignore[attr-defined] # the proxy's own name is not what this is about
        assert isinstance(await send(sender), Delivered)
        first(it.meant.connections).reset()
        forget_names(sender)
        assert isinstance(await send(sender), Refused)
        await sender.close()
        assert proxy.targets == [f"{OUTER}:{it.meant.port}"]
        assert it.inner.connections == []
