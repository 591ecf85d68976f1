"""What is installed with the relay is what the relay uses."""

import ast
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: Used by what we use, and named because only we can know that it is needed.
INDIRECT = {"cramjam"}


def _required() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {re.split("[^a-z0-9-]", line)[0] for line in project["dependencies"]}


def _imported() -> set[str]:
    """The distributions that any module of the relay imports."""
    roots: set[str] = set()
    for path in (ROOT / "relay").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                roots.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                roots.add(node.module.partition(".")[0])
    found = packages_distributions()
    return {
        re.sub("[._]+", "-", name).lower()
        for root in roots
        for name in found.get(root, ())
    }


def test_every_runtime_dependency_is_imported_by_the_relay() -> None:
    """What nothing imports is only one more thing to audit and to update."""
    assert _required() - _imported() == INDIRECT
