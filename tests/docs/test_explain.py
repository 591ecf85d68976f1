"""The page on `relay explain` says what is printed, and knows every word."""

from pathlib import Path
from typing import get_args

import pytest

from relay.core.timeline import RunState
from relay.core.timeline.entries import EntryKind
from tests.docs.pages import example

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")


def test_the_example_is_what_is_printed() -> None:
    printed = (ROOT / "tests" / "cli" / "explained.txt").read_text(encoding="utf-8")
    assert example("docs/explain.md", "explained") == printed


@pytest.mark.parametrize("word", sorted({*get_args(RunState), *get_args(EntryKind)}))
def test_every_word_is_explained(word: str) -> None:
    assert f"`{word}`" in PAGE
