"""The page about checking says what a check does."""

import io
import json
import re
import subprocess
import uuid
from pathlib import Path

from rich.console import Console

from relay.cli.check.show import show_findings
from relay.core.checking import Heard, judge_answer, judge_runs
from relay.core.finding import Finding
from relay.core.moment import moment_us
from relay.core.ping import ping_of
from relay.core.probe import probe_body
from tests.docs.pages import example

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "checking.md").read_text(encoding="utf-8")
SOURCES = [
    *(ROOT / "relay" / "app" / "checks").glob("*.py"),
    ROOT / "relay/core/checking.py",
]


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_the_test_event_is_the_one_that_is_sent() -> None:
    [block] = re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    shown = json.loads(block)
    now = moment_us(shown["time"])
    assert now is not None
    seed = uuid.UUID(shown["id"]).bytes
    event = ping_of(shown["subject"], seed=seed, now=now).letter.event
    assert json.loads(event.structured) == shown
    assert [*json.loads(event.structured)] == [*shown]


def test_the_table_is_drawn_like_that() -> None:
    own = "https://relay.example.com/callbacks/acme"
    refused = judge_answer(
        "acme", Heard(413, proven=False), size=6_291_456, runs_here=True
    )
    assert refused is not None
    whose = "the token is of organisation e2dd65be-2381-5c5a-a7a1-404b6d0cc000"
    topic = "topic runflow.runs: 3 partitions, records to 8MiB; took a test event"
    findings = [
        Finding(check="relay", result="ok", found="answers at 127.0.0.1:8081"),
        Finding(check="store", result="ok", found="schema 8, the ledger balances"),
        Finding(check="api", about="acme", result="ok", found=whose),
        judge_runs(
            "acme", [own] * 96 + ["https://old.example.com/hooks/runflow"] * 4, own=own
        ),
        refused,
        Finding(
            check="destination",
            about="orders",
            result="ok",
            found="took a test event (204, 12 ms)",
        ),
        Finding(check="destination", about="lake", result="ok", found=topic),
    ]
    drawn = io.StringIO()
    show_findings(Console(file=drawn, width=100), findings)
    lines = [line.rstrip() for line in drawn.getvalue().splitlines()]
    assert example("docs/checking.md", "table").splitlines() == lines


def test_the_probe_is_the_one_that_is_sent() -> None:
    body = probe_body(bytes(16)).decode()
    assert body.replace("0" * 32, "…") in PAGE


def test_pages_that_a_remedy_names_are_there() -> None:
    text = "\n".join(path.read_text() for path in SOURCES)
    named = set(re.findall(r"(docs/[a-z-]+\.md)#([a-z-]+)", text))
    assert len(named) >= 5
    lost = [
        (page, anchor) for page, anchor in named if anchor not in _anchors(ROOT / page)
    ]
    assert lost == []


def test_every_kind_of_row_is_explained() -> None:
    text = "\n".join(path.read_text() for path in SOURCES)
    checks = set(re.findall(r'check="([a-z]+)"', text))
    assert {"store", "relay", "api", "runs", "callbacks", "destination"} == checks
    rows = set(re.findall(r"^\| `([a-z]+)[ `]", PAGE, re.MULTILINE))
    assert checks <= rows


def test_alerts_are_given_addresses_as_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    rules = (ROOT / "config" / "alerts.yaml").read_text()
    (tmp_path / "config" / "alerts.yaml").write_text(rules)
    line = example("docs/checking.md", "runbooks")
    subprocess.run(["/bin/sh", "-ec", line], check=True, cwd=tmp_path)
    made = (tmp_path / "alerts.yaml").read_text()
    pages = re.findall(r"runbook: (\S+)", rules)
    urls = re.findall(r"runbook_url: (\S+)", made)
    assert pages
    assert [url.split("/blob/v0.1.0/")[1] for url in urls] == pages
    assert "runbook: " not in made
