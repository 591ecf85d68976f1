"""A module that grows becomes a folder, split by what each part owns."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINES_MAX = 400


@pytest.mark.parametrize("folder", ["relay", "tests", "bench", "docs"])
def test_no_module_is_longer_than_can_be_read(folder: str) -> None:
    found = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {path: lines for path, lines in found.items() if lines > LINES_MAX} == {}
