"""What the tests of the HTTP sender share: senders, sending, whole answers, and a scripted resolver."""

import base64
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack

from aiohttp.abc import AbstractResolver, ResolveResult

from relay.app.system import ThreadExecutor
from relay.core.credential import Credential
from relay.core.delivery import Failed, Outcome
from relay.core.egress import EgressPolicy
from relay.core.shape import Shape
from relay.core.signature import RunflowKey
from relay.core.signing import OutgoingKey, StandardKey
from relay.deliver.egress import SystemResolver
from relay.deliver.http import HttpSender
from relay.deliver.http_options import (
    BasicAuth,
    BearerAuth,
    Format,
    HttpOptions,
    Proxy,
)
from tests.deliver.conformance import FixedClock, first, parcel

__all__ = [
    "KEYS",
    "NEW",
    "OLD",
    "SHORT_S",
    "Names",
    "fail",
    "said",
    "send",
    "sender_to",
]

OLD, NEW = (
    "whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)
)
KEYS = (
    Credential(id="new", key=StandardKey.parse(NEW)),
    Credential(id="old", key=StandardKey.parse(OLD)),
)
#: Short enough for a test to wait for, long enough for a busy machine to answer within.
SHORT_S = 0.3


class More(TypedDict, total=False):
    """What else can be said of a destination."""

    runflow_keys: tuple[Credential[RunflowKey], ...]
    format: Format
    shape: Shape
    headers: tuple[tuple[str, str], ...]
    auth: BearerAuth | BasicAuth | None
    proxy: Proxy | None


def sender_to(
    url: str,
    *,
    keys: tuple[Credential[OutgoingKey], ...] = KEYS,
    concurrency: int = 4,
    connect_timeout_s: float = 5.0,
    total_timeout_s: float = 5.0,
    response_bytes: int = 1024,
    clock: FixedClock | None = None,
    tls: ssl.SSLContext | None = None,
    resolver: AbstractResolver | None = None,
    policy: EgressPolicy | None = None,
    **more: Unpack[More],
) -> HttpSender:
    return HttpSender(
        options=HttpOptions(
            url=url,
            keys=keys,
            concurrency=concurrency,
            connect_timeout_s=connect_timeout_s,
            total_timeout_s=total_timeout_s,
            response_bytes=response_bytes,
            **more,
        ),
        policy=policy or EgressPolicy(private=True),
        clock=clock or FixedClock(),
        version="1.2.3",
        tls=tls,
        # A thread that waits for more ends with the tests.
        resolver=resolver or SystemResolver(ThreadExecutor("names")),
    )


async def send(sender: HttpSender, number: int = 1) -> Outcome:
    return first(await sender.send([parcel(number)]))


async def fail(sender: HttpSender) -> Failed:
    outcome = await send(sender)
    assert isinstance(outcome, Failed)
    return outcome


def said(status: int, *headers: str, body: bytes = b"") -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status} Word", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Names(AbstractResolver):
    """Gives scripted addresses for names, another answer each time until the last, which stays."""

    def __init__(self, answers: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._answers = {name: list(given) for name, given in answers.items()}
        self.asked: list[str] = []

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - the port of aiohttp has it
    ) -> list[ResolveResult]:
        self.asked.append(host)
        left = self._answers.get(host)
        if left is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        pass
