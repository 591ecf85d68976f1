"""The chart, its examples, and the resources of others that some of them use.

Owns where all of that lies, and how the server comes to know a resource. Must not know what is done with it.
"""

from pathlib import Path
from typing import Final

from tests.chart.helm import CHART, Helm, Manifest, parse
from tests.cluster.client import Namespace
from tests.cluster.programs import custom_resources
from tests.cluster.waiting import until

__all__ = ["CHART", "DEFINED", "EXAMPLES", "UNDEFINED", "define", "example", "rendered"]

EXAMPLES: Final = sorted(path.name for path in (CHART / "ci").glob("*-values.yaml"))
#: The kinds that an example may use beside Kubernetes' own: whose they are, and in which file they are defined.
_DEFINITIONS: Final = {
    "HTTPRoute": (
        "sigs.k8s.io/gateway-api",
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    ),
    "ServiceMonitor": (
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ),
    "BackendTrafficPolicy": (
        "github.com/envoyproxy/gateway",
        "charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_backendtrafficpolicies.yaml",
    ),
    "ServersTransport": (
        "github.com/traefik/traefik/v3",
        "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml",
    ),
}
DEFINED: Final = tuple(_DEFINITIONS)
#: The names of all that the server has.
_SERVED: Final = ("api-resources", "--output=name")
#: Whose definitions cannot be had as a Go module.
UNDEFINED: Final = ("gateway.nginx.org/",)


def example(name: str) -> str:
    """Where an example's values lie."""
    return str(CHART / "ci" / f"{name}-values.yaml")


def rendered(values: str) -> list[Manifest]:
    """What helm makes of a file of values."""
    return [*parse(Helm(4).render(Path(values)))]


def define(namespace: Namespace, *kinds: str) -> None:
    """Have the server know kinds of others, for as long as it runs.

    None is taken away again: a server may take minutes for that, and who then waits for it waits without end.
    """
    where = [_DEFINITIONS[kind] for kind in kinds]
    files = [str(custom_resources(module) / path) for module, path in where]
    words = [word for file in files for word in ("--filename", file)]
    said = namespace.quietly("apply", "--server-side", "--output=name", *words)
    wanted = {line.partition("/")[2] for line in said.split()}
    # Whoever asks for one before the server says that it has it is told that there is none.
    until(
        lambda: wanted <= set(namespace.quietly(*_SERVED).split()),
        f"the server has {', '.join(sorted(wanted))}",
    )
