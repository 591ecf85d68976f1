"""Bad values are refused before anything is installed, with a word that says what would be good."""

import re
from pathlib import Path

import pytest

from tests.chart.helm import CHART, HELMS, Helm, RefusedError, manifests, parse
from tests.chart.things import found

pytestmark = pytest.mark.process

SMALLEST = CHART / "ci" / "smallest-values.yaml"
SHARED = "more needs store.kind: postgresql"

#: What is set over the smallest values, the place that is named, and the word that is shown.
BAD = [
    ("host=", "host", "a host name, such as relay.example.com"),
    ("host=https://relay.example.com", "host", "a host name, such as"),
    ("config.sources=null", "config", "sources"),
    ("config.destinations[0].kind=rabbitmq", "config.destinations.0.kind", "kafka"),
    ("config.destinations[0].ulr=x", "config.destinations.0", "ulr"),
    ("config.destinations[0].url=orders.example.com", "url", "https?://"),
    ("config.destinations[0].url=http://a:b@c.example/", "url", "https?://"),
    (
        "config.destinations[0].proxy.url=http://a:b@c.example/",
        "proxy.url",
        "https?://",
    ),
    ("config.sources[0].name=Acme", "config.sources.0.name", "[a-z0-9]"),
    ("config.sources[0].secret=12345678", "config.sources.0.secret", "string"),
    ("config.limits.ack_timeout=4", "config.limits.ack_timeout", "string"),
    ("config.limits.ack_timeout=4 s", "config.limits.ack_timeout", "(ms|s|m|h|d|y)"),
    ("config.limits.headers=1", "config.limits.headers", "16"),
    ("config.limits.body_byte=1", "config.limits", "body_byte"),
    ("config.data_dir=/data", "config", "data_dir"),
    ("config.public.listen=0.0.0.0:80", "config.public", "listen"),
    ("config.routes[0].name=a", "config.routes.0", "match"),
    ("replicas=2", "replicas", SHARED),
    ("replicas=-1", "replicas", "0"),
    ("autoscaling.enabled=true", "autoscaling.enabled", SHARED),
    ("store.kind=mysql", "store.kind", "postgresql"),
    ("store.kind=postgresql", "store.postgresql.url", "needed, or urlSecret.name"),
    ("store.sqlite.accessMode=ReadWriteMany", "accessMode", "ReadWriteOncePod"),
    ("ingress.controller=apache", "ingress.controller", "haproxy-ingress"),
    ("ingress.controller=other", "networkPolicy.ingressFrom", "1"),
    ("ingress.enabled=false", "networkPolicy.ingressFrom", "1"),
    ("gateway.enabled=true", "gateway.parentRefs", "1"),
    ("image.digest=0.1.0", "image.digest", "sha256:"),
    ("image.pullPolicy=Sometimes", "image.pullPolicy", "IfNotPresent"),
    ("service.port=0", "service.port", "1"),
    ("publik=1", "", "publik"),
    ("tolerations[0].kee=x", "tolerations.0", "kee"),
    ("podSecurityContext.runAsNonrot=true", "podSecurityContext", "runAsNonrot"),
    ("resources.limit.cpu=1", "resources", "limit"),
    ("extraEnv[0].value=x", "extraEnv.0", "name"),
    ("probes.liveness.httpGet.path=/x", "probes.liveness", "httpGet"),
    ("fullnameOverride=1e3", "fullnameOverride", "[a-z]"),
    ("nameOverride=a.b", "nameOverride", "[a-z]"),
    ("prometheusRule.runbookBase=docs", "prometheusRule.runbookBase", "https?://"),
    ("prometheusRule.runbookBase=https://a.example/?x", "runbookBase", "https?://"),
    ("serviceAccount.name=a: b", "serviceAccount.name", "[a-z0-9]"),
    ("priorityClassName=*a", "priorityClassName", "[a-z0-9]"),
    ("store.sqlite.existingClaim=a}", "store.sqlite.existingClaim", "[a-z0-9]"),
    (r"podLabels.app\.kubernetes\.io/name=x", "", "app.kubernetes.io/name"),
    ("terminationGracePeriodSeconds=soon", "terminationGracePeriodSeconds", "integer"),
]


@pytest.mark.parametrize("major", HELMS)
@pytest.mark.parametrize("text,place,word", BAD, ids=[text for text, _, _ in BAD])
def test_a_bad_value_is_refused_with_its_place_and_a_clear_word(
    text: str, place: str, word: str, major: int
) -> None:
    with pytest.raises(RefusedError) as refusal:
        Helm(major).render(SMALLEST, sets=[text])
    # One Helm writes `a.0.b`, the other `/a/0/b`.
    said = str(refusal.value)
    assert place in re.sub(r"/(?=\w)", ".", said)
    assert word in said
    assert "templates/" not in said


@pytest.mark.parametrize("major", HELMS)
def test_without_values_all_three_things_that_it_asks_for_are_named(major: int) -> None:
    with pytest.raises(RefusedError) as refusal:
        Helm(major).render()
    for word in ("host", "sources", "destinations"):
        assert word in str(refusal.value)


@pytest.mark.parametrize("major", HELMS)
def test_a_file_has_no_place_where_there_is_no_volume(
    major: int, tmp_path: Path
) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(
        "store: {kind: postgresql, postgresql: {url: postgresql://relay@db/relay}}\n"
        "config: {destinations: [{name: a, kind: file, path: a.jsonl}]}\n"
    )
    with pytest.raises(RefusedError, match=r"file needs store\.kind: sqlite"):
        Helm(major).render(SMALLEST, values)


@pytest.mark.parametrize("major", HELMS)
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://relay:opensesame@db/relay",
        "postgres://x:opensesame@db/x?y=1",
        "postgresql://relay@db/relay?password=opensesame",
        "postgresql://relay@db/relay?sslmode=require&sslpassword=opensesame",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_repeated(
    major: int, url: str
) -> None:
    sets = ["store.kind=postgresql", f"store.postgresql.url={url}"]
    with pytest.raises(RefusedError) as refusal:
        Helm(major).render(SMALLEST, sets=sets)
    assert "without a password: that is in passwordSecret" in str(refusal.value)
    assert "opensesame" not in str(refusal.value)


def test_no_more_relays_at_least_than_at_the_most() -> None:
    """The one rule that a schema has no word for."""
    kafka = CHART / "ci" / "kafka-values.yaml"
    with pytest.raises(RefusedError, match=r"minReplicas is more than .*maxReplicas"):
        Helm(4).render(kafka, sets=["autoscaling.minReplicas=7"])


@pytest.mark.parametrize("replicas", [0, 1])
def test_one_relay_or_none_is_what_a_file_allows(replicas: int) -> None:
    text = Helm(4).render(SMALLEST, sets=[f"replicas={replicas}"])
    [deployment] = found(parse(text), "Deployment")
    assert deployment["spec"]["replicas"] == replicas


def test_a_default_is_taken_away_by_null() -> None:
    """As OpenShift needs it, which chooses the user."""
    [deployment] = found(manifests("openshift-values"), "Deployment")
    context = deployment["spec"]["template"]["spec"]["securityContext"]
    assert {"runAsUser", "runAsGroup", "fsGroup"} & set(context) == set()
    assert context["runAsNonRoot"] is True


@pytest.mark.parametrize("section", ["limits", "log", "public", "retention", "routes"])
def test_a_section_with_nothing_in_it_is_one_that_is_left_out(
    section: str, tmp_path: Path
) -> None:
    """So it stands there when all below it is commented out."""
    values = tmp_path / "values.yaml"
    values.write_text(f"config:\n  {section}:\n")
    for major in HELMS:
        things = parse(Helm(major).render(SMALLEST, values))
        [ingress] = found(things, "Ingress")
        size = "nginx.ingress.kubernetes.io/proxy-body-size"
        assert ingress["metadata"]["annotations"][size] == "6291456"
