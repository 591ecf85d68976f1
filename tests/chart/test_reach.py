"""Who reaches whom: which port is public, who is let in to which, and where a relay may go."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.chart.configuration import configuration
from tests.chart.helm import CHART, EXAMPLES, Helm, Manifest, manifests, parse
from tests.chart.things import (
    containers,
    deployment,
    found,
    named,
    peers,
    pods,
    policy_for,
    selects,
)

pytestmark = pytest.mark.process


def rendered(*sets: str) -> Sequence[Manifest]:
    return parse(Helm(4).render(CHART / "ci" / "smallest-values.yaml", sets=sets))


def namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


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
    # The Service's port, and that of OpenShift's pods behind it.
    assert {(p["protocol"], p["port"]) for p in first["ports"]} == {
        (protocol, port) for protocol in ("UDP", "TCP") for port in (53, 5353)
    }
    return _ways(rules)


def _ways(rules: Sequence[Any]) -> list[tuple[Any, Any]]:
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


def _block(network: str) -> Any:
    return {"ipBlock": {"cidr": network}}


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
        ("http://a.corp.example/", "{10.1.2.3}", [_block("10.1.2.3/32")], [80]),
        ("http://a.corp.example/", "{fd00::7}", [_block("fd00::7/128")], [80]),
        ("http://a.corp.example/", "{10.0.0.0/8}", [_block("10.0.0.0/8")], [80]),
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


@pytest.mark.parametrize(
    "url,private,networks,port",
    [
        ("http://orders.shop/hooks", "true", PRIVATE, 80),
        ("http://Orders.Shop:8080/", "true", PRIVATE, 8080),
        ("http://orders.shop/hooks", "{10.96.0.0/12}", [_block("10.96.0.0/12")], 80),
    ],
)
def test_a_name_of_two_words_may_be_a_service_and_may_be_a_host(
    url: str, private: str, networks: list[Any], port: int
) -> None:
    """A pod that looks it up asks for the Service first."""
    first = "config.destinations[0]"
    things = rendered(f"{first}.url={url}", f"{first}.private={private}")
    assert _egress(things) == [([namespace("shop")], None), (networks, [port])]


def test_a_public_host_of_two_words_is_no_service() -> None:
    """Deliveries to one would be refused: a Service has no public address."""
    things = rendered("config.destinations[0].url=https://orders.shop/hooks")
    assert _egress(things) == [(PUBLIC, [443])]


@pytest.mark.parametrize(
    "broker,to",
    [
        ("kafka-0.kafka.data.svc.cluster.local:9093", [([namespace("data")], None)]),
        ("kafka-0.kafka.data.svc:9093", [([namespace("data")], None)]),
        ("kafka.data:9093", [([namespace("data")], None), (ANYWHERE, [9093])]),
        ("kafka.example.com:9093", [(ANYWHERE, [9093])]),
    ],
)
def test_a_broker_is_reached_in_its_namespace(
    broker: str, to: list[tuple[Any, Any]]
) -> None:
    servers = f"config.destinations[0].bootstrap_servers={broker}"
    kafka = CHART / "ci" / "kafka-values.yaml"
    [_, *ways] = _egress(parse(Helm(4).render(kafka, sets=[servers])))
    assert ways == to


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
    # `proxy.internal`, which may be a Service.
    proxy = [([namespace("internal")], None), (ANYWHERE, [3128])]
    found_ways = _egress(manifests("everything-values"))
    assert found_ways == [*((one, [6432]) for one in hosts), *proxy, by_hand]
    own = [{"ipBlock": {"cidr": "10.20.0.0/16"}}]
    assert _egress(manifests("openshift-values")) == [(own, [8443])]
    assert _egress(manifests("gateway-nginx-values")) == []


@pytest.mark.parametrize(
    "example,ways",
    [
        ("smallest-values", [([namespace("ingress-nginx"), namespace("kube-system")], None), (ANYWHERE, [443])]),
        ("gateway-values", [([namespace("envoy-gateway-system"), namespace("infra")], None), (ANYWHERE, [443])]),
    ],
)  # fmt: skip
def test_a_relay_may_go_to_its_own_callbacks_while_its_pod_has_a_label(
    example: str, ways: list[tuple[Any, Any]]
) -> None:
    """For `relay check --online`, which sends one."""
    things = manifests(example)
    relay = json.loads(json.dumps(deployment(things)["spec"]["template"]))
    [_] = policy_for(things, relay)
    relay["metadata"]["labels"]["relay-check"] = "open"
    [_, checking] = policy_for(things, relay)
    assert checking["spec"]["policyTypes"] == ["Egress"]
    assert _ways(checking["spec"]["egress"]) == ways


def test_a_check_goes_by_http_where_callbacks_do() -> None:
    things = rendered("ingress.controller=alb", "ingress.tls.enabled=false")
    policy = named(things, "NetworkPolicy", "prod-relay-check")
    assert _ways(policy["spec"]["egress"]) == [(ANYWHERE, [80])]


def test_a_migration_reaches_the_database_and_is_reached_by_nobody() -> None:
    things = manifests("postgresql-values")
    [(_, job)] = [one for one in pods(things) if one[0] == "Job"]
    [policy] = policy_for(things, job)
    assert "ingress" not in policy["spec"]
    assert policy["spec"]["egress"][1:] == [{"to": [namespace("data")]}]
