"""Egress at the dial: what ``core.egress`` decides, held for the address that is really dialled.

Owns the resolvers and the making of sockets. Must not know what is sent. Names are judged twice: when they are resolved, so that of a public and a private answer
only the permitted one is tried, and when the socket is made, where nothing stands between the address
judged and the address dialled. The second look also catches literal addresses, which aiohttp never
takes to a resolver, and a name whose answer has changed in between (DNS rebinding).
"""

import socket
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from relay.core.egress import EgressPolicy, Reason, Verdict, judge
from relay.core.ports import Executor

__all__ = [
    "DIAL",
    "AddressInfo",
    "BlockedAddressError",
    "Dial",
    "GuardedResolver",
    "SystemResolver",
    "checked",
    "guarded_socket",
]

_NUMERIC: Final = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV

AddressInfo = tuple[
    int | socket.AddressFamily,
    int | socket.SocketKind,
    int,
    str,
    tuple[object, ...],
]


@dataclass(slots=True)
class Dial:
    """What one try did on the network: how many sockets were made for it."""

    sockets: int = 0


#: The try that is under way in this task. Sockets are made in the task that asked for them, or in
#: ones that inherit its context, so that a try can tell a reused connection from a fresh one.
DIAL: Final[ContextVar[Dial | None]] = ContextVar("relay_dial", default=None)


class BlockedAddressError(OSError):
    """The policy does not permit this address. An ``OSError``, as dialling raises no other."""

    def __init__(self, host: str, reason: Reason) -> None:
        super().__init__(f"{reason.value} address {host}")


class SystemResolver(AbstractResolver):
    """The system's own resolver, asked on the executor that it is given.

    Left to the event loop, all destinations' names share a few threads (uvloop has four), and as many
    destinations whose name servers are silent would hold up every other. With one executor for each,
    a destination waits for its own names alone, and no longer than its connect timeout.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        """Give the addresses of ``host``.

        Raises:
            OSError: the name does not resolve.
            UnicodeError: it is not a name.
        """
        return await self._executor.run(lambda: _look_up(host, port, family))

    async def close(self) -> None:
        """Nothing to do: the executor is its owner's."""


class GuardedResolver(AbstractResolver):
    """A resolver that hands on only the addresses that the policy permits."""

    def __init__(self, *, policy: EgressPolicy, inner: AbstractResolver) -> None:
        self._policy = policy
        self._inner = inner

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        """Resolve ``host`` and keep what is permitted, in the order given.

        Raises:
            BlockedAddressError: there were addresses, and none is permitted.
            OSError: the name does not resolve.
        """
        try:
            found = await self._inner.resolve(host, port, family)
        except UnicodeError as error:
            # Python's own resolver encodes names as IDNA and says so in its own way.
            raise socket.gaierror(socket.EAI_NONAME, "not a host name") from error
        permitted = []
        refused = None
        for result in found:
            verdict = _judge(result["host"], self._policy)
            if verdict.permitted:
                permitted.append(result)
            else:
                refused = refused or BlockedAddressError(result["host"], verdict.reason)
        if not permitted:
            raise refused or socket.gaierror(socket.EAI_NODATA, "no address")
        return permitted

    async def close(self) -> None:
        """Close the resolver underneath."""
        await self._inner.close()


def guarded_socket(policy: EgressPolicy) -> Callable[[AddressInfo], socket.socket]:
    """Give what makes sockets, for addresses that ``policy`` permits and no others.

    What it gives raises :class:`BlockedAddressError`.
    """

    def make_socket(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        checked(str(address[0]), policy)
        if dial := DIAL.get():
            dial.sockets += 1
        return socket.socket(family, kind, protocol)

    return make_socket


def checked(host: str, policy: EgressPolicy) -> str:
    """Give an address back if it is permitted.

    Raises:
        BlockedAddressError: it is not, or it is not written as an address.
    """
    verdict = _judge(host, policy)
    if not verdict.permitted:
        raise BlockedAddressError(host, verdict.reason)
    return host


def _look_up(host: str, port: int, family: int) -> list[ResolveResult]:
    """Ask the system. Blocks, perhaps for as long as its name servers are silent."""
    found = socket.getaddrinfo(
        host,
        port,
        family=family,
        type=socket.SOCK_STREAM,
        flags=socket.AI_ADDRCONFIG,
    )
    return [
        ResolveResult(
            hostname=host,
            # With the scope, where a link-local address has one.
            host=socket.getnameinfo(address, _NUMERIC)[0],
            port=port,
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in found
    ]


def _judge(host: str, policy: EgressPolicy) -> Verdict:
    """Judge what is about to be dialled; anything but a plain literal address is refused.

    A looser text (``127.1``, ``0177.0.0.1``) would be turned into an address below us, unseen.
    """
    try:
        return judge(ip_address(host), policy)
    except ValueError:
        return Verdict(permitted=False, reason=Reason.UNSPECIFIED)
