"""What the tests of rendered configurations share."""

from pathlib import Path

import pytest
import trustme

from relay.settings import Settings, load
from tests.chart.configuration import lay_out
from tests.chart.helm import HELMS, manifests, program


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """They are there before the first test: a download has no place in its time."""
    for major in HELMS:
        program(major)


@pytest.fixture(scope="session")
def authority() -> str:
    """A certificate for who asks for one."""
    return trustme.CA().cert_pem.bytes().decode()


@pytest.fixture
def settings(example: str, tmp_path: Path, authority: str) -> Settings:
    """What a relay makes of the configuration of an example."""
    config, environ = lay_out(manifests(example), tmp_path, authority=authority)
    return load(config, environ)
