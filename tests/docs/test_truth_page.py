"""The page about the truth says what is decided."""

import re
from pathlib import Path

import pytest

from docs.generate_truth import CASES, PAGE, page, partial, words
from relay.core.delivery import HOUR, SECOND
from relay.core.gate import GatePolicy
from relay.core.inquiry import (
    AGAIN_AFTER,
    BACKOFF_MAX,
    REDELIVERY_WAIT,
    AskPolicy,
)
from relay.receive.sweep import RETRIES

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_tables_are_current() -> None:
    """When they are not: ``python docs/generate_truth.py``."""
    assert page(TEXT) == TEXT


def test_every_row_has_all_its_columns() -> None:
    for table in (partial(), words()):
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert partial().count("\n") == len(CASES) + 1


def test_every_answer_that_a_relay_can_remember_is_on_the_page() -> None:
    root = Path(__file__).parents[2] / "relay" / "reconcile"
    said = {
        word
        for path in root.glob("*.py")
        for word in re.findall(
            r'reason="(\w+)"|_give_up\(.*"(\w+)"\)', path.read_text()
        )
        for word in word
        if word
    }
    assert {"internal", "api_down", "not_asked"} <= said
    assert [word for word in sorted(said) if f"`{word}`" not in TEXT] == []


@pytest.mark.parametrize(
    "number,wanted,said",
    [
        (BACKOFF_MAX, 32 * SECOND, "1, 2, 4 … 32 s with full jitter"),
        (AskPolicy().deadline, 15 * 60 * SECOND, "`api.give_up_after` (15 minutes)"),
        (AskPolicy().watch_for, 7 * 24 * HOUR, "for a week"),
        (REDELIVERY_WAIT, 120 * SECOND, "nothing has come two minutes later"),
        (AGAIN_AFTER, (HOUR, 6 * HOUR, 24 * HOUR, 72 * HOUR), "1, 6, 24 and 72 hours"),
        (RETRIES.attempts, 5, "up to five times"),
        (GatePolicy(), GatePolicy(faults_to_open=10, apart_s=3.0), "ten faults of"),
    ],
    ids=["backoff", "deadline", "watch", "redelivery", "again", "pages", "down"],
)
def test_numbers_in_the_text_are_those_of_the_code(
    number: object, wanted: object, said: str
) -> None:
    assert number == wanted
    assert said in " ".join(TEXT.split())
