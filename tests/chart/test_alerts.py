"""Each alert leads to its page, where whoever installs the chart says at which address the pages are."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.helm import CHART, HELMS, RELEASE, ROOT, Helm, parse
from tests.chart.things import found
from tests.install_tools import find

pytestmark = pytest.mark.process

BASE = "https://git.example.com/ops/runflow-relay/blob/v0.1.0"
RULES: dict[str, Any] = yaml.safe_load((ROOT / "config" / "alerts.yaml").read_text())


def _groups(*sets: str, major: int = 4) -> list[dict[str, Any]]:
    smallest = CHART / "ci" / "smallest-values.yaml"
    text = Helm(major).render(smallest, sets=["prometheusRule.enabled=true", *sets])
    [rule] = found(parse(text), "PrometheusRule")
    groups: list[dict[str, Any]] = rule["spec"]["groups"]
    return groups


def _rules(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("major", HELMS)
@pytest.mark.parametrize("base", [BASE, f"{BASE}/"])
def test_each_has_the_address_of_its_page_and_is_otherwise_as_it_was(
    base: str, major: int
) -> None:
    made = _rules(_groups(f"prometheusRule.runbookBase={base}", major=major))
    for rule, known in zip(made, _rules(RULES["groups"]), strict=True):
        page = known["annotations"]["runbook"]
        assert (ROOT / page.partition("#")[0]).is_file()
        notes = {**known["annotations"], "runbook_url": f"{BASE}/{page}"}
        del notes["runbook"]
        assert rule == {**known, "annotations": notes}


@pytest.mark.parametrize("major", HELMS)
def test_values_of_an_older_chart_are_good_which_know_nothing_of_them(
    major: int, tmp_path: Path
) -> None:
    """`helm upgrade --reuse-values` puts them in the place of this chart's own."""
    older = tmp_path / "relay"
    shutil.copytree(CHART, older)
    own = yaml.safe_load((older / "values.yaml").read_text())
    del own["prometheusRule"]
    (older / "values.yaml").write_text(json.dumps(own))
    smallest = str(CHART / "ci" / "smallest-values.yaml")
    words = ("template", RELEASE, str(older), "--values", smallest)
    kinds = {one["kind"] for one in parse(Helm(major).run(*words))}
    assert "Deployment" in kinds
    assert "PrometheusRule" not in kinds
    switched_on = ("--set", "prometheusRule.enabled=true")
    [rule] = found(parse(Helm(major).run(*words, *switched_on)), "PrometheusRule")
    assert rule["spec"]["groups"] == RULES["groups"]


@pytest.mark.parametrize("major", HELMS)
@pytest.mark.parametrize("name", ["enabled", "runbookBase", "labels"])
def test_each_value_of_theirs_may_be_null(name: str, major: int) -> None:
    smallest = CHART / "ci" / "smallest-values.yaml"
    sets = ["prometheusRule.enabled=true", f"prometheusRule.{name}=null"]
    made = found(parse(Helm(major).render(smallest, sets=sets)), "PrometheusRule")
    assert [rule["spec"]["groups"] for rule in made] == (
        [] if name == "enabled" else [RULES["groups"]]
    )


def test_prometheus_takes_them_as_the_chart_gives_them(tmp_path: Path) -> None:
    promtool = find("promtool")
    assert promtool, "promtool is missing: python tests/install_tools.py"
    given = tmp_path / "rules.yaml"
    groups = _groups(f"prometheusRule.runbookBase={BASE}")
    given.write_text(json.dumps({"groups": groups}))
    said = subprocess.run(
        [promtool, "check", "rules", str(given)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (said.returncode, "SUCCESS" in said.stdout) == (0, True), said.stderr
