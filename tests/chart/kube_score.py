"""kube-score: an outside opinion on manifests, built from its module.

Owns calling it and reading what it says: ``go/`` pins it, and the cache keeps what was built.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests import golang
from tests.places import cache

__all__ = ["Finding", "findings"]

_MODULE: Final = Path(__file__).parent / "go"
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
    program = golang.tools(_MODULE, cache() / "kube-score") / "kube-score"
    done = subprocess.run(
        [program, "score", "--output-format", "json", "-"],
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
