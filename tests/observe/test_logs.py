"""Secrets never reach a log line, whatever goes wrong and whoever reads it."""

from collections.abc import Iterator

import pytest
import structlog

from relay.core.signature import RunflowKey
from relay.observe.logs import Format, configure
from relay.settings import Secret

TEXT = "whsec_never-to-be-seen"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def _fail_beside(secret: str) -> None:
    """What is in the frame of a failure is nobody's business."""
    raise ValueError(f"failed, and {len(secret)} characters were in its hands")


@pytest.mark.parametrize(
    "form",
    [
        "json",
        "console",
    ],
)
def test_a_traceback_shows_no_variables(
    form: Format, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = configure(level="info", form=form)
    try:
        _fail_beside(TEXT)
    except ValueError:
        structlog.stdlib.get_logger("x").exception("worker.crashed")
    assert lines.flush(within_s=5)
    said = capfd.readouterr().err
    assert "22 characters were in its hands" in said
    assert TEXT not in said


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_secret_that_is_logged_by_mistake_prints_as_stars(
    form: Format, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = configure(level="info", form=form)
    log = structlog.stdlib.get_logger("x")
    log.info("oops", setting=Secret(TEXT), key=RunflowKey(TEXT))
    assert lines.flush(within_s=5)
    said = capfd.readouterr().err
    assert "***" in said
    assert TEXT not in said
