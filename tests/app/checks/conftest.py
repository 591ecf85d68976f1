"""What the tests of looks share."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.sandbox import Sandbox
from tests.app.checks.looking import KEY, SECRET, Names, Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(secret=SECRET, token=KEY, run_seconds=(60, 60)) as made:
        yield made


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """What the system's resolver says of names below ``.internal``, and nobody else is asked of."""
    known: Names = {}
    asked = socket.getaddrinfo

    def answer(host: str, *rest: object, **named: object) -> object:
        if not host.endswith(".internal"):
            return asked(host, *rest, **named)  # type: ignore[arg-type]
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return asked(known[host], *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return known
