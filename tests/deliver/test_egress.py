"""No address is dialled that the policy does not permit, however it is written or found."""

import socket
from ipaddress import ip_address, ip_network

import pytest
from aiohttp import ClientConnectorError, ClientSession, TCPConnector
from aiohttp.abc import AbstractResolver
from pydantic_core import PydanticCustomError

from relay.core.delivery import Delivered, Failed, Fault, Outcome, Refused
from relay.core.egress import EgressPolicy, judge
from relay.deliver.connector import guarded_connector
from relay.deliver.egress import BlockedAddressError
from relay.settings.forms import HttpUrl
from tests.core.outside_addresses import METADATA, SPELLINGS, TRICKS
from tests.deliver.conformance import first
from tests.deliver.endpoint import Endpoint
from tests.deliver.posting import Names, send, sender_to

PUBLIC_ONLY = EgressPolicy()
PRIVATE = EgressPolicy(private=True)
EVERYTHING = EgressPolicy(
    private=True, allow=(ip_network("0.0.0.0/0"), ip_network("::/0"))
)


async def send_to(
    url: str, policy: EgressPolicy, resolver: AbstractResolver | None = None
) -> Outcome:
    sender = sender_to(url, policy=policy, resolver=resolver)
    try:
        return await send(sender)
    finally:
        await sender.close()


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that a socket was asked to connect to, in order."""
    hosts: list[str] = []
    connect = socket.socket.connect

    def note(self: socket.socket, address: tuple[str, int]) -> None:
        hosts.append(address[0])
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", note)
    return hosts


@pytest.mark.parametrize("host", SPELLINGS)
async def test_a_literal_address_is_judged_in_every_spelling(
    host: str, dialled: list[str]
) -> None:
    async with Endpoint() as endpoint:
        outcome = await send_to(f"http://{host}:{endpoint.port}/", PUBLIC_ONLY)
        assert endpoint.connections == []
    assert dialled == []
    if isinstance(outcome, Failed):
        # No address at all, to this machine's resolver.
        assert (outcome.reason, outcome.fault) == ("dns", Fault.DESTINATION)
    else:
        assert isinstance(outcome, Refused)
        assert outcome.reason in {"blocked_address", "bad_url"}


@pytest.mark.parametrize(
    "address",
    [
        *METADATA,
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2606:4700::5efe:a9fe:a9fe",
    ],
)
@pytest.mark.parametrize("policy", [PRIVATE, EVERYTHING], ids=["private", "all"])
async def test_metadata_is_never_dialled(
    address: str, policy: EgressPolicy, dialled: list[str]
) -> None:
    """Neither as a literal nor behind a name, whatever the destination's configuration says."""
    literal = f"[{address}]" if ":" in address else address
    resolver = Names({"metadata.test": [[address]]})
    for host in (literal, "metadata.test"):
        outcome = await send_to(f"http://{host}/", policy, resolver)
        assert isinstance(outcome, Refused)
        assert outcome.reason == "blocked_address"
    assert dialled == []


@pytest.mark.parametrize("url", TRICKS)
async def test_what_two_programs_read_as_two_places_is_no_url(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The configuration refuses it; and whatever a sender made of it, it dials what it has judged."""
    with pytest.raises(PydanticCustomError):
        HttpUrl(query=True).read(url)
    dialled = []

    def note(_self: socket.socket, address: tuple[str, int]) -> None:
        dialled.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", note)
    assert not isinstance(await send_to(url, PUBLIC_ONLY, Names({})), Delivered)
    assert all(judge(ip_address(host), PUBLIC_ONLY).permitted for host in dialled)


async def test_private_opens_a_private_address(dialled: list[str]) -> None:
    async with Endpoint() as endpoint:
        assert isinstance(await send_to(endpoint.url, PRIVATE), Delivered)
    assert dialled == ["127.0.0.1"]


async def test_a_named_network_opens_a_private_address() -> None:
    policy = EgressPolicy(allow=(ip_network("127.0.0.0/30"),))
    async with Endpoint() as endpoint:
        assert isinstance(await send_to(endpoint.url, policy), Delivered)


async def test_of_two_addresses_only_the_permitted_one_is_dialled(
    dialled: list[str],
) -> None:
    policy = EgressPolicy(allow=(ip_network("127.0.0.1/32"),))
    resolver = Names({"orders.test": [["10.0.0.1", "fd00::1", "127.0.0.1"]]})
    async with Endpoint() as endpoint:
        url = f"http://orders.test:{endpoint.port}/"
        assert isinstance(await send_to(url, policy, resolver), Delivered)
    assert dialled == ["127.0.0.1"]


async def test_a_name_with_no_permitted_address_is_refused(dialled: list[str]) -> None:
    resolver = Names({"orders.test": [["10.0.0.1", "127.0.0.1", "fd00::1"]]})
    outcome = await send_to("http://orders.test/", PUBLIC_ONLY, resolver)
    assert isinstance(outcome, Refused)
    assert outcome.reason == "blocked_address"
    assert outcome.detail == "private address 10.0.0.1"
    assert dialled == []


async def test_a_name_that_changes_its_answer_is_judged_again(
    dialled: list[str],
) -> None:
    """DNS rebinding: permitted when first asked, this machine's own service the next time."""
    policy = EgressPolicy(allow=(ip_network("127.0.0.1/32"),))
    resolver = Names({"orders.test": [["127.0.0.1"], ["10.0.0.1"]]})
    async with Endpoint() as endpoint:
        sender = sender_to(
            f"http://orders.test:{endpoint.port}/", policy=policy, resolver=resolver
        )
        assert isinstance(await send(sender), Delivered)
        connector = sender._session.connector
        assert isinstance(connector, TCPConnector)
        connector.clear_dns_cache()
        first(endpoint.connections).reset()
        outcome = await send(sender)
        await sender.close()
    assert isinstance(outcome, Refused)
    assert dialled == ["127.0.0.1"]


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["127.0.0.1", "10.0.0.1", "::1"], ["127.1"], ["localhost"]],
    ids=" ".join,
)
async def test_what_gets_past_the_resolver_is_stopped_at_the_dial(
    addresses: list[str], dialled: list[str]
) -> None:
    """The socket itself is judged, so that no way to an address goes round the judgement."""
    names = Names({"orders.test": [addresses]})
    connector = guarded_connector(PUBLIC_ONLY, limit=1, resolver=names)
    connector._resolver = names
    async with Endpoint() as endpoint, ClientSession(connector=connector) as session:
        with pytest.raises(ClientConnectorError) as caught:
            await session.post(f"http://orders.test:{endpoint.port}/")
    assert isinstance(caught.value.os_error, BlockedAddressError)
    assert dialled == []


@pytest.mark.parametrize(
    "host", ["nowhere.test", "silent.test", "a..b.test", "x" * 300 + ".b.test"]
)
async def test_a_name_that_gives_no_address_is_a_failure(host: str) -> None:
    # The system's resolver stumbles over the last two before it asks anyone.
    resolver = Names({"silent.test": [[]]}) if host.count(".") == 1 else None
    outcome = await send_to(f"http://{host}/", PUBLIC_ONLY, resolver)
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.fault) == ("dns", Fault.DESTINATION)


async def test_a_name_is_asked_once_a_try() -> None:
    """Only a connection that lay idle earns a second go."""
    resolver = Names({})
    await send_to("http://nowhere.test/", PUBLIC_ONLY, resolver)
    assert resolver.asked == ["nowhere.test"]
