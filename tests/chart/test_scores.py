"""What an outside reader finds fault with in the chart is known, and has its reason: `make chart-test`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.helm import CHART, EXAMPLES, Helm
from tests.chart.kube_score import Finding, findings

pytestmark = [
    pytest.mark.process,
    pytest.mark.long,
    # The first time, it is built.
    pytest.mark.timeout(1300, func_only=True),
]

EXCEPTIONS: Sequence[Any] = yaml.safe_load(
    Path(__file__).with_name("exceptions.yaml").read_text()
)


def _found(example: str) -> list[Finding]:
    return [*findings(Helm(4).render(CHART / "ci" / f"{example}.yaml"))]


def _excused(finding: Finding) -> list[int]:
    return [
        number
        for number, one in enumerate(EXCEPTIONS)
        if one["check"] == finding.check and one["says"] in finding.says
    ]


def test_nothing_is_found_that_has_no_reason_and_no_reason_is_left_over() -> None:
    found = [one for example in EXAMPLES for one in _found(example)]
    assert [one for one in found if not _excused(one)] == []
    used = {number for one in found for number in _excused(one)}
    assert used == set(range(len(EXCEPTIONS)))


def test_each_exception_says_why() -> None:
    assert all(len(one["why"]) > 40 for one in EXCEPTIONS)


def test_a_pod_that_may_do_more_is_found() -> None:
    text = Helm(4).render(CHART / "ci" / f"{EXAMPLES[0]}.yaml")
    open_to_all = text.replace("readOnlyRootFilesystem: true", "privileged: true")
    assert "container-security-context-privileged" in {
        one.check for one in findings(open_to_all)
    }
