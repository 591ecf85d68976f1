"""The configuration that comes out is the one that went in, in the relay's own words, and no secret is in it."""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from relay.cli.main import app
from relay.settings import Settings
from tests.chart.configuration import configuration, lay_out, text_of
from tests.chart.helm import (
    CHART,
    EXAMPLES,
    ROOT,
    Helm,
    Manifest,
    manifests,
    parse,
)
from tests.chart.things import found

pytestmark = pytest.mark.process

SMALLEST = CHART / "ci" / "smallest-values.yaml"
EVERY_SETTING = ROOT / "tests" / "settings" / "every-section.yaml"
#: What the chart decides, and what has no place beside a database or in a cluster.
OWN = ("data_dir", "store", "operator")


def rendered(values: Path, *sets: str) -> Sequence[Manifest]:
    return parse(Helm(4).render(SMALLEST, values, sets=sets))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_relay_finds_nothing_wrong_with_what_is_rendered(
    example: str, tmp_path: Path, authority: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, environ = lay_out(manifests(example), tmp_path, authority=authority)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    said = CliRunner().invoke(app, ["check", "--json", "--config", str(config)])
    shown = json.loads(said.output)
    assert (said.exit_code, shown["ok"]) == (0, True), said.output
    host = "relay.apps" if example == "openshift-values" else "relay"
    assert shown["callback_urls"][0] == f"https://{host}.example.com/callbacks/acme"


@pytest.mark.parametrize("example", EXAMPLES)
def test_listeners_are_where_ports_and_probes_are(
    example: str, settings: Settings
) -> None:
    assert (settings.public.listen.port, settings.operator.listen.port) == (8080, 8081)
    host = "::" if example == "everything-values" else "0.0.0.0"  # noqa: S104 - compared with
    assert {settings.public.listen.host, settings.operator.listen.host} == {host}
    assert settings.log.format == "json"


@pytest.fixture
def every_setting(tmp_path: Path) -> Any:
    """Every setting there is, each secret a text of its own, as values of the chart."""
    config = YAML(typ="safe").load(EVERY_SETTING.read_text())
    for name in OWN:
        del config[name]
    for name in ("listen", "url"):
        del config["public"][name]
    text = json.dumps(config, default=lambda moment: moment.isoformat())
    values = tmp_path / "values.json"
    values.write_text(json.dumps({"config": json.loads(text)}))
    return values


def test_every_setting_may_be_set_and_arrives_as_it_was(every_setting: Path) -> None:
    """What the relay knows, the chart knows."""
    given = json.loads(every_setting.read_text())["config"]
    got = configuration(rendered(every_setting))
    for name in (*OWN, "public"):
        got.pop(name)
    del given["public"]
    # Variables stay where they are; what stands there as text is lifted out.
    [orders] = [d for d in got["destinations"] if d["name"] == "orders"]
    lifted = orders["headers"].pop("X-Tenant")
    assert given["destinations"][0]["headers"].pop("X-Tenant") == "acme"
    assert lifted == {"file": "/run/secrets/relay/destinations.orders.headers.X-Tenant"}
    assert got == given


def test_a_secret_that_stands_in_the_values_is_in_the_secret_and_nowhere_else(
    every_setting: Path,
) -> None:
    values = json.loads(every_setting.read_text())
    planted = {f"planted-{n}" for n in range(_plant(values))}
    every_setting.write_text(json.dumps(values))
    things = rendered(every_setting)
    [secret] = found(things, "Secret")
    kept = {base64.b64decode(text).decode() for text in secret["data"].values()}
    assert len(planted) > 10
    assert planted <= kept
    others = json.dumps([one for one in things if one is not secret])
    assert {text for text in planted if text in others} == set()
    files = {*_files(configuration(things))}
    assert {f"/run/secrets/relay/{name}" for name in secret["data"]} <= files


def _plant(node: Any, count: int = 0) -> int:
    """Put a text in the place of each variable that is a secret; how many there are."""
    words = ("secret", "token", "password", "bearer", "X-Key")
    items: Any = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        if isinstance(value, dict | list):
            count = _plant(value, count)
        elif key in words:
            node[key] = f"planted-{count}"
            count += 1
    return count


def _files(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if set(node) == {"file"}:
            yield node["file"]
        node = list(node.values())
    for item in node if isinstance(node, list) else ():
        yield from _files(item)


def test_only_secrets_are_lifted(tmp_path: Path) -> None:
    """A filter may look at an attribute of any name; a header may have any sign that a header may."""
    headers = {"X-Ok!": "one", "X-Ok~": "two"}
    smallest = YAML(typ="safe").load(SMALLEST.read_text())["config"]["destinations"]
    routes = [{"name": "r", "match": {"exact": {"token": "plain"}}, "to": ["orders"]}]
    config = {"destinations": [smallest[0] | {"headers": headers}], "routes": routes}
    values = tmp_path / "values.json"
    values.write_text(json.dumps({"config": config}))
    things = rendered(values)
    assert configuration(things)["routes"] == routes
    [secret] = found(things, "Secret")
    kept = [base64.b64decode(text).decode() for text in secret["data"].values()]
    assert {"one", "two"} <= {*kept}
    assert all(re.fullmatch("[-._a-zA-Z0-9]+", name) for name in secret["data"])


@pytest.mark.parametrize(
    "written,kept",
    [
        ("a$$b-and-more", "a$b-and-more"),
        ("a$b-and-more", "a$b-and-more"),
        ("a$${B}-and-more", "a${B}-and-more"),
    ],
)
def test_a_dollar_means_in_the_secret_what_it_means_in_the_file(
    written: str, kept: str, tmp_path: Path
) -> None:
    values = tmp_path / "values.json"
    source = {"name": "acme", "secret": written}
    values.write_text(json.dumps({"config": {"sources": [source]}}))
    [secret] = found(rendered(values), "Secret")
    assert base64.b64decode(secret["data"]["sources.acme.secret"]).decode() == kept


def test_a_text_arrives_as_the_text_that_it_was(tmp_path: Path) -> None:
    """Helm writes YAML 1.1 and the relay reads 1.2: what is a word to one may be a number to the other."""
    odd = ["off", "yes", "~", "null", "1e3", "0o17", "017", "0x1F", "1_000", "12:30:00"]
    odd += ["2026-12-31", ".inf", "a: b", "# c", "{d}", "$$e", "é", "1.10"]
    sources = [
        {"name": f"s{n}", "secret": {"file": "x"}, "api": {"organization_id": text}}
        for n, text in enumerate(odd)
    ]
    values = tmp_path / "values.json"
    values.write_text(json.dumps({"config": {"sources": sources}}))
    got = configuration(rendered(values))["sources"]
    assert [one["api"]["organization_id"] for one in got] == odd


def test_without_tls_at_the_ingress_callbacks_come_over_http() -> None:
    things = rendered(
        SMALLEST, "ingress.tls.enabled=false", "ingress.controller=traefik"
    )
    assert configuration(things)["public"]["url"] == "http://relay.example.com"
    [ingress] = found(things, "Ingress")
    assert "tls" not in ingress["spec"]
    entry = "traefik.ingress.kubernetes.io/router.entrypoints"
    assert ingress["metadata"]["annotations"][entry] == "web"


def _checksum(things: Sequence[Manifest]) -> str:
    [deployment] = found(things, "Deployment")
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    return str(annotations["checksum/config"])


@pytest.mark.parametrize(
    "change,restarts",
    [
        ("config.destinations[0].url=https://elsewhere.example.com/", False),
        ("config.sources[0].secret=whsec_another-one", False),
        ("config.limits.backlog=5000", True),
        ("config.public.stop_timeout=5s", True),
        ("config.log.level=debug", True),
        ("host=elsewhere.example.com", True),
    ],
)
def test_pods_are_replaced_for_what_a_running_relay_does_not_take_over(
    change: str, restarts: bool
) -> None:
    before, after = manifests("smallest-values"), rendered(SMALLEST, change)
    is_secret = "secret" in change
    assert (text_of(before) == text_of(after)) == is_secret
    assert (_checksum(before) != _checksum(after)) == restarts
    templates = [found(things, "Deployment")[0]["spec"] for things in (before, after)]
    assert (templates[0] == templates[1]) == (not restarts)


@pytest.mark.parametrize(
    "sets,wanted",
    [
        ([], ("6291456", "10")),
        (
            ["config.limits.body_bytes=8MB", "config.limits.ack_timeout=2500ms"],
            ("8000000", "9"),
        ),
        (
            ["config.limits.body_bytes=1048576", "config.limits.ack_timeout=1m"],
            ("1048576", "66"),
        ),
    ],
)
def test_the_ingress_lets_through_and_waits_for_what_the_limits_say(
    sets: list[str], wanted: tuple[str, str]
) -> None:
    size, seconds = wanted
    community = _annotations(*sets)
    assert community["nginx.ingress.kubernetes.io/proxy-body-size"] == size
    assert community["nginx.ingress.kubernetes.io/proxy-read-timeout"] == seconds
    f5 = _annotations("ingress.controller=nginx-f5", *sets)
    assert f5["nginx.org/client-max-body-size"] == size
    assert f5["nginx.org/proxy-read-timeout"] == f"{seconds}s"
    haproxy = _annotations("ingress.controller=haproxy", *sets)
    assert haproxy["haproxy.org/timeout-server"] == f"{seconds}s"
    other = _annotations("ingress.controller=haproxy-ingress", *sets)
    assert other["haproxy-ingress.github.io/proxy-body-size"] == size
    assert other["haproxy-ingress.github.io/timeout-server"] == f"{seconds}s"
    contour = _annotations("ingress.controller=contour", *sets)
    whole = int(seconds) + 20
    assert contour["projectcontour.io/response-timeout"] == f"{whole}s"


def _annotations(*sets: str) -> dict[str, str]:
    [ingress] = found(rendered(SMALLEST, *sets), "Ingress")
    given: dict[str, str] = ingress["metadata"]["annotations"]
    return given


def test_whoever_annotates_the_ingress_by_hand_has_the_last_word() -> None:
    [ingress] = found(manifests("everything-values"), "Ingress")
    given = ingress["metadata"]["annotations"]
    assert given["nginx.org/proxy-read-timeout"] == "30s"
    assert given["nginx.org/client-max-body-size"] == "6291456"


@pytest.mark.parametrize("idle,wanted", [("75s", "60s"), ("2m", "105s")])
def test_idle_connections_end_at_the_proxy_first(idle: str, wanted: str) -> None:
    set_idle = f"config.limits.idle_timeout={idle}"
    things = rendered(SMALLEST, "ingress.controller=traefik", set_idle)
    [transport] = found(things, "ServersTransport")
    [service] = [
        one
        for one in found(things, "Service")
        if one["spec"]["ports"][0]["name"] == "public"
    ]
    timeouts = transport["spec"]["forwardingTimeouts"]
    assert timeouts["idleConnTimeout"] == wanted
    assert service["metadata"]["annotations"] == {
        "traefik.ingress.kubernetes.io/service.serverstransport": "callbacks-prod-relay@kubernetescrd"
    }
    gateway = parse(
        Helm(4).render(CHART / "ci" / "gateway-values.yaml", sets=[set_idle])
    )
    [policy] = found(gateway, "BackendTrafficPolicy")
    assert policy["spec"]["timeout"]["http"]["connectionIdleTimeout"] == wanted
    alb = _annotations("ingress.controller=alb", set_idle)
    attributes = alb["alb.ingress.kubernetes.io/load-balancer-attributes"]
    assert attributes == f"idle_timeout.timeout_seconds={wanted[:-1]}"


@pytest.mark.parametrize(
    "example,sets,delay",
    [
        ("smallest-values", [], "0s"),
        ("postgresql-values", [], "6s"),
        ("postgresql-values", ["ingress.controller=alb"], "30s"),
        ("postgresql-values", ["config.public.drain_delay=1s"], "1s"),
        ("postgresql-values", ["probes.readiness.failureThreshold=5"], "12s"),
    ],
)
def test_a_relay_stays_until_the_ingress_has_noticed(
    example: str, sets: list[str], delay: str
) -> None:
    """Longer than the readiness probe takes, unless nobody takes its place; or as long as it was told to."""
    things = parse(Helm(4).render(CHART / "ci" / f"{example}.yaml", sets=sets))
    assert configuration(things)["public"]["drain_delay"] == delay


def test_gateways_let_through_and_wait_for_what_the_limits_say() -> None:
    [route] = found(manifests("gateway-values"), "HTTPRoute")
    # 2.5 s to answer, six more for the way, 20 s for the body.
    assert route["spec"]["rules"][0]["timeouts"] == {"request": "29s"}
    nginx = manifests("gateway-nginx-values")
    [policy] = found(nginx, "ClientSettingsPolicy")
    [route] = found(nginx, "HTTPRoute")
    assert policy["spec"]["body"] == {"maxSize": "6291456"}
    assert policy["spec"]["targetRef"]["name"] == route["metadata"]["name"]
    assert "timeouts" not in route["spec"]["rules"][0]
