"""The programs of a real Kubernetes control plane, built from their modules.

Owns which they are: each folder of ``go/`` is a module that pins some of them, and the cache keeps what was built. Must not
know how a program is started.

``python -m tests.cluster.programs`` builds all of them and says where they lie.
"""

import json
import re
import sys
from pathlib import Path
from typing import Final

from tests import golang
from tests.places import cache

__all__ = ["custom_resources", "programs"]

_MODULES: Final = Path(__file__).parent / "go"
#: Those that have programs; the others hold files alone.
_BUILT: Final = ("etcd", "kubernetes")


def programs(module: str) -> Path:
    """The folder of a module's programs; they are built when the cache has none."""
    within = _MODULES / module
    kept = cache() / "cluster" / module
    return golang.tools(within, kept, stamps=_stamps(within))


def custom_resources(module: str) -> Path:
    """The files of a module that defines resources of its own, as its authors published them."""
    words = ("mod", "download", "-json", module)
    said = golang.call(*words, within=_MODULES / "crds", heard=True)
    return Path(json.loads(said)["Dir"])


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


def main() -> int:
    """Build what the cache lacks; the first time it takes up to half an hour of two cores."""
    for module in _BUILT:
        print(f"{module}: {programs(module)}", flush=True)  # noqa: T201 - a script
    return 0


if __name__ == "__main__":
    sys.exit(main())
