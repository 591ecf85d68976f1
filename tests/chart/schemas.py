"""Kubernetes' published schemas: what an API server of some release would say of a manifest.

Owns finding a schema for a kind and reading each file once. Strict: a word that is not known is a mistake.
"""

import functools
import json
import re
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from typing import Any, Final

import importlib_resources
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.chart.helm import Manifest

__all__ = ["RELEASES", "mistakes"]

#: Every release that the chart is for.
RELEASES: Final = [f"1.{minor}" for minor in range(28, 38)]

_FILES: Final = importlib_resources.files("kubernetes_validate")


@functools.cache
def _registry(release: str) -> Registry[Any]:
    path = _folder(release) / "_definitions.json"
    return Resource.from_contents(json.loads(path.read_text())) @ Registry()


@functools.cache
def _validator(release: str, kind: str, version: str) -> Draft202012Validator | None:
    # policy/v1 is policy-v1, networking.k8s.io/v1 is networking-v1.
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", version)
    path = _folder(release) / f"{kind.lower()}-{group}.json"
    if not path.is_file():
        return None
    return Draft202012Validator(
        json.loads(path.read_text()), registry=_registry(release)
    )


def _folder(release: str) -> Traversable:
    folder = _FILES / "kubernetes-json-schema" / f"v{release}.0-local-strict"
    assert folder.is_dir(), release
    return folder


def mistakes(manifest: Manifest, release: str) -> Sequence[str] | None:
    """What is wrong with a manifest; None where the release publishes no schema for it."""
    validator = _validator(release, manifest["kind"], manifest["apiVersion"])
    if validator is None:
        return None
    return [
        f"{'.'.join(map(str, error.path))}: {error.message}"
        for error in validator.iter_errors(manifest)
    ]
