"""What every test of this folder may ask for."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.deliver import polling
from tests.deliver.couriers import Bench


@pytest.fixture
def said() -> Iterator[list[Any]]:
    """What was logged meanwhile."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens, happens because somebody woke somebody."""
    monkeypatch.setattr(polling, "POLL_S", 3600.0)


@pytest.fixture
async def bench(
    tmp_path: Path,
    said: list[Any],  # noqa: ARG001 - a traceback on the console would block
    no_polls: None,  # noqa: ARG001 - nothing may hide behind a poll
) -> AsyncIterator[Bench]:
    """A real store, and a courier to be employed."""
    made = Bench(tmp_path)
    await made.open()
    yield made
    await made.vanish()
