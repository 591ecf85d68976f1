"""The chart in the hands of Helm, both of them, and what each release of Kubernetes says of what comes out."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chart.helm import (
    CHART,
    EXAMPLES,
    HELMS,
    Helm,
    Manifest,
    manifests,
    parse,
)
from tests.chart.schemas import RELEASES, mistakes

pytestmark = pytest.mark.process

#: What others bring: no release of Kubernetes has a schema for it.
FOREIGN = {
    "BackendTrafficPolicy",
    "ClientSettingsPolicy",
    "HTTPRoute",
    "ServersTransport",
    "ServiceMonitor",
}


@pytest.mark.parametrize("major", HELMS)
@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_good_to_the_strict_linter(example: str, major: int) -> None:
    said = Helm(major).lint(example)
    assert "1 chart(s) linted, 0 chart(s) failed" in said


@pytest.mark.parametrize("example", EXAMPLES)
def test_both_helms_make_the_same_of_it(example: str) -> None:
    first, second = (_by_name(manifests(example, major)) for major in HELMS)
    assert first == second


def _by_name(things: Sequence[Manifest]) -> dict[tuple[str, str], Manifest]:
    found = {(one["kind"], one["metadata"]["name"]): one for one in things}
    assert len(found) == len(things)
    return found


@pytest.mark.parametrize("release", RELEASES)
def test_every_manifest_is_one_of_this_release(release: str) -> None:
    wrong: dict[str, Sequence[str]] = {}
    unknown = set()
    for one in _all_manifests():
        said = mistakes(one, release)
        if said is None:
            unknown.add(one["kind"])
        elif said:
            wrong[f"{one['kind']} {one['metadata']['name']}"] = said
    assert wrong == {}
    assert unknown == FOREIGN


@pytest.mark.parametrize("word", ["true", "on", "null"])
def test_a_name_that_yaml_takes_for_something_else_is_a_name(
    word: str, tmp_path: Path
) -> None:
    values = {
        "nameOverride": word,
        "fullnameOverride": word,
        "priorityClassName": word,
        "serviceAccount": {"name": word},
        "store": {"sqlite": {"existingClaim": word}},
    }
    more = tmp_path / "values.json"
    more.write_text(json.dumps(values))
    things = parse(Helm(4).render(CHART / "ci" / "smallest-values.yaml", more))
    assert [mistakes(one, RELEASES[-1]) for one in things] == [[]] * len(things)


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_release_and_a_namespace_may_be_called_by_a_number(example: str) -> None:
    """Helm takes 1.5 for a release's name; to YAML it is a number, and no Service may be called so."""
    values = str(CHART / "ci" / f"{example}.yaml")
    words = ("template", "1.5", str(CHART), "--namespace", "1234", "--values", values)
    for one in parse(Helm(4).run(*words)):
        assert one["metadata"]["namespace"] == "1234"
        assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == "1.5"
        name = one["metadata"]["name"]
        assert name.startswith(("relay-1-5", "runflow-callbacks", "callbacks"))
        assert one["kind"] in FOREIGN or mistakes(one, RELEASES[-1]) == []


def _all_manifests() -> list[Manifest]:
    """Of all examples, those that are alike once."""
    every = [one for example in EXAMPLES for one in manifests(example)]
    return [json.loads(text) for text in sorted({json.dumps(one) for one in every})]


def test_a_word_that_kubernetes_does_not_know_would_be_found() -> None:
    [deployment] = [d for d in manifests(EXAMPLES[0]) if d["kind"] == "Deployment"]
    spoilt = json.loads(json.dumps(deployment))
    spoilt["spec"]["template"]["spec"]["enableServiceLink"] = False
    assert mistakes(spoilt, RELEASES[-1])


def test_the_examples_use_every_kind_that_the_chart_can_make() -> None:
    texts = "".join(path.read_text() for path in (CHART / "templates").glob("*.yaml"))
    able = {line.split()[1] for line in texts.splitlines() if line.startswith("kind:")}
    assert {one["kind"] for one in _all_manifests()} == able


def test_the_notes_say_where_runflow_sends_callbacks() -> None:
    """Helm 3 shows notes to nobody without a cluster."""
    values = str(CHART / "ci" / "smallest-values.yaml")
    words = ("install", "prod", str(CHART), "--values", values, "--namespace", "calls")
    notes = Helm(4).run(*words, "--dry-run=client").partition("NOTES:")[2]
    for line in (
        '"callback_url": "https://relay.example.com/callbacks/acme"',
        "kubectl -n calls rollout status deployment/prod-relay",
        "curl -i -d '{}' https://relay.example.com/callbacks/acme",
        "app.kubernetes.io/component=relay relay-check=open\n",
        "kubectl -n calls exec deployment/prod-relay -- relay check --online",
        "app.kubernetes.io/component=relay relay-check-\n",
        "runflow-relay:0.1.0 is named without a registry",
        "the usual home of nginx",
        "an upgrade pauses it for some seconds",
        "The source acme has no `api.token`",
    ):
        assert line in notes
