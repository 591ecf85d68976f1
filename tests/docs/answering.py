"""What an endpoint of the page has to answer, whatever language it is written in.

Owns the deliveries, true ones and others, the program as a process, and asking it. The cases for `v1a` are here
as well, so that each language is asked the same.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypedDict

from relay.core.signing import OutgoingKey, PrivateKey, StandardKey, sign
from tests.docs.desk import ask, until
from tests.places import HOST

__all__ = [
    "KEY",
    "OTHER",
    "SECRET",
    "V1A",
    "Case",
    "Endpoint",
    "headers",
    "running",
    "said_of",
    "v1a_cases",
]

SHARED: Final = StandardKey(b"s" * 32)
SECRET: Final = SHARED.text
KEY, OTHER = PrivateKey(b"k" * 32), PrivateKey(b"o" * 32)
V1A: Final = KEY.public
ID: Final = "7e58b50b-9125-5105-8d53-2c5c5b2df5e7"
EVENT: Final = (
    b'{"specversion":"1.0","id":"7e58b50b-9125-5105-8d53-2c5c5b2df5e7","type":"io.runflow.run.succeeded",'
    b'"subject":"run-7","revision":1,"data":{"output":{"total":1.10,"name":"M\xc3\xbcller"}}}'
)


class Case(TypedDict):
    """What is asked about a signature, and the right answer."""

    name: str
    headers: dict[str, str]
    body: str
    good: bool


def headers(
    body: bytes, *keys: OutgoingKey, ago: int = 0, identifier: str = ID
) -> dict[str, str]:
    at = int(time.clock_gettime(time.CLOCK_REALTIME)) - ago
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(at),
        "webhook-signature": sign(identifier, at, body, keys),
    }


def v1a_cases() -> list[Case]:
    """What `verify` is asked, in any language."""
    good = headers(EVENT, KEY)
    kept, changed = EVENT.decode(), EVENT.decode() + " "
    return [
        {"name": name, "headers": given, "body": body, "good": right}
        for name, given, body, right in (
            ("its own", good, kept, True),
            ("among others", headers(EVENT, SHARED, OTHER, KEY), kept, True),
            ("another key", headers(EVENT, OTHER, SHARED), kept, False),
            ("another body", good, changed, False),
            ("another id", good | {"webhook-id": "other"}, kept, False),
            ("too old", headers(EVENT, KEY, ago=310), kept, False),
            ("not yet", headers(EVENT, KEY, ago=-310), kept, False),
            ("no base64", good | {"webhook-signature": "v1a,x"}, kept, False),
            ("no version", good | {"webhook-signature": "x"}, kept, False),
            ("v1 alone", headers(EVENT, SHARED), kept, False),
        )
    ]


class Endpoint:
    """A program that listens."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self._log = log

    def said(self) -> str:
        return self._log.read_text()

    def status(self, body: bytes, given: dict[str, str]) -> int:
        """What it answers, whatever it is."""
        return ask(self.port, "/hooks", body=body, headers=given)[0]


@contextmanager
def running(command: Sequence[str | Path], port: int, log: Path) -> Iterator[Endpoint]:
    """The program, listening."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command],
            cwd=log.parent,
            env={**os.environ, "ORDERS_SECRET": SECRET},
            stdout=out,
            stderr=out,
        )

    def listens() -> bool:
        assert process.poll() is None, log.read_text()
        with suppress(OSError), socket.create_connection((HOST, port), 1):
            return True
        return False

    try:
        until(listens, what="the endpoint")
        yield Endpoint(port, log)
    finally:
        process.kill()
        process.wait()


def said_of(endpoint: Endpoint) -> dict[str, int]:
    """What it answers to a true delivery and to others."""
    good = headers(EVENT, SHARED)
    return {
        "true": endpoint.status(EVENT, good),
        "rotated": endpoint.status(
            EVENT, headers(EVENT, StandardKey(b"n" * 32), SHARED)
        ),
        "changed": endpoint.status(EVENT + b" ", good),
        "another key": endpoint.status(EVENT, headers(EVENT, StandardKey(b"n" * 32))),
        "old": endpoint.status(EVENT, headers(EVENT, SHARED, ago=310)),
        "unsigned": endpoint.status(EVENT, {"content-type": "application/json"}),
    }
