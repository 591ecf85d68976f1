"""Peers: whose request it is, behind proxies that are trusted to say so.

Owns reading ``X-Forwarded-For`` from the right, as far as trusted proxies wrote it. Used only for
counting failures; nothing is ever allowed because of an address.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import web

__all__ = ["PeerReader"]


class PeerReader:
    """Tells a request's peer."""

    def __init__(self, trusted: Sequence[IPv4Network | IPv6Network]) -> None:
        self._trusted = tuple(trusted)

    def peer(self, request: web.BaseRequest) -> str:
        """The nearest address that no trusted proxy is; ``unknown`` where there is none."""
        nearest = request.remote or "unknown"
        hops = [
            hop.strip()
            for header in request.headers.getall("X-Forwarded-For", ())
            for hop in header.split(",")
        ]
        while hops and self._is_trusted(nearest):
            candidate = hops.pop()
            # Behind a `%` any text is an address's zone, and no zone of another machine means anything here.
            if "%" in candidate or _address(candidate) is None:
                break
            nearest = candidate
        return nearest

    def _is_trusted(self, text: str) -> bool:
        address = _address(text)
        if isinstance(address, IPv6Address):
            # As who listens on both families at once writes IPv4.
            address = address.ipv4_mapped or address
        return address is not None and any(address in net for net in self._trusted)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
