"""What the tests of the embedded store share: a place for it, and one that is open."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.record.sqlite_harness import SqliteHarness


@pytest.fixture
def place(tmp_path: Path) -> SqliteHarness:
    return SqliteHarness(tmp_path)


@pytest.fixture
async def opened(place: SqliteHarness) -> AsyncIterator[SqliteHarness]:
    """A store that is open; its file may end in any state."""
    await place.open()
    yield place
    await place.vanish()
