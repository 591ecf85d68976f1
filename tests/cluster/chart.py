"""The chart, its examples, and the resources of others that some of them use.

Owns where all of that lies. Must not know what is done with it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.chart.helm import CHART, Helm, Manifest, parse
from tests.cluster.client import Namespace
from tests.cluster.programs import custom_resources

__all__ = ["CHART", "EXAMPLES", "UNDEFINED", "defined", "example", "rendered"]

EXAMPLES: Final = sorted(path.name for path in (CHART / "ci").glob("*-values.yaml"))
#: Who defines the resources that an example may use beside Kubernetes' own, and in which of their files.
_DEFINITIONS: Final = {
    "sigs.k8s.io/gateway-api": "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    "github.com/prometheus-operator/prometheus-operator": "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    "github.com/envoyproxy/gateway": "charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_backendtrafficpolicies.yaml",
    "github.com/traefik/traefik/v3": "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml",
}
#: Whose definitions cannot be had as a Go module.
UNDEFINED: Final = ("gateway.nginx.org/",)


def example(name: str) -> str:
    """Where an example's values lie."""
    return str(CHART / "ci" / f"{name}-values.yaml")


def rendered(values: str) -> list[Manifest]:
    """What helm makes of a file of values."""
    return [*parse(Helm(4).render(Path(values)))]


@contextmanager
def defined(namespace: Namespace) -> Iterator[None]:
    """The resources of others are known to the server for as long as the block runs."""
    files = [str(custom_resources(m) / part) for m, part in _DEFINITIONS.items()]
    where = [word for file in files for word in ("--filename", file)]
    namespace.quietly("apply", "--server-side", *where)
    kinds = ("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    try:
        namespace.quietly(*kinds)
        yield
    finally:
        namespace.quietly("delete", "--ignore-not-found", *where)
