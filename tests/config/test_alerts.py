"""The alerts fire when they should and not before, speak of what is measured, and say what to type."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from relay.cli.main import app
from relay.observe.metrics import DEFINITIONS, Definition
from tests.config.alert_cases import CASES, Case
from tests.config.alert_quiet import HEALTHY, QUIET, Course
from tests.install_tools import find

ROOT = Path(__file__).parents[2]
RULES = ROOT / "config" / "alerts.yaml"
METRIC = re.compile(r"runflow_relay_[a-z_]+")
VERB = re.compile(r"\brelay (?!/|0)([a-z]+)((?: [^\s:;,.]+)*)")
DEFINED: dict[str, Definition] = {str(name): it for name, it in DEFINITIONS.items()}
#: Prometheus's own words that a rule may use.
SUFFIXES = ("_bucket", "_sum", "_count")


@cache
def _groups() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = YAML(typ="safe").load(RULES.read_text())["groups"]
    return groups


def _alerts() -> list[dict[str, Any]]:
    return [rule for group in _groups() for rule in group["rules"]]


def _promtool(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    promtool = find("promtool")
    assert promtool, "promtool is missing: python tests/install_tools.py"
    return subprocess.run(
        [promtool, *words], check=False, capture_output=True, text=True, cwd=cwd
    )


def _rules(folder: Path, alert: str = "") -> None:
    """The rules, or only those of one alert."""
    rules = [rule for rule in _alerts() if alert in ("", rule["alert"])]
    # JSON is YAML.
    document = {"groups": [{"name": "relay", "rules": rules}]}
    (folder / "alerts.yaml").write_text(json.dumps(document))


def _play(
    folder: Path, series: Mapping[str, str], expected: Sequence[Mapping[str, object]]
) -> subprocess.CompletedProcess[str]:
    tests = {
        "rule_files": ["alerts.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": values}
                    for name, values in series.items()
                ],
                "alert_rule_test": list(expected),
            }
        ],
    }
    (folder / "test.yaml").write_text(json.dumps(tests))
    return _promtool("test", "rules", "test.yaml", cwd=folder)


def _at(minute: int, alert: str) -> dict[str, object]:
    """That it does not fire then."""
    return {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": []}


#: One for each case, in their order.
IDS = [f"{number}-{case.alert}" for number, case in enumerate(CASES, 1)]


def test_prometheus_takes_them() -> None:
    said = _promtool("check", "rules", str(RULES), cwd=ROOT)
    assert (said.returncode, "SUCCESS" in said.stdout) == (0, True), said.stderr


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_each_fires_when_it_should_and_not_before_and_names_whom_it_is_about(
    case: Case, tmp_path: Path
) -> None:
    """promtool shows an alert as it is, words and all, where it was told to expect none."""
    _rules(tmp_path, case.alert)
    said = _play(
        tmp_path, case.series, [_at(t, case.alert) for t in (case.quiet, case.fires)]
    )
    text = said.stdout + said.stderr
    times = re.findall(r"alertname: \w+, time: (\w+),", text)
    assert [*map(_minutes, times)] == [case.fires], text
    [labels] = re.findall(r"Labels:\{(.*)\}", text)
    expected = {"alertname": case.alert, "severity": case.severity, **case.labels}
    assert dict(re.findall(r'(\w+)="([^"]*)"', labels)) == expected
    [words] = re.findall(r"Annotations:\{(.*)\}", text)
    # A template that went wrong says so in angle brackets.
    assert "<" not in words, words
    about = case.labels.get("source") or case.labels.get("destination") or ""
    assert about in words


def _minutes(text: str) -> int:
    """A duration as Prometheus writes it, ``1d3m``."""
    units = {"d": 1440, "h": 60, "m": 1}
    return sum(int(n) * units[unit] for n, unit in re.findall(r"(\d+)([dhm])", text))


def test_none_fires_while_nothing_is_wrong(tmp_path: Path) -> None:
    _rules(tmp_path)
    times = range(1, 240, 20)
    expected = [_at(time, rule["alert"]) for rule in _alerts() for time in times]
    said = _play(tmp_path, HEALTHY, expected)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("course", QUIET, ids=[course.name for course in QUIET])
def test_what_only_looks_like_trouble_fires_nothing(
    course: Course, tmp_path: Path
) -> None:
    _rules(tmp_path, course.alert)
    expected = [_at(minute, course.alert) for minute in range(1, 240)]
    said = _play(tmp_path, course.series, expected)
    assert said.returncode == 0, said.stdout + said.stderr


def test_every_alert_has_its_case() -> None:
    assert {case.alert for case in CASES} == {rule["alert"] for rule in _alerts()}


def test_they_speak_of_nothing_that_is_not_measured() -> None:
    used = {
        re.sub(f"({'|'.join(SUFFIXES)})$", "", name)
        for rule in _alerts()
        for name in METRIC.findall(rule["expr"])
    }
    assert used
    assert used - set(DEFINED) == set()


def test_labels_that_they_look_at_are_labels_that_there_are() -> None:
    for rule in _alerts():
        for name, labels in re.findall(
            r"(runflow_relay_\w+?)\{([^}]*)\}", rule["expr"]
        ):
            definition = DEFINED[re.sub(f"({'|'.join(SUFFIXES)})$", "", name)]
            given = set(re.findall(r"(\w+)=", labels))
            assert given <= {*definition.labels, "le"}, rule["alert"]


def _anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_each_says_how_bad_it_is_what_to_type_and_where_to_read_on() -> None:
    verbs = typer.main.get_group(app).commands
    for rule in _alerts():
        words = rule["annotations"]
        assert set(words) == {"summary", "description", "runbook"}, rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning")
        page, _, anchor = words["runbook"].partition("#")
        assert page == "docs/troubleshooting.md"
        assert anchor in _anchors((ROOT / page).read_text()), rule["alert"]
        typed = VERB.findall(words["description"])
        assert typed, rule["alert"]
        for verb, rest in typed:
            if verb in verbs:
                flags = set(re.findall(r"--[a-z-]+", rest))
                assert flags <= _options(verbs[verb]), (rule["alert"], rest)
        assert any(verb in verbs for verb, _ in typed), rule["alert"]


def _options(command: object) -> set[str]:
    below = getattr(command, "commands", {}).values()
    own = getattr(command, "params", [])
    found = {option for parameter in own for option in parameter.opts}
    return found.union(*(_options(one) for one in below))
