"""Each alert leads to its page, where whoever installs the chart says at which address the pages are."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.helm import CHART, HELMS, ROOT, Helm, parse
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
