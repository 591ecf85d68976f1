"""How long a relay of the chart stays up when it is stopped: until its ingress has noticed."""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from relay.settings.units import Duration
from tests.chart.helm import CHART, Helm, parse

SHARED = {"kind": "postgresql", "postgresql": {"url": "postgresql://relay@db/relay"}}
#: What it may take from the probe's failure to the last request, in seconds.
ROUND_S = 2


def rendered(directory: Path, **values: object) -> tuple[dict[str, Any], float]:
    """The readiness probe, and the delay of the configuration."""
    path = directory / "values.json"
    path.write_text(json.dumps(values))
    smallest = CHART / "ci" / "smallest-values.yaml"
    objects = parse(Helm(4).render(smallest, path))
    [deployment] = [one for one in objects if one["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    name = deployment["metadata"]["name"]
    [config] = [
        one["data"]["relay.yaml"]
        for one in objects
        if (one["kind"], one["metadata"]["name"]) == ("ConfigMap", name)
    ]
    public = YAML(typ="safe").load(config)["public"]
    return container["readinessProbe"], Duration.of(public["drain_delay"]).seconds


@pytest.mark.parametrize("probe", [{}, {"periodSeconds": 3, "failureThreshold": 5}])
def test_one_of_several_outlasts_its_probe(
    probe: dict[str, int], tmp_path: Path
) -> None:
    said, delay_s = rendered(tmp_path, store=SHARED, probes={"readiness": probe})
    assert delay_s == said["periodSeconds"] * said["failureThreshold"] + ROUND_S


def test_one_alone_waits_for_nobody(tmp_path: Path) -> None:
    _, delay_s = rendered(tmp_path)
    assert delay_s == 0


def test_what_the_configuration_says_counts(tmp_path: Path) -> None:
    config = {"public": {"drain_delay": "30s"}}
    _, delay_s = rendered(tmp_path, store=SHARED, config=config)
    assert delay_s == 30
