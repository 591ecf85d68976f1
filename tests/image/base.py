"""What the image is built upon: the official one where it can be pulled, else a stand-in.

Owns the stand-in: Debian's own Python of the same version, with pip beside it, as the official image has it. It
shows that the Dockerfile's steps work and what they leave behind; of the official image's size it says nothing.
It is made once and kept. Knows nothing of the relay.
"""

import re
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from tests.image.engine import BUILD_S_MAX, Engine, NoContainersError
from tests.install_tools import find

__all__ = ["STANDIN", "Base", "find_base"]

DOCKERFILE: Final = Path(__file__).parents[2] / "Dockerfile"
#: Another recipe has another name.
STANDIN: Final = "localhost/runflow-relay-python:3.13-trixie-1"
PACKAGES: Final = ("python3", "ca-certificates", "netbase", "tzdata")
#: A registry that does not answer is none; it is asked again with the next run.
PULL_S_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Base:
    """An image with Python, and how it was come by."""

    name: str
    said: str


def find_base(engine: Engine) -> Base:
    """The base; the engine is this caller's alone meanwhile.

    Raises:
        NoContainersError: it can neither be pulled nor be made.
    """
    official = _named()
    if _is_there(engine, official):
        return Base(official, official)
    if not _is_there(engine, STANDIN):
        if _is_pulled(engine, official):
            return Base(official, official)
        began = time.monotonic()
        _make(engine)
        took = time.monotonic() - began
        return Base(STANDIN, f"Debian's Python in its place, made in {took:.0f} s")
    return Base(STANDIN, f"Debian's Python in the place of {official}")


def _named() -> str:
    """The base that the Dockerfile names."""
    match = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert match is not None
    return match[1]


def _is_there(engine: Engine, image: str) -> bool:
    return engine.call("podman", "image", "exists", image, check=False).returncode == 0


def _is_pulled(engine: Engine, image: str) -> bool:
    limit = ("timeout", "--kill-after=5", str(PULL_S_MAX))
    return (
        engine.call(
            *limit, "podman", "pull", "-q", image, check=False, within_s=PULL_S_MAX + 10
        ).returncode
        == 0
    )


def _make(engine: Engine) -> None:
    if find("mmdebstrap") is None:
        raise NoContainersError(
            f"{_named()} cannot be pulled, nor mmdebstrap installed"
        )
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "root.tar"
        made = engine.call(
            "mmdebstrap", "--variant=minbase", "--quiet",
            f"--include={','.join(PACKAGES)}", "trixie", str(root),
            check=False, within_s=BUILD_S_MAX,
        )  # fmt: skip
        if made.returncode:
            raise NoContainersError(f"no base can be made: {made.stderr[-300:]}")
        _import(engine, root, Path(place))


def _import(engine: Engine, root: Path, place: Path) -> None:
    """The packages, and pip where the official image has it: among what is not the system's."""
    pip = distribution("pip")
    site = Path(str(pip.locate_file("")))
    folders = sorted({Path(str(file)).parts[0] for file in pip.files or ()} - {".."})
    name = engine.say("buildah", "from", "--name", place.name, "scratch")
    try:
        engine.call("buildah", "add", "-q", name, str(root), "/")
        for folder in folders:
            into = f"/usr/local/lib/python3.13/dist-packages/{folder}"
            engine.call("buildah", "copy", "-q", name, str(site / folder), into)
        engine.call("buildah", "commit", "-q", "--format", "docker", name, STANDIN)
    finally:
        engine.call("buildah", "rm", name)
