"""Whether the relay of this container answers; exit code 0 or 1, for HEALTHCHECK.

Owns finding out where it listens: from the kernel, which knows every socket that a process of this container
listens on. So it is right whatever the configuration, the environment or the command line says, and needs
neither of them. Of these addresses both the public one and the operator's answer `GET /healthz` with 200; one of them is
enough, as a public listener that a flood has filled is not a relay to start again.
Imports the standard library alone, and little of it: it starts every few seconds.
"""

import os
import socket
import struct
import sys
from collections.abc import Iterator

PROC = "/proc"
#: The state of a socket that listens, in /proc/net/tcp.
LISTENS = "0A"
#: An address that does not answer must leave time to ask another.
ANSWER_S_MAX = 1.0
ASK = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
HEALTHY = b"HTTP/1.1 200 "


def main() -> int:
    asked = []
    for address in sorted(set(_addresses(_sockets()))):
        if _answers(*address):
            return 0
        asked.append("{}:{}".format(*address))
    found = ", ".join(asked) or "no address that this container listens on"
    print(f"no 200 to GET /healthz from {found}")  # noqa: T201 - the engine keeps what is said
    return 1


def _sockets() -> set[str]:
    """The sockets that processes of this container hold, by number."""
    here = os.stat(f"{PROC}/self/ns/mnt").st_ino
    found = set()
    for process in filter(str.isdigit, os.listdir(PROC)):
        try:
            # With the host's processes in view, those of others are none of ours.
            if os.stat(f"{PROC}/{process}/ns/mnt").st_ino != here:
                continue
            for descriptor in os.listdir(f"{PROC}/{process}/fd"):
                kind, _, rest = os.readlink(
                    f"{PROC}/{process}/fd/{descriptor}"
                ).partition(":")
                if kind == "socket":
                    found.add(rest.strip("[]"))
        except OSError:
            # Gone, or somebody else's.
            continue
    return found


def _addresses(ours: set[str]) -> Iterator[tuple[str, int]]:
    for family, table in (
        (socket.AF_INET, "tcp"),
        (socket.AF_INET6, "tcp6"),
    ):
        try:
            with open(f"{PROC}/net/{table}", encoding="ascii") as lines:
                rows = [line.split() for line in lines][1:]
        except OSError:
            continue
        for row in rows:
            if row[3] == LISTENS and row[9] in ours:
                number, _, port = row[1].partition(":")
                yield socket.inet_ntop(family, _packed(number)), int(port, 16)


def _packed(number: str) -> bytes:
    """An address as it goes over the wire; the kernel prints its words in the machine's own order."""
    words = [int(number[at : at + 8], 16) for at in range(0, len(number), 8)]
    return struct.pack(f"={len(words)}I", *words)


def _answers(host: str, port: int) -> bool:
    """Whether a relay answers there. Any-address is this machine."""
    try:
        with socket.create_connection((host, port), ANSWER_S_MAX) as connection:
            connection.sendall(ASK)
            with connection.makefile("rb") as answer:
                return answer.readline(64).startswith(HEALTHY)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
