"""A machine on which no container runs is told so; that nothing was tested is never silent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import install_tools

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
LOUD = "THE IMAGE WAS NEITHER BUILT NOR RUN: buildah, podman"


def _play(**environ: str) -> "subprocess.CompletedProcess[str]":
    """The tests of the image's content, where no tool is found."""
    here = {name: value for name, value in os.environ.items() if name != "CONTAINERS"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/image/test_content.py"],
        check=False, capture_output=True, text=True, cwd=ROOT,
        env={**here, "PATH": "/nowhere", **environ},
    )  # fmt: skip


def test_where_none_can_run_it_is_said_loudly_and_the_rest_goes_on() -> None:
    done = _play()
    assert done.returncode == 0
    assert LOUD in done.stdout
    assert " skipped in " in done.stdout.splitlines()[-1]
    assert "passed" not in done.stdout.splitlines()[-1]


@pytest.mark.long
def test_where_they_are_asked_for_it_is_a_failure() -> None:
    done = _play(CONTAINERS="required")
    assert done.returncode == 1
    assert LOUD in done.stdout


def test_the_installer_says_it_too_and_does_not_fail_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def found(tool: str) -> str | None:
        return None if tool in install_tools.CONTAINERS else f"/usr/bin/{tool}"

    monkeypatch.setattr(install_tools, "find", found)
    # Who is not root installs nothing.
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert install_tools.main() == 0
    wanting = " ".join(install_tools.CONTAINERS)
    assert (
        capsys.readouterr().out
        == f"THE IMAGE WILL NOT BE TESTED, for want of {wanting}\n"
    )
