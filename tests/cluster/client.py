"""A client of the control plane: kubectl and helm as a person types them.

Owns one namespace, in which Pod Security ``restricted`` is enforced, and the programs' words for what is done
there. Whatever a program says is kept in the log. Must not know what is installed.
"""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.chart.helm import program
from tests.cluster.programs import programs

__all__ = ["Namespace", "Said"]

_LIMIT_S: Final = 180.0
_MODES: Final = ("enforce", "warn")
#: How helm and kubectl pass on what the server warns of.
_WARNING: Final = re.compile(r"^(?:W\d{4} |Warning: ).*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a program ended, and what it said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """One namespace of the cluster."""

    name: str
    kubeconfig: Path
    log: Path
    #: Helm's major version.
    major: int = 4

    def create(self) -> None:
        """Make it; what is less than the strictest Pod Security is refused in it, and warned of where it is a template."""
        self.kubectl("create", "namespace", self.name)
        labels = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in _MODES]
        self.kubectl("label", "namespace", self.name, *labels)

    def helm(self, *words: str) -> Said:
        """Run helm; it must succeed, and the server must have nothing to warn of."""
        said = self.tried("helm", *words)
        assert said.code == 0, said.err
        assert _WARNING.findall(said.err) == []
        return said

    def kubectl(self, *words: str, given: str | None = None) -> Said:
        """Run kubectl; it must succeed, and the server must have nothing to warn of."""
        said = self.tried("kubectl", *words, given=given)
        assert said.code == 0, said.err
        assert _WARNING.findall(said.err) == []
        return said

    def tried(self, name: str, *words: str, given: str | None = None) -> Said:
        """Run a program, whatever comes of it."""
        done = self._run(name, *words, given=given)
        with self.log.open("a") as log:
            shown = " ".join(words)
            log.write(f"$ {name} -n {self.name} {shown}\n{done.stdout}{done.stderr}")
            log.write(f"= exit code {done.returncode}\n\n")
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)

    def objects(self, kind: str, selector: str = "") -> list[Mapping[str, Any]]:
        """All objects of a kind, as the server has them."""
        chosen = ["--selector", selector] if selector else []
        said = self.quietly("get", kind, *chosen, "--output=json")
        found: list[Mapping[str, Any]] = json.loads(said)["items"]
        return found

    def names(self, *kinds: str) -> set[str]:
        """`kind/name` of all objects of these kinds."""
        said = self.quietly("get", ",".join(kinds), "--output=name")
        return set(said.split())

    def quietly(self, *words: str, given: str | None = None) -> str:
        """Run kubectl without a word in the log: for what is asked again and again."""
        done = self._run("kubectl", *words, given=given)
        done.check_returncode()
        return done.stdout

    def _run(
        self, name: str, *words: str, given: str | None
    ) -> subprocess.CompletedProcess[str]:
        known = {
            "helm": lambda: program(self.major),
            "kubectl": lambda: programs("kubernetes") / "kubectl",
        }
        return subprocess.run(
            [str(known[name]()), "--namespace", self.name, *words],
            check=False,
            capture_output=True,
            input=given,
            text=True,
            timeout=_LIMIT_S,
            # No configuration of the machine, and a home for what they keep in one.
            env={
                "HOME": str(self.kubeconfig.parent),
                "PATH": os.defpath,
                "KUBECONFIG": str(self.kubeconfig),
            },
        )
