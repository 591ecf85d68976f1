"""Which addresses a destination may be dialled at."""

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from relay.core.egress import Address, EgressPolicy, Network, Reason, judge
from tests.core.outside_addresses import METADATA, REGISTERED

PUBLIC_ONLY = EgressPolicy()
PRIVATE = EgressPolicy(private=True)
EVERYTHING = EgressPolicy(
    private=True, allow=(ip_network("0.0.0.0/0"), ip_network("::/0"))
)

#: Written down apart from the module's own table, from the IANA registries.
SPECIAL = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/96",
    "::ffff:0:0/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
)


def of(network: Network) -> st.SearchStrategy[Address]:
    first, last = int(network[0]), int(network[-1])
    kind = IPv4Address if isinstance(network, IPv4Network) else IPv6Address
    return st.integers(first, last).map(kind)


special = st.sampled_from([ip_network(text) for text in SPECIAL]).flatmap(of)
v4 = st.integers(0, 2**32 - 1).map(IPv4Address)
#: 0.0.0.0/8 fits no clothes: ::0.0.0.1 is the loopback address itself.
dressable = st.integers(2**24, 2**32 - 1).map(IPv4Address)
v6 = st.integers(0, 2**128 - 1).map(IPv6Address)
anything = st.one_of(v4, v6, special)
networks = st.sampled_from([ip_network(text) for text in SPECIAL])
policies = st.builds(
    EgressPolicy,
    private=st.booleans(),
    allow=st.lists(networks, max_size=4).map(tuple),
)


def clothes(inner: IPv4Address) -> list[IPv6Address]:
    """Every way to write an IPv4 address into an IPv6 one that something on the way undoes."""
    number = int(inner)
    high, low = number >> 16, number & 0xFFFF
    turned = number ^ 0xFFFFFFFF
    middle = (number >> 8) & 0xFF
    return [
        IPv6Address(number),
        IPv6Address((0xFFFF << 32) | number),
        IPv6Address((0xFFFF << 48) | number),
        IPv6Address(int(IPv6Address("64:ff9b::")) | number),
        IPv6Address(int(IPv6Address("64:ff9b:1::")) | number),
        IPv6Address(
            int(IPv6Address("64:ff9b:1::")) | (high << 64) | ((number & 0xFFFF) << 40)
        ),
        IPv6Address(
            int(IPv6Address("64:ff9b:1::"))
            | ((number >> 24) << 64)
            | ((((number >> 16) & 0xFF) << 16 | middle << 8 | (number & 0xFF)) << 32)
        ),
        IPv6Address(int(IPv6Address("64:ff9b:1::")) | (number << 24)),
        IPv6Address((0x2002 << 112) | (high << 96) | (low << 80) | 1),
        IPv6Address((0x20010000 << 96) | (number << 64)),
        IPv6Address((0x20010000 << 96) | (0x08080808 << 64) | turned),
        IPv6Address(int(IPv6Address("2606:4700::5efe:0:0")) | number),
        IPv6Address(int(IPv6Address("fd12::200:5efe:0:0")) | number),
    ]


@given(special)
def test_no_special_address_is_dialled_by_default(address: Address) -> None:
    assert not judge(address, PUBLIC_ONLY).permitted


@pytest.mark.parametrize("row", REGISTERED)
def test_no_row_of_the_registries_is_dialled_by_default(row: str) -> None:
    """First, last and middle of each; rows that are globally reachable serve no webhooks either."""
    network = ip_network(row)
    for number in {0, network.num_addresses // 2, network.num_addresses - 1}:
        assert not judge(network[number], PUBLIC_ONLY).permitted


@given(anything)
def test_what_the_standard_library_calls_not_global_is_refused(
    address: Address,
) -> None:
    if not address.is_global:
        assert not judge(address, PUBLIC_ONLY).permitted


@pytest.mark.parametrize(
    "text",
    [
        "8.8.8.8",
        "1.1.1.1",
        "172.15.255.255",
        "172.32.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "2606:4700:4700::1111",
        "2a00:1450:4001:831::200e",
    ],
)
def test_a_public_address_is_dialled(text: str) -> None:
    verdict = judge(ip_address(text), PUBLIC_ONLY)
    assert (verdict.permitted, verdict.reason) == (True, Reason.PUBLIC)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("127.0.0.1", Reason.LOOPBACK),
        ("127.255.255.255", Reason.LOOPBACK),
        ("::1", Reason.LOOPBACK),
        ("10.0.0.1", Reason.PRIVATE),
        ("172.16.0.1", Reason.PRIVATE),
        ("192.168.1.1", Reason.PRIVATE),
        ("fd12:3456::1", Reason.PRIVATE),
        ("100.64.0.1", Reason.SHARED),
    ],
)
def test_private_opens_what_is_private(text: str, reason: Reason) -> None:
    closed, opened = (judge(ip_address(text), p) for p in (PUBLIC_ONLY, PRIVATE))
    assert (False, reason) == (closed.permitted, closed.reason)
    assert (True, reason) == (opened.permitted, opened.reason)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("0.0.0.0", Reason.UNSPECIFIED),  # noqa: S104 - an address to refuse, not to bind
        ("0.1.2.3", Reason.UNSPECIFIED),
        ("::", Reason.UNSPECIFIED),
        ("224.0.0.1", Reason.MULTICAST),
        ("ff02::1", Reason.MULTICAST),
        ("255.255.255.255", Reason.BROADCAST),
        *((text, Reason.METADATA) for text in METADATA),
    ],
)
@pytest.mark.parametrize("policy", [PUBLIC_ONLY, PRIVATE, EVERYTHING], ids=str)
def test_some_addresses_nothing_opens(
    text: str, reason: Reason, policy: EgressPolicy
) -> None:
    verdict = judge(ip_address(text), policy)
    assert (False, reason) == (verdict.permitted, verdict.reason)


@given(policies)
def test_a_metadata_address_is_refused_in_any_clothes(policy: EgressPolicy) -> None:
    wide = EgressPolicy(
        private=policy.private, allow=(*policy.allow, *EVERYTHING.allow)
    )
    for text in METADATA:
        address = ip_address(text)
        assert not judge(address, wide).permitted
        if isinstance(address, IPv4Address):
            refused = [judge(dressed, wide).permitted for dressed in clothes(address)]
            assert [False] * len(refused) == refused


closed = st.sampled_from(
    [ip_network(text) for text in SPECIAL[1:] if ":" not in text]
).flatmap(of)


@given(inner=closed, policy=policies)
@example(inner=IPv4Address("169.254.169.254"), policy=EVERYTHING)
@example(inner=IPv4Address("10.0.0.1"), policy=EgressPolicy(allow=EVERYTHING.allow[1:]))
def test_clothes_never_open_what_is_closed_without_them(
    inner: Address, policy: EgressPolicy
) -> None:
    assert isinstance(inner, IPv4Address)
    assume(not judge(inner, policy).permitted)
    for dressed in clothes(inner):
        assert not judge(dressed, policy).permitted


@given(dressable)
def test_an_embedded_address_is_refused_unless_its_range_is_named(
    inner: IPv4Address,
) -> None:
    for dressed in clothes(inner):
        assert not judge(dressed, PRIVATE).permitted


@pytest.mark.parametrize(
    "outer, text",
    [
        ("64:ff9b::/96", "64:ff9b::8.8.8.8"),
        ("64:ff9b:1::/48", "64:ff9b:1::8.8.8.8"),
        ("64:ff9b:1::/48", "64:ff9b:1:808:8:800::"),
        ("2002::/16", "2002:808:808::1"),
        ("2606:4700::/32", "2606:4700::5efe:808:808"),
    ],
)
def test_a_named_nat64_network_opens_public_addresses_inside(
    outer: str, text: str
) -> None:
    """A cluster that has IPv6 only reaches the rest of the world in this way."""
    policy = EgressPolicy(allow=(IPv6Network(outer),))
    assert judge(IPv6Address(text), policy).permitted
    inside = IPv6Address("64:ff9b::10.0.0.1")
    assert not judge(inside, policy).permitted


@pytest.mark.parametrize(
    "text, permitted",
    [
        ("2002:808:808::5efe:808:808", True),
        ("2002:a00:1::5efe:808:808", False),
        ("2002:808:808::5efe:a00:1", False),
        ("64:ff9b:1:a00:0:15fe:808:808", False),
    ],
)
def test_one_address_inside_hides_no_other(text: str, permitted: bool) -> None:
    """6to4 by its range and ISATAP by its interface: each is where something may end."""
    policy = EgressPolicy(allow=(ip_network("::/0"),))
    assert judge(IPv6Address(text), policy).permitted is permitted


def test_a_named_network_opens_itself_and_no_more() -> None:
    policy = EgressPolicy(allow=(ip_network("10.1.0.0/16"), ip_network("fd00:1::/32")))
    verdicts = {
        text: judge(ip_address(text), policy).permitted
        for text in ("10.1.2.3", "10.2.0.1", "fd00:1::5", "fd00:2::5", "127.0.0.1")
    }
    assert verdicts == {
        "10.1.2.3": True,
        "10.2.0.1": False,
        "fd00:1::5": True,
        "fd00:2::5": False,
        "127.0.0.1": False,
    }


def test_private_does_not_open_link_local_and_a_named_network_does() -> None:
    address = ip_address("169.254.10.1")
    assert not judge(address, PRIVATE).permitted
    named = EgressPolicy(allow=(ip_network("169.254.0.0/16"),))
    assert judge(address, named).permitted
    assert not judge(ip_address("169.254.169.254"), named).permitted


def test_a_scope_changes_nothing() -> None:
    assert not judge(IPv6Address("fe80::a9fe:a9fe%eth0"), EVERYTHING).permitted
    assert not judge(IPv6Address("fe80::1%1"), PRIVATE).permitted


@given(anything, policies)
def test_a_verdict_does_not_depend_on_what_else_is_allowed_being_less(
    address: Address, policy: EgressPolicy
) -> None:
    """Opening more never closes anything."""
    if judge(address, policy).permitted:
        wider = EgressPolicy(
            private=True, allow=(*policy.allow, ip_network("10.0.0.0/8"))
        )
        assert judge(address, wider).permitted
