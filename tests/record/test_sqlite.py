from pathlib import Path

import pytest

from tests.record.conformance import StoreLaw
from tests.record.sqlite_harness import SqliteHarness


@pytest.fixture
def place(tmp_path: Path) -> SqliteHarness:
    return SqliteHarness(tmp_path)


class TestSqlite(StoreLaw):
    """The embedded store keeps the law."""
