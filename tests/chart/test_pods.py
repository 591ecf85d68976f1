"""What pods are: what they may do, which secret lies where in them, and how they come and go."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from relay.app.service import stop_budget_s
from relay.settings import Settings
from tests.chart.helm import (
    CHART,
    EXAMPLES,
    ROOT,
    Helm,
    Manifest,
    manifests,
    parse,
)
from tests.chart.things import (
    containers,
    deployment,
    found,
    labels,
    named,
    pods,
    selects,
)

pytestmark = pytest.mark.process


def _mounts(things: Sequence[Manifest], kind: str) -> dict[str, Any]:
    """By path: what is mounted there."""
    [pod] = [template for made, template in pods(things) if made == kind]
    volumes = {one.pop("name"): one for one in _copy(pod["spec"]["volumes"])}
    [container] = containers(pod)
    return {
        mount["mountPath"]: volumes[mount["name"]]
        for mount in container["volumeMounts"]
        if "subPath" not in mount
    }


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _sources(volume: Any) -> list[str]:
    assert volume["projected"]["defaultMode"] == 0o440
    return [source["secret"]["name"] for source in volume["projected"]["sources"]]


def test_each_secret_is_mounted_where_the_configuration_looks_for_it() -> None:
    where = _mounts(manifests("postgresql-values"), "Deployment")
    assert _sources(where.pop("/run/secrets/relay")) == ["relay-secrets"]
    assert where.pop("/run/secrets/store") == {
        "projected": {
            "defaultMode": 0o440,
            "sources": [
                {
                    "secret": {
                        "name": "relay-db-ca",
                        "items": [{"key": "ca.crt", "path": "ca.crt"}],
                    }
                }
            ],
        }
    }
    assert where == {
        "/etc/relay": {"configMap": {"name": "prod-relay", "defaultMode": 0o440}},
        "/var/lib/relay": {"emptyDir": {"sizeLimit": "64Mi"}},
    }
    smallest = _mounts(manifests("smallest-values"), "Deployment")
    assert _sources(smallest["/run/secrets/relay"]) == ["prod-relay"]
    claim = {"persistentVolumeClaim": {"claimName": "prod-relay"}}
    assert smallest["/var/lib/relay"] == claim


def test_a_migration_has_the_databases_secrets_and_no_others() -> None:
    things = manifests("postgresql-values")
    where = _mounts(things, "Job")
    assert set(where) == {"/etc/relay", "/run/secrets/store", "/var/lib/relay"}
    name = where["/etc/relay"]["configMap"]["name"]
    text = named(things, "ConfigMap", name)["data"]["relay.yaml"]
    assert {line.split(":")[0] for line in text.splitlines()} == {"data_dir", "store"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_start_is_given_up_by_its_probe_before_it_counts_as_failed(
    example: str,
) -> None:
    """Bringing a large store up to date may take an hour: who waits for the release must not break it off."""
    spec = deployment(manifests(example))["spec"]
    [relay] = containers(spec["template"])
    probe = relay["startupProbe"]
    given_up_s = probe["periodSeconds"] * probe["failureThreshold"]
    assert spec["progressDeadlineSeconds"] > given_up_s


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_environment_names_no_secret_but_those_that_were_asked_for(
    example: str,
) -> None:
    """Files are read again when they change; variables are not."""
    for _, pod in pods(manifests(example)):
        [container] = containers(pod)
        given = {
            one["name"]: one["valueFrom"]["secretKeyRef"]["name"]
            for one in container["env"]
            if "valueFrom" in one
        }
        asked = ("ACME_SECRET", "ORDERS_SECRET")
        allowed = {"PGPASSWORD": "relay-db", **dict.fromkeys(asked, "relay-secrets")}
        assert given.items() <= allowed.items()


def test_the_claim_of_events_outlives_the_release() -> None:
    [claim] = found(manifests("smallest-values"), "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert found(manifests("postgresql-values"), "PersistentVolumeClaim") == []
    assert found(manifests("openshift-values"), "PersistentVolumeClaim") == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_pod_is_one_that_the_restricted_standard_lets_in(example: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, its last table."""
    for _, pod in pods(manifests(example)):
        spec = pod["spec"]
        context = spec["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context.get("runAsUser") != 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "projected"}
        for volume in spec["volumes"]:
            assert set(volume) - {"name"} <= allowed
        for container in containers(pod):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["readOnlyRootFilesystem"] is True
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_no_pod_has_a_token_or_is_told_of_services(example: str) -> None:
    """A Service that is called relay would put RELAY_PORT into its environment."""
    things = manifests(example)
    for account in found(things, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    for kind, pod in pods(things):
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["enableServiceLinks"] is False
        # The account does not exist yet when a hook of the first installation runs.
        assert ("serviceAccountName" in pod["spec"]) == (kind == "Deployment")


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_pod_is_given_longer_than_a_stop_can_take(
    example: str, settings: Settings
) -> None:
    spec = deployment(manifests(example))["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] > stop_budget_s(settings)
    if example != "everything-values":
        assert spec["terminationGracePeriodSeconds"] <= stop_budget_s(settings) + 4


@pytest.mark.parametrize("example", EXAMPLES)
def test_probes_ask_where_a_flood_keeps_nobody_out(example: str) -> None:
    """tests/acceptance/test_flood.py shows that they are answered there."""
    [relay] = containers(deployment(manifests(example))["spec"]["template"])
    alive = {"path": "/healthz", "port": "operator"}
    assert relay["livenessProbe"]["httpGet"] == alive
    assert relay["startupProbe"]["httpGet"] == alive
    ready = {"path": "/readyz", "port": "operator"}
    assert relay["readinessProbe"]["httpGet"] == ready


def test_a_file_is_never_served_by_two_relays() -> None:
    spec = deployment(manifests("smallest-values"))["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert found(manifests("smallest-values"), "PodDisruptionBudget") == []


def test_on_a_database_the_new_relay_is_ready_before_an_old_one_goes() -> None:
    things = manifests("postgresql-values")
    spec = deployment(things)["spec"]
    assert spec["replicas"] == 3
    rolling = {"maxSurge": 1, "maxUnavailable": 0}
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}
    [budget] = found(things, "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    assert selects(budget["spec"]["selector"], spec["template"])
    spread = spec["template"]["spec"]["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in spread] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]
    for one in spread:
        assert selects(one["labelSelector"], spec["template"])


def test_who_scales_alone_decides_how_many() -> None:
    things = manifests("kafka-values")
    assert "replicas" not in deployment(things)["spec"]
    [scaler] = found(things, "HorizontalPodAutoscaler")
    target = scaler["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", "prod-relay")


def test_the_tables_are_ready_before_any_relay_of_the_new_version_is() -> None:
    things = manifests("postgresql-values")
    [job] = found(things, "Job")
    hooks = [
        one
        for one in things
        if "helm.sh/hook" in one["metadata"].get("annotations", {})
    ]
    assert [one["kind"] for one in hooks if one["kind"] != "Job"] == [
        "NetworkPolicy",
        "ConfigMap",
    ]
    for one in hooks:
        annotations = one["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
        first = int(annotations["helm.sh/hook-weight"]) < 0
        assert first == (one is not job)
    [container] = containers(job["spec"]["template"])
    assert container["args"] == ["migrate"]
    assert found(manifests("smallest-values"), "Job") == []


def test_a_migration_has_ended_before_helm_gives_up() -> None:
    """Else it goes on, behind a release that has failed."""
    [job] = found(manifests("postgresql-values"), "Job")
    spec = job["spec"]["template"]["spec"]
    # What Kubernetes gives a pod to stop, where it says nothing itself.
    stops_s = spec.get("terminationGracePeriodSeconds", 30)
    helm_waits_s = 300
    assert job["spec"]["activeDeadlineSeconds"] + stops_s < helm_waits_s


def test_prometheus_finds_the_operators_port() -> None:
    things = manifests("postgresql-values")
    [monitor] = found(things, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    [service] = [
        one
        for one in found(things, "Service")
        if wanted <= one["metadata"]["labels"].items()
    ]
    [endpoint] = monitor["spec"]["endpoints"]
    [port] = service["spec"]["ports"]
    assert (endpoint["port"], endpoint["path"]) == ("operator", "/metrics")
    assert (port["name"], port["targetPort"]) == ("operator", "operator")
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert labels(deployment(things)["spec"]["template"])["app.kubernetes.io/component"]


def test_the_alerts_look_for_it_under_the_name_that_prometheus_gives_it() -> None:
    """By itself that would be the Service's, and nobody would be told that a relay is down."""
    [monitor] = found(manifests("postgresql-values"), "ServiceMonitor")
    [endpoint] = monitor["spec"]["endpoints"]
    [job] = [
        one["replacement"]
        for one in endpoint["relabelings"]
        if one["targetLabel"] == "job"
    ]
    rules = (ROOT / "config" / "alerts.yaml").read_text()
    assert set(re.findall(r'job="(.*?)"', rules)) == {job}


@pytest.mark.parametrize(
    "sets,image",
    [
        (["image.tag=1.2.3"], "runflow-relay:1.2.3"),
        ([], "runflow-relay:0.1.0"),
        (
            ["image.tag=1.2.3", f"image.digest=sha256:{'0' * 64}"],
            f"runflow-relay@sha256:{'0' * 64}",
        ),
    ],
)
def test_an_image_is_named_by_digest_or_tag(sets: list[str], image: str) -> None:
    values = CHART / "ci" / "smallest-values.yaml"
    [relay] = containers(
        deployment(parse(Helm(4).render(values, sets=sets)))["spec"]["template"]
    )
    assert relay["image"] == image
