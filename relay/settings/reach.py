"""Reach: what can be said of an address before anyone dials it.

Owns the words for an HTTP destination that is written as an address, or as ``localhost``, to which
deliveries would be refused. What is permitted is for ``relay.core.egress`` to say; names are judged when
they are dialled, for they mean nothing before they are resolved.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError

from relay.core.egress import Address, EgressPolicy, Reason, judge
from relay.settings.document import Data
from relay.settings.forms import Network

__all__ = ["unreachable"]

_WORDS: Final = {
    Reason.LOOPBACK: "a loopback address",
    Reason.PRIVATE: "a private address",
    Reason.SHARED: "an address of shared space",
    Reason.LINK_LOCAL: "a link-local address",
    Reason.METADATA: "an address of a cloud's metadata service",
    Reason.MULTICAST: "a multicast address",
    Reason.BROADCAST: "the broadcast address",
    Reason.UNSPECIFIED: "an unspecified address",
}


def unreachable(url: str, private: Data, *, shown: str = "") -> tuple[str, str] | None:
    """Say why deliveries to this URL would be refused, and what to do; ``None`` if nothing is known.

    ``private`` is as it was written. ``shown`` stands for the host where that may not be quoted.
    """
    host, addresses = _host(url)
    policy = _policy(private)
    if policy is None:
        return None
    verdicts = [judge(address, policy) for address in addresses]
    if not verdicts or any(verdict.permitted for verdict in verdicts):
        return None
    what = _WORDS.get(verdicts[0].reason, "not a public address")
    message = f"{shown or host} is {what}, and deliveries to it would be refused"
    return message, _hint(addresses[0])


def _host(url: str) -> tuple[str, tuple[Address, ...]]:
    """Give the host of a URL, and the addresses that it has without asking anyone."""
    try:
        host = urlsplit(url).hostname or ""
        if host.rstrip(".") == "localhost":
            return host, (IPv4Address("127.0.0.1"), IPv6Address("::1"))
        return host, (ip_address(host),)
    except ValueError:
        return "", ()


def _policy(private: Data) -> EgressPolicy | None:
    """Give what a setting permits; ``None`` when it is a mistake by itself."""
    if private is None or isinstance(private, bool):
        return EgressPolicy(private=bool(private))
    if not isinstance(private, list):
        return None
    try:
        return EgressPolicy(allow=tuple(Network().read(item) for item in private))
    except PydanticCustomError:
        return None


def _hint(address: Address) -> str:
    """Name the least that would permit it."""
    if judge(address, EgressPolicy(private=True)).permitted:
        return "set `private: true`"
    network = f"{address}/{address.max_prefixlen}"
    if judge(address, _policy([network]) or EgressPolicy()).permitted:
        return f"set `private: [{network}]`"
    return "no setting permits it"
