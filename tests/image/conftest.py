"""The image, built once for all its tests, and what was measured of it, said at the end.

Where no container can run, that is one line that nobody overlooks; with ``CONTAINERS=required`` it is a failure.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from image import build
from tests.acceptance.relays import Sink
from tests.image.base import find_base
from tests.image.boxes import STRICT, Box
from tests.image.engine import BUILD_S_MAX, Engine, NoContainersError, open_engine

ROOT: Final = Path(__file__).parents[2]
#: What is kept for the next build may take this much; over it what is older than an hour is made anew.
KEPT_BYTES: Final = 4 * 1024**3
#: A host that pip is told to trust, while it builds: how it is led is found by this name, where it stays.
LENT: Final = "lent-for-the-build.invalid"


@dataclass
class Findings:
    """What a run of these tests has to say besides that they passed."""

    figures: list[str] = field(default_factory=list)
    #: Why there was nothing to test.
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The image, in the tests' own storage."""

    engine: Engine
    name: str
    base: str
    sbom: Path


_FINDINGS: Final = Findings()


@pytest.fixture(scope="session")
def figures() -> list[str]:
    return _FINDINGS.figures


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory, figures: list[str]) -> Image:
    """Built by `make image`'s own program; with what the last build left, in a second or two."""
    try:
        engine = open_engine()
        with engine.alone():
            engine.end_forsaken()
            _forget_old(engine)
            base = find_base(engine)
            _try(engine, base.name)
            sbom = tmp_path_factory.mktemp("image") / "relay.cdx.json"
            began = time.monotonic()
            name = _build(engine, base.name, sbom)
            figures.append(f"built in {time.monotonic() - began:.1f} s on {base.said}")
    except NoContainersError as error:
        _FINDINGS.reason = str(error)
        if os.environ.get("CONTAINERS") == "required":
            pytest.fail(f"no container can run here: {error}")
        pytest.skip(f"no container can run here: {error}")
    return Image(engine=engine, name=name, base=base.name, sbom=sbom)


def _forget_old(engine: Engine) -> None:
    """Layers of every source that was ever built would fill the disk."""
    storage = engine.directory / "storage"
    if not storage.exists():
        return
    du = subprocess.run(
        [shutil.which("du") or "du", "-sb", str(storage)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if int(du.stdout.split()[0]) > KEPT_BYTES:
        # Others may be at work with theirs.
        engine.call(
            "podman", "image", "prune", "--all", "--force", "--filter=until=1h",
            check=False, within_s=300,
        )  # fmt: skip


def _try(engine: Engine, base: str) -> None:
    """Whether a container that is kept as strictly as ours runs here."""
    words = ("podman", "run", "--rm", *STRICT, base, "python3", "--version")
    tried = engine.call(*words, check=False)
    if tried.returncode:
        raise NoContainersError(tried.stderr.strip()[-300:])


def _build(engine: Engine, base: str, sbom: Path) -> str:
    # Each checkout has its own: several may be under test at once.
    own = hashlib.sha256(bytes(ROOT)).hexdigest()[:12]
    name = f"localhost/runflow-relay:test-{own}"
    command = [
        sys.executable, str(ROOT / "image" / "build.py"), "--engine=buildah",
        f"--tag={name}", f"--base={base}", f"--sbom={sbom}", "--", "--network=host",
    ]  # fmt: skip
    trusted = build.pip_settings(build.pip_config()).get("trusted-host", "")
    engine.call(
        *command, within_s=BUILD_S_MAX, PIP_TRUSTED_HOST=f"{trusted} {LENT}".strip()
    )
    return name


Make = Callable[..., Box]


@pytest.fixture
def make(image: Image, tmp_path: Path) -> Iterator[Make]:
    """Makes relays in containers; none outlives its test."""
    made: list[Box] = []

    def one(sink: Sink, *, created: bool = True) -> Box:
        box = Box(image.engine, image.name, tmp_path / "etc", sink.port)
        made.append(box)
        box.configure()
        if created:
            box.create()
        return box

    yield one
    for box in made:
        box.remove()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> None:
    """Say what was measured, or that nothing was."""
    if _FINDINGS.reason is not None:
        terminalreporter.write_line(
            f"THE IMAGE WAS NEITHER BUILT NOR RUN: {_FINDINGS.reason}", red=True
        )
    for figure in _FINDINGS.figures:
        terminalreporter.write_line(f"image: {figure}")
