"""The page about the client: its examples run, and its table of reasons is whole."""

import re
import textwrap
from collections.abc import Awaitable, Callable

import pytest

from relay import runflow
from relay.runflow import RunflowError
from tests.docs.pages import DOCS, examples
from tests.runflow.conftest import upstream
from tests.runflow.upstream import TOKEN, Upstream, any_run

__all__ = ["upstream"]

PAGE = (DOCS / "runflow-client.md").read_text("utf-8")
EXAMPLES = examples("docs/runflow-client.md", "python")
RUN = "019a8c3e-5b10-7c44-9f21-3d5e8a7b6c01"

#: What the API answers to each example, in order, and what the example then prints.
PLAYS: list[tuple[list[object], str]] = [
    (
        [any_run(status_code="queued"), any_run(output={"outputs": []})],
        "succeeded 1.10 {'outputs': []}",
    ),
    (
        [any_run(logs=[{"level_code": "info", "message": "Dispatched."}])],
        "None info Dispatched.",
    ),
    (
        [
            {"items": [{"message": "Dispatched."}], "next": "two"},
            {"items": [{"message": "Ended."}], "next": None},
        ],
        "None Dispatched.\nNone Ended.",
    ),
    (
        [
            {"items": [any_run("a", failure_code="NO_FACE")], "next": "two"},
            {"items": [any_run("b")], "next": None},
        ],
        "a NO_FACE None\nb None None",
    ),
    (
        [
            any_run("batch_1", status_code="queued"),
            any_run("batch_1"),
            {
                "items": [
                    {"client_ref": "row-0", "status_code": "failed", "run_id": "r"}
                ]
            },
        ],
        "row-0 failed r",
    ),
    (
        [[{"attempts": [{"status_code": 503, "error_message": "busy"}]}], any_run()],
        "None 503 busy",
    ),
]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
async def test_each_example_runs_as_it_stands(
    upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    monkeypatch.setenv("RUNFLOW_TOKEN", TOKEN)
    monkeypatch.setenv("RUNFLOW_BASE_URL", upstream.url)
    answers, printed = PLAYS[number]
    upstream.gives(*answers)
    found: dict[str, Callable[[], Awaitable[None]]] = {}
    body = textwrap.indent(EXAMPLES[number], "    ")
    exec(f"async def example():\n{body}", found)  # noqa: S102 - of our own page
    await found["example"]()
    assert capsys.readouterr().out.strip() == printed
    assert len(upstream.asked) == len(answers)


def test_there_is_a_play_for_each_example() -> None:
    assert len(PLAYS) == len(EXAMPLES) == 6


def test_the_table_has_every_error_that_can_be_raised_with_its_reason() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", PAGE, re.MULTILINE))
    kinds = [getattr(runflow, name) for name in runflow.__all__]
    errors = {k for k in kinds if isinstance(k, type) and issubclass(k, RunflowError)}
    # Those that others derive from are caught, never raised.
    bases = {base for error in errors for base in error.__mro__[1:]}
    raised = {error for error in errors if error not in bases}
    assert rows == {(error.reason, error.__name__) for error in raised}
