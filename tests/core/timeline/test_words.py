"""Every reason that the code can produce has words for a person, and foreign texts move no cursor."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from relay.core.callback import UnreadableReason
from relay.core.callback.reader import Field
from relay.core.delivery import Fault
from relay.core.run import (
    CLIENT_REF_CONFLICT,
    NOT_ENRICHED,
    OUTCOME_CONFLICT,
    Verdict,
)
from relay.core.snapshot import WrongReason
from relay.core.timeline.words import (
    ACCESS,
    ANSWERS,
    DESTINATION_FAULTS,
    FAILURES,
    QUARANTINE,
    REASONS,
    VERDICTS,
    answer_words,
    clock,
    failure_words,
    is_of_destination,
    joined,
    length,
    plain,
    reasons_words,
)
from relay.deliver import kafka_line, verdict
from relay.deliver.verdict import fault_of
from relay.runflow.errors import RunflowError
from tests.fakes import NOW_US

RELAY = Path(__file__).parents[3] / "relay"
SECOND = 1_000_000


def _errors(kind: type[RunflowError]) -> Iterator[str]:
    yield kind.reason
    for below in kind.__subclasses__():
        yield from _errors(below)


def _texts(node: ast.AST) -> Iterator[str]:
    """Texts that an expression may come to; of a condition both."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from (*_texts(one), *_texts(other))
        case _:
            pass


def _given(folder: str, *calls: str) -> set[str]:
    """The reasons that the modules of a folder give to these, by name or in the first place."""
    found: set[str] = set()
    for path in (RELAY / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id not in calls:
                continue
            named = [k.value for k in node.keywords if k.arg == "reason"]
            for value in [*named, *node.args[:1]]:
                found |= set(_texts(value))
    return found


def test_every_way_to_have_no_answer_has_words() -> None:
    words = {*_errors(RunflowError), *get_args(WrongReason)}
    words |= _given("reconcile", "Silent", "Unanswered") | _given("app", "unasked")
    # Of calls that are given a word by others.
    words |= {"told", "unended", "not_asked", "api_down", "offline", "no_token"}
    assert {"timeout", "truncated", "wrong_run", "internal"} <= words
    assert words - set(ANSWERS) == set()


def test_every_word_for_nobody_being_asked_has_words() -> None:
    worker = (RELAY / "reconcile" / "worker.py").read_text()
    given = set(re.findall(r'_give_up\(.*?, "(\w+)"\)', worker, re.DOTALL))
    app = (RELAY / "app" / "explaining.py").read_text()
    given |= set(re.findall(r'unasked\(name, "(\w+)"', app))
    assert {"not_asked", "api_down", "offline", "never"} <= given
    assert given - set(ANSWERS) == set()


def test_every_reason_of_a_try_has_words() -> None:
    words = {reason for _, reason in (*verdict._REASONS, *kafka_line._REASONS)}
    words |= _given("deliver", "Failed", "Refused", "LineError")
    words |= _given("core", "Step", "UnbuildableError") | {"broker", "status_unknown"}
    assert {"blocked_address", "expired", "disk_full", "unknown_builder"} <= words
    assert words - set(FAILURES) == set()


def test_every_status_has_words_and_the_fault_is_whose_it_is() -> None:
    for status in range(300, 600):
        reason = f"status_{status}"
        assert str(status) in failure_words(reason)
        assert is_of_destination(reason) == (fault_of(status) is Fault.DESTINATION)


def test_faults_of_destinations_are_reasons() -> None:
    assert set(FAILURES) >= DESTINATION_FAULTS
    assert not is_of_destination(None)


def test_every_reason_to_wait_has_words() -> None:
    words = {f"missing_{name}" for name in get_args(Field)}
    words |= {CLIENT_REF_CONFLICT, OUTCOME_CONFLICT, NOT_ENRICHED, "no_callback"}
    reader = (RELAY / "core" / "callback" / "reader.py").read_text()
    words |= set(re.findall(r'yield "(\w+)"', reader))
    assert "status_not_terminal" in words
    assert words == set(REASONS)


def test_every_reason_for_quarantine_has_words() -> None:
    assert set(get_args(UnreadableReason)) - set(QUARANTINE) == set()


def test_every_verdict_has_words() -> None:
    assert set(Verdict) == set(VERDICTS)


def test_settings_are_named_for_reasons_that_there_are() -> None:
    assert set(ANSWERS) >= set(ACCESS)


def test_a_word_that_nobody_knows_is_shown_as_it_is() -> None:
    assert failure_words("odd\x1b[2J") == "odd\\x1b[2J"
    assert answer_words("odd") == "odd"
    assert answer_words("redelivery_odd").endswith("once more: odd")
    assert reasons_words(("odd", "no_callback")).startswith("odd and a sweep found")
    assert failure_words(None) == "no reason is kept"


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain", "plain"),
        ("a\x1b[31mb\r\n\x00", "a\\x1b[31mb\\x0d\\x0a\\x00"),
        ("\x9bm\u202egnp", "\\x9bm\\x202egnp"),
        ("\ud800", "\\ud800"),
        ("x" * 300, "x" * 200 + "…"),
    ],
)
def test_a_foreign_text_moves_no_cursor(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    "span, words",
    [
        (0, "0 ms"),
        (999_999, "999 ms"),
        (-1_500_000, "1.5 s"),
        (59 * SECOND, "59 s"),
        (60 * SECOND, "1 min"),
        (61 * SECOND, "1 min 1 s"),
        (3600 * SECOND, "1 h"),
        (90_061 * SECOND, "1 d 1 h"),
    ],
)
def test_a_length_of_time_has_two_units_at_most(span: int, words: str) -> None:
    assert length(span) == words


def test_a_moment_of_another_day_has_its_day() -> None:
    assert clock(NOW_US, NOW_US) == "12:00:00"
    assert clock(NOW_US - 86_400 * SECOND, NOW_US) == "2026-02-28 12:00:00"


def test_lists_are_read_aloud() -> None:
    assert [joined(list("abc"[:n])) for n in range(4)] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
