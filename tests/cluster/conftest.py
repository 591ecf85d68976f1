"""A control plane for each file of tests of the chart, a namespace for each test, and the log of what was said.

Owns where the log lies: ``var/cluster-test.log`` in the checkout, begun anew with each run.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.cluster.client import Namespace
from tests.cluster.control_plane import ControlPlane, running

LOG: Final = Path(__file__).parent.parent.parent / "var" / "cluster-test.log"
_NUMBERS: Final = itertools.count(1)


@pytest.fixture(scope="session")
def log() -> Path:
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("")
    return LOG


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """No file meets what another has had the server know; it is up in five seconds."""
    with running() as plane:
        yield plane


@pytest.fixture
def major() -> int:
    """Helm's major version; tests of a release are played with each."""
    return 4


@pytest.fixture
def namespace(
    control_plane: ControlPlane, log: Path, major: int, request: pytest.FixtureRequest
) -> Iterator[Namespace]:
    """A new namespace; it is deleted in the end, without waiting for it."""
    with log.open("a") as out:
        out.write(f"\n### {request.node.name}\n\n")
    one = Namespace(
        name=f"test-{next(_NUMBERS)}",
        kubeconfig=control_plane.kubeconfig,
        log=log,
        major=major,
    )
    one.create()
    yield one
    one.quietly("delete", "namespace", one.name, "--wait=false")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """How each test ended stands in the log, too."""
    if report.when == "call" and LOG.exists():
        with LOG.open("a") as out:
            out.write(f"### {report.outcome}: {report.nodeid}\n")
