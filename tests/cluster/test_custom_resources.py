"""Resources that others define: where they are not known helm says so and leaves nothing, where they are they are made."""

import pytest

from tests.cluster.chart import CHART, define, example
from tests.cluster.client import Namespace
from tests.cluster.kubelet import playing

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.process,
    pytest.mark.long,
    pytest.mark.timeout(180, func_only=True),
]

GATEWAY = (
    "--values", example("smallest"), "--set", "ingress.enabled=false,gateway.enabled=true",
    "--set", "gateway.parentRefs[0].name=public",
)  # fmt: skip
MONITOR = ("--values", example("smallest"), "--set", "serviceMonitor.enabled=true")


@pytest.mark.parametrize(
    "values,kind,resource",
    [
        (GATEWAY, "HTTPRoute", "httproutes.gateway.networking.k8s.io/relay"),
        (MONITOR, "ServiceMonitor", "servicemonitors.monitoring.coreos.com/relay"),
    ],
    ids=["gateway", "monitor"],
)
def test_what_is_not_defined_is_refused_before_anything_is_made_and_made_once_it_is(
    values: tuple[str, ...], kind: str, resource: str, namespace: Namespace
) -> None:
    said = namespace.tried("helm", "install", "relay", str(CHART), *values)
    assert said.code != 0
    assert f'no matches for kind "{kind}"' in said.err
    assert namespace.names("deployments", "services", "persistentvolumeclaims") == set()
    define(namespace, kind)
    with playing(namespace):
        namespace.helm("install", "relay", str(CHART), *values)
        plural, name = resource.split("/")
        assert namespace.names(plural) == {f"{plural.replace('s.', '.', 1)}/{name}"}
        namespace.helm("uninstall", "relay", "--wait")
        assert namespace.names(plural) == set()
