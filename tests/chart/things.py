"""Things of a cluster, looked up in rendered manifests; and what a NetworkPolicy lets through.

Knows how Kubernetes reads them, and nothing of the chart.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from tests.chart.helm import Manifest

__all__ = [
    "containers",
    "deployment",
    "found",
    "labels",
    "named",
    "peers",
    "pods",
    "policy_for",
    "selects",
]


def found(manifests: Sequence[Manifest], kind: str) -> list[Manifest]:
    """Every thing of a kind."""
    return [one for one in manifests if one["kind"] == kind]


def named(manifests: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """The one thing of that kind and name."""
    [one] = [one for one in found(manifests, kind) if one["metadata"]["name"] == name]
    return one


def deployment(manifests: Sequence[Manifest]) -> Manifest:
    """The one that makes relays."""
    [one] = found(manifests, "Deployment")
    return one


def pods(manifests: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every template of a pod, by the kind of what makes it."""
    for one in manifests:
        if one["kind"] in ("Deployment", "Job"):
            yield one["kind"], one["spec"]["template"]


def containers(template: Manifest) -> list[Manifest]:
    """All of them, those that begin before the others included."""
    spec = template["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def labels(template: Manifest) -> dict[str, str]:
    """The labels of a pod."""
    return dict(template["metadata"]["labels"])


def selects(selector: dict[str, Any], pod: Manifest) -> bool:
    """Whether a selector by labels means a pod."""
    wanted: dict[str, str] = selector["matchLabels"]
    return wanted.items() <= labels(pod).items()


def policy_for(manifests: Sequence[Manifest], pod: Manifest) -> list[Manifest]:
    """The NetworkPolicies that hold for a pod."""
    policies = found(manifests, "NetworkPolicy")
    return [one for one in policies if selects(one["spec"]["podSelector"], pod)]


def peers(policy: Manifest, port: str) -> list[Any]:
    """Who may come to a port."""
    return [
        peer
        for rule in policy["spec"].get("ingress", [])
        for peer in rule["from"]
        if any(one["port"] == port for one in rule["ports"])
    ]
