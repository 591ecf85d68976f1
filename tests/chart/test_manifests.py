"""What the rendered manifests allow: who reaches what, which port is public, which secret lies where."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from relay.app.service import stop_budget_s
from relay.settings import Settings
from tests.chart.configuration import configuration
from tests.chart.helm import CHART, EXAMPLES, Helm, Manifest, manifests, parse
from tests.chart.things import (
    containers,
    found,
    labels,
    named,
    peers,
    pods,
    policy_for,
    selects,
)

pytestmark = pytest.mark.process

SMALLEST = CHART / "ci" / "smallest-values.yaml"


def rendered(*sets: str, example: str = "smallest-values") -> Sequence[Manifest]:
    return parse(Helm(4).render(CHART / "ci" / f"{example}.yaml", sets=sets))


def deployment(things: Sequence[Manifest]) -> Manifest:
    [one] = found(things, "Deployment")
    return one


def namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


# --- ports -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES)
def test_only_the_public_port_is_led_to_from_outside(example: str) -> None:
    things = manifests(example)
    [relay] = containers(deployment(things)["spec"]["template"])
    ports = {port["name"]: port["containerPort"] for port in relay["ports"]}
    assert ports == {"public": 8080, "operator": 8081}
    for service, port in _backends(things):
        ways = named(things, "Service", service)["spec"]["ports"]
        [way] = [one for one in ways if port in (one["name"], one["port"])]
        assert way["targetPort"] == "public"
        # Whoever has the Service has no other way with it.
        assert ways == [way]


def _backends(things: Sequence[Manifest]) -> list[tuple[str, Any]]:
    led = []
    for ingress in found(things, "Ingress"):
        [rule] = ingress["spec"]["rules"]
        [path] = rule["http"]["paths"]
        assert (rule["host"], path["path"]) == (_host(things), "/callbacks/")
        service = path["backend"]["service"]
        led.append((service["name"], service["port"]["name"]))
    for route in found(things, "HTTPRoute"):
        [rule] = route["spec"]["rules"]
        assert route["spec"]["hostnames"] == [_host(things)]
        assert [match["path"]["value"] for match in rule["matches"]] == ["/callbacks"]
        [backend] = rule["backendRefs"]
        led.append((backend["name"], backend["port"]))
    assert led
    return led


def _host(things: Sequence[Manifest]) -> str:
    return str(configuration(things)["public"]["url"]).removeprefix("https://")


@pytest.mark.parametrize("example", EXAMPLES)
def test_services_lead_to_relays_and_never_to_a_migration(example: str) -> None:
    things = manifests(example)
    for service in found(things, "Service"):
        for kind, pod in pods(things):
            led = selects({"matchLabels": service["spec"]["selector"]}, pod)
            assert led == (kind == "Deployment")


def test_the_operators_service_can_be_reached_from_no_other_network() -> None:
    operators = [
        service
        for example in EXAMPLES
        for service in found(manifests(example), "Service")
        if service["spec"]["ports"][0]["name"] == "operator"
    ]
    assert len(operators) == len(EXAMPLES)
    assert {(s["spec"]["type"], s["spec"]["clusterIP"]) for s in operators} == {
        ("ClusterIP", "None")
    }


# --- who may reach whom ----------------------------------------------------------------------------


def _policy(things: Sequence[Manifest]) -> Manifest:
    [policy] = policy_for(things, deployment(things)["spec"]["template"])
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    return policy


@pytest.mark.parametrize(
    "controller,homes",
    [
        ("nginx", ["ingress-nginx", "kube-system"]),
        ("nginx-f5", ["nginx-ingress"]),
        ("haproxy", ["haproxy-controller"]),
        ("haproxy-ingress", ["haproxy-ingress", "ingress-controller"]),
        ("traefik", ["traefik", "kube-system"]),
        ("contour", ["projectcontour"]),
    ],
)
def test_the_public_port_is_open_to_the_ingress_controller_alone(
    controller: str, homes: list[str]
) -> None:
    policy = _policy(rendered(f"ingress.controller={controller}"))
    assert peers(policy, "public") == [namespace(home) for home in homes]
    assert peers(policy, "operator") == [namespace("monitoring")]
    # By no other rule, and to no other port.
    named_ports = [[p["port"] for p in r["ports"]] for r in policy["spec"]["ingress"]]
    assert named_ports == [["public"], ["operator"]]


def test_a_load_balancer_outside_comes_from_private_networks() -> None:
    policy = _policy(rendered("ingress.controller=alb"))
    cidrs = [peer["ipBlock"]["cidr"] for peer in peers(policy, "public")]
    assert "10.0.0.0/8" in cidrs
    assert "0.0.0.0/0" not in cidrs


@pytest.mark.parametrize(
    "example,homes",
    [
        ("gateway-values", ["envoy-gateway-system", "infra"]),
        ("gateway-nginx-values", ["callbacks"]),
        ("everything-values", ["nginx-ingress", "infra"]),
    ],
)
def test_a_gateway_is_let_in_where_it_lives(example: str, homes: list[str]) -> None:
    policy = _policy(manifests(example))
    assert peers(policy, "public") == [namespace(home) for home in homes]


def test_who_is_named_is_let_in_and_nobody_else() -> None:
    policy = _policy(manifests("openshift-values"))
    wanted = {"network.openshift.io/policy-group": "ingress"}
    assert peers(policy, "public") == [{"namespaceSelector": {"matchLabels": wanted}}]
    assert peers(policy, "operator") == []


def _egress(things: Sequence[Manifest]) -> list[tuple[Any, Any]]:
    """Where it may go, but for DNS: (peers, ports), None for every port."""
    first, *rules = _policy(things)["spec"]["egress"]
    assert {(p["protocol"], p["port"]) for p in first["ports"]} == {
        ("UDP", 53),
        ("TCP", 53),
    }
    return [
        (
            rule["to"],
            [one["port"] for one in rule["ports"]] if "ports" in rule else None,
        )
        for rule in rules
    ]


PRIVATE_4 = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]
PUBLIC = [
    {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16", *PRIVATE_4]}},
    {"ipBlock": {"cidr": "::/0", "except": ["fe80::/10", "fc00::/7"]}},
]
ANYWHERE = [
    {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}},
    {"ipBlock": {"cidr": "::/0", "except": ["fe80::/10"]}},
]
PRIVATE = [{"ipBlock": {"cidr": cidr}} for cidr in (*PRIVATE_4, "fc00::/7")]


@pytest.mark.parametrize(
    "url,private,to,ports",
    [
        ("https://orders.example.com/hooks", "false", PUBLIC, [443]),
        ("https://orders.example.com:8443/a?b=1", "false", PUBLIC, [8443]),
        ("http://orders.example.com", "false", PUBLIC, [80]),
        ("https://orders.example.com/hooks", "true", PRIVATE, [443]),
        ("http://orders.shop.svc/hooks", "true", [namespace("shop")], None),
        ("http://o.shop.svc.cluster.local:81/", "true", [namespace("shop")], None),
        ("http://orders/hooks", "true", [{"podSelector": {}}], None),
        ("http://10.1.2.3:81/", "true", [{"ipBlock": {"cidr": "10.1.2.3/32"}}], [81]),
        ("http://[fd00::7]:81/", "true", [{"ipBlock": {"cidr": "fd00::7/128"}}], [81]),
        ("https://${HOST}/hooks", "false", ANYWHERE, None),
    ],
)
def test_a_relay_may_go_where_its_destination_is(
    url: str, private: str, to: list[Any], ports: list[int] | None
) -> None:
    """Within the cluster the port is not named: the policy is judged by that of the pod."""
    first = "config.destinations[0]"
    things = rendered(f"{first}.url={url}", f"{first}.private={private}")
    assert _egress(things) == [(to, ports)]


def test_a_relay_may_go_to_what_else_it_is_configured_for() -> None:
    """Runflow's API, brokers, the database, each once, and what is added by hand."""
    api = (ANYWHERE, [443])
    assert _egress(manifests("postgresql-values")) == [
        ([namespace("data")], None),
        api,
        ([namespace("shop")], None),
        (PUBLIC, [443]),
    ]
    [database, brokers] = _egress(manifests("kafka-values"))
    assert brokers == ([namespace("kafka")], None)
    assert database == ([{"namespaceSelector": {}}, *ANYWHERE], [5432])
    hosts = [[{"ipBlock": {"cidr": f"10.30.0.{last}/32"}}] for last in (7, 8)]
    by_hand = ([{"ipBlock": {"cidr": "10.40.0.0/16"}}], [8443])
    proxy = (ANYWHERE, [3128])
    found_ways = _egress(manifests("everything-values"))
    assert found_ways == [*((one, [6432]) for one in hosts), proxy, by_hand]
    own = [{"ipBlock": {"cidr": "10.20.0.0/16"}}]
    assert _egress(manifests("openshift-values")) == [(own, [8443])]
    assert _egress(manifests("gateway-nginx-values")) == []


def test_a_migration_reaches_the_database_and_is_reached_by_nobody() -> None:
    things = manifests("postgresql-values")
    [(_, job)] = [one for one in pods(things) if one[0] == "Job"]
    [policy] = policy_for(things, job)
    assert "ingress" not in policy["spec"]
    assert policy["spec"]["egress"][1:] == [{"to": [namespace("data")]}]


# --- secrets ---------------------------------------------------------------------------------------


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


# --- pods ------------------------------------------------------------------------------------------


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
def test_probes_ask_where_they_are_answered(example: str) -> None:
    [relay] = containers(deployment(manifests(example))["spec"]["template"])
    alive = {"path": "/healthz", "port": "public"}
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
    [relay] = containers(deployment(rendered(*sets))["spec"]["template"])
    assert relay["image"] == image
