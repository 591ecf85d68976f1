"""Egress: may this address be dialled for a destination?

Owns the special ranges, which of them a destination's word can open, and the verdict. Pure: it takes
an address and says yes or no. Where addresses come from (a name, a literal, a redirect that nobody
follows) and how one is dialled is the business of the adapter that asks, at the dial itself.

Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates), RFC 4291
(mapped and compatible), RFC 3056 (6to4), RFC 4380 (Teredo), RFC 5214 (ISATAP), RFC 6052 and RFC 8215
(NAT64), and the cloud providers' pages on their instance metadata services.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)
from typing import Final

__all__ = ["Address", "EgressPolicy", "Network", "Reason", "Verdict", "judge"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Reason(Enum):
    """Why an address may or may not be dialled; what kind of address it is."""

    PUBLIC = "public"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    SHARED = "shared"
    LINK_LOCAL = "link_local"
    RESERVED = "reserved"
    DOCUMENTATION = "documentation"
    BENCHMARK = "benchmark"
    #: An IPv4 address in IPv6 clothes; the one inside is judged too.
    EMBEDDED = "embedded"
    METADATA = "metadata"
    MULTICAST = "multicast"
    BROADCAST = "broadcast"
    UNSPECIFIED = "unspecified"


#: What ``private: true`` opens.
_PRIVATE: Final = frozenset({Reason.LOOPBACK, Reason.PRIVATE, Reason.SHARED})
#: What nothing opens, neither ``private: true`` nor a network that is allowed by name.
_NEVER: Final = frozenset(
    {Reason.METADATA, Reason.MULTICAST, Reason.BROADCAST, Reason.UNSPECIFIED}
)

# The first network that holds the address names its kind, so the narrow ones stand first.
_KINDS: Final = tuple(
    (ip_network(text), reason)
    for text, reason in (
        # Instance metadata and credential services. Most sit inside link-local or unique local
        # ranges, but 168.63.129.16 is public, and 100.x addresses are shared address space.
        ("169.254.169.254/32", Reason.METADATA),  # AWS, Azure, GCP, OCI, OpenStack, ...
        ("169.254.169.253/32", Reason.METADATA),  # AWS: the VPC's resolver
        ("169.254.170.2/32", Reason.METADATA),  # AWS ECS: task credentials
        ("169.254.170.23/32", Reason.METADATA),  # AWS EKS: pod identity
        ("169.254.42.42/32", Reason.METADATA),  # Scaleway
        ("169.254.0.23/32", Reason.METADATA),  # Tencent Cloud
        ("100.96.0.96/32", Reason.METADATA),  # Volcano Engine
        ("100.100.100.200/32", Reason.METADATA),  # Alibaba Cloud
        ("168.63.129.16/32", Reason.METADATA),  # Azure: the wire server
        ("192.0.0.192/32", Reason.METADATA),  # Oracle Cloud classic
        ("fd00:ec2::254/128", Reason.METADATA),  # AWS
        ("fd00:ec2::253/128", Reason.METADATA),  # AWS: the VPC's resolver
        ("fd00:ec2::23/128", Reason.METADATA),  # AWS EKS: pod identity
        ("fd20:ce::254/128", Reason.METADATA),  # GCP
        ("fd00:c1::a9fe:a9fe/128", Reason.METADATA),  # Oracle Cloud
        ("fe80::a9fe:a9fe/128", Reason.METADATA),  # OpenStack
        ("fd00:42::42/128", Reason.METADATA),  # Scaleway
        ("0.0.0.0/8", Reason.UNSPECIFIED),
        ("10.0.0.0/8", Reason.PRIVATE),
        ("100.64.0.0/10", Reason.SHARED),
        ("127.0.0.0/8", Reason.LOOPBACK),
        ("169.254.0.0/16", Reason.LINK_LOCAL),
        ("172.16.0.0/12", Reason.PRIVATE),
        ("192.0.0.0/24", Reason.RESERVED),
        ("192.0.2.0/24", Reason.DOCUMENTATION),
        ("192.31.196.0/24", Reason.RESERVED),
        ("192.52.193.0/24", Reason.RESERVED),
        ("192.88.99.0/24", Reason.RESERVED),
        ("192.168.0.0/16", Reason.PRIVATE),
        ("192.175.48.0/24", Reason.RESERVED),
        ("198.18.0.0/15", Reason.BENCHMARK),
        ("198.51.100.0/24", Reason.DOCUMENTATION),
        ("203.0.113.0/24", Reason.DOCUMENTATION),
        ("224.0.0.0/4", Reason.MULTICAST),
        ("255.255.255.255/32", Reason.BROADCAST),
        ("240.0.0.0/4", Reason.RESERVED),
        ("::/128", Reason.UNSPECIFIED),
        ("::1/128", Reason.LOOPBACK),
        ("::/96", Reason.EMBEDDED),  # IPv4-compatible, long deprecated
        ("::ffff:0:0/96", Reason.EMBEDDED),  # IPv4-mapped
        ("::ffff:0:0:0/96", Reason.EMBEDDED),  # IPv4-translated
        ("64:ff9b::/96", Reason.EMBEDDED),  # NAT64
        ("64:ff9b:1::/48", Reason.EMBEDDED),  # NAT64, local use
        ("2001::/32", Reason.EMBEDDED),  # Teredo
        ("2002::/16", Reason.EMBEDDED),  # 6to4
        ("2001:2::/48", Reason.BENCHMARK),
        ("2001:db8::/32", Reason.DOCUMENTATION),
        ("3fff::/20", Reason.DOCUMENTATION),
        ("2001::/23", Reason.RESERVED),
        ("2620:4f:8000::/48", Reason.RESERVED),
        ("fc00::/7", Reason.PRIVATE),
        ("fe80::/10", Reason.LINK_LOCAL),
        ("ff00::/8", Reason.MULTICAST),
        ("2000::/3", Reason.PUBLIC),  # the only global unicast space handed out
        ("::/0", Reason.RESERVED),
        ("0.0.0.0/0", Reason.PUBLIC),
    )
)

_NAT64_LOCAL: Final = IPv6Network("64:ff9b:1::/48")
_TEREDO: Final = IPv6Network("2001::/32")
_ISATAP: Final = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressPolicy:
    """What a destination's configuration says of addresses that are not public."""

    #: ``private: true``: loopback, private, shared (carrier-grade NAT) and unique local addresses.
    private: bool = False
    #: Networks named one by one; they open anything but metadata, multicast and the like.
    allow: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an address may be dialled, and what kind of address it is."""

    permitted: bool
    reason: Reason


def judge(address: Address, policy: EgressPolicy) -> Verdict:
    """Say whether ``address`` may be dialled under ``policy``. A scope id (``%eth0``) plays no part.

    An IPv4 address inside an IPv6 one is judged as well, and the stricter verdict holds: the outer
    range has to be allowed by name, and the inner address has to be permitted in its own right.
    """
    reason = _kind(address)
    if reason in _NEVER:
        return Verdict(permitted=False, reason=reason)
    if isinstance(address, IPv6Address) and (
        reason is Reason.EMBEDDED or _is_isatap(address)
    ):
        return _judge_embedded(address, policy)
    permitted = (
        reason is Reason.PUBLIC
        or (policy.private and reason in _PRIVATE)
        or _named(address, policy.allow)
    )
    return Verdict(permitted=permitted, reason=reason)


def _judge_embedded(address: IPv6Address, policy: EgressPolicy) -> Verdict:
    for inner in _embedded(address):
        verdict = judge(inner, policy)
        if not verdict.permitted:
            return verdict
    return Verdict(permitted=_named(address, policy.allow), reason=Reason.EMBEDDED)


def _named(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _kind(address: Address) -> Reason:
    return next(reason for network, reason in _KINDS if address in network)


def _is_isatap(address: IPv6Address) -> bool:
    """Whether the lower half is an interface of ISATAP, which stands behind any prefix (RFC 5214, 6.1)."""
    return address.packed[8:12] in _ISATAP


def _embedded(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """Give the IPv4 addresses that an address carries, by its range and by its interface."""
    last = IPv4Address(address.packed[12:])
    if not _is_isatap(address):
        return _by_range(address)
    return (last, *_by_range(address)) if _kind(address) is Reason.EMBEDDED else (last,)


def _by_range(address: IPv6Address) -> tuple[IPv4Address, ...]:
    packed = address.packed
    if address in _SIX_TO_FOUR:
        return (IPv4Address(packed[2:6]),)
    if address in _TEREDO:
        # The server in clear, the client with every bit turned (RFC 4380, section 4).
        client = bytes(byte ^ 0xFF for byte in packed[12:])
        return (IPv4Address(packed[4:8]), IPv4Address(client))
    if address in _NAT64_LOCAL:
        return _nat64_local(packed)
    return (IPv4Address(packed[12:]),)


def _nat64_local(packed: bytes) -> tuple[IPv4Address, ...]:
    """Give what the address carries under each prefix length that fits (RFC 6052, section 2.2).

    Only the network's owner knows whether the prefix in use is a /48, /56, /64 or /96, so that each
    reading has to be permitted. A reading that begins with the zero bits of a longer prefix is left
    out while another one remains: 0.0.0.0/8 is no one's address.
    """
    readings = (
        packed[6:8] + packed[9:11],
        packed[7:8] + packed[9:12],
        packed[9:13],
        packed[12:16],
    )
    plausible = [reading for reading in readings if reading[0]] or readings
    return tuple(IPv4Address(reading) for reading in plausible)
