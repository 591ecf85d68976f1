"""What the README has people type is typed, as it stands, in a fresh clone."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from relay.settings import Settings, load
from tests.docs.desk import Desk, until
from tests.docs.pages import ROOT, example, examples
from tests.places import HOST

PAGE = "README.md"
SMALLEST, KAFKA = examples(PAGE, "yaml")
SECRET = "whsec_b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHM="
INSTALL_S = 900.0
#: What a reader puts in the place of words of the page: the sandbox is Runflow here, an endpoint of ours the shop.
OWN = {
    "whsec_as-runflow-showed-it": "whsec_sandbox",
    "rf_live_as-runflow-showed-it": "rf_live_sandbox",
    # The page says where to look for the secret that it has made.
    "relay check ": 'echo "$ORDERS_SECRET" > orders.secret; relay check ',
}
RECEIVER = """
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from standardwebhooks import Webhook

class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        secret = Path("orders.secret").read_text().strip()
        event = Webhook(secret).verify(body, dict(self.headers))
        print(json.dumps(event), flush=True)
        self.send_response_only(204)
        self.end_headers()

HTTPServer(("127.0.0.1", int(sys.argv[1])), Endpoint).serve_forever()
"""


def test_the_first_screen_says_what_it_is_and_how_to_start() -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= 100
    assert lines.index("## Run it") <= 20


def test_its_figures_stand_on_the_page_about_performance() -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    figures = re.findall(r"\d+,\d{3}|\d+\.\d %", text.partition("## Against")[2])
    assert len(figures) >= 8
    assert [one for one in figures if one.removesuffix(" %") not in page] == []


def _loaded(text: str, directory: Path) -> Settings:
    path = directory / "relay.yaml"
    path.write_text(text, encoding="utf-8")
    names = ("RUNFLOW_CALLBACK_SECRET", "RUNFLOW_TOKEN", "ORDERS_SECRET")
    return load(path, dict.fromkeys(names, SECRET))


def test_it_shows_the_smallest_configuration_as_it_is_shipped(tmp_path: Path) -> None:
    shipped = (ROOT / "config" / "relay.yaml").read_text(encoding="utf-8")
    assert _loaded(SMALLEST, tmp_path) == _loaded(shipped, tmp_path)


def test_it_adds_kafka_in_words_that_load(tmp_path: Path) -> None:
    text = f"sources: [{{name: acme, secret: {SECRET}}}]\n{KAFKA}"
    assert _loaded(text, tmp_path).destinations[0].kind == "kafka"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What somebody has who has just cloned it; what is not committed is not there."""
    place = tmp_path_factory.mktemp("fresh") / "clone"
    git = shutil.which("git")
    assert git is not None
    subprocess.run([git, "clone", "--quiet", str(ROOT), str(place)], check=True)
    return place


@pytest.mark.long
@pytest.mark.process
@pytest.mark.timeout(INSTALL_S * 2, func_only=True)
def test_what_is_typed_in_a_fresh_clone_does_what_the_readme_says(clone: Path) -> None:
    desk = Desk(clone, clone=True)
    desk.words |= OWN
    assert (clone / PAGE).read_text() == (ROOT / PAGE).read_text(), "commit it first"
    said = desk.type(example(PAGE, "try"), within_s=INSTALL_S)
    assert "200 runs" in said
    said = desk.type("make demo KAFKA=1", within_s=INSTALL_S)
    assert "Kafka" in said
    _edit(desk)
    with (
        desk.going(".venv/bin/relay sandbox", "8090"),
        desk.going(f"exec {sys.executable} -c '{RECEIVER}' 9099", "9099") as hears,
        desk.going(example(PAGE, "run"), "8080", within_s=INSTALL_S) as relay,
    ):
        run = _run(desk)
        until(lambda: run in hears.said(), what="the event")
        secret = (clone / "orders.secret").read_text().strip()
        again = example(PAGE, "run").replace("$(relay keys new)", secret)
        shell = "".join(again.splitlines(keepends=True)[:3])
        ask = example(PAGE, "ask").replace("RUN_ID", run)
        said = desk.type(shell + ask)
        assert f"run {run} of acme" in said
        assert "Nothing is dead." in said
        assert "ready" in desk.get("8081", "/readyz")
        assert "relay.ready" in relay.said()


def _edit(desk: Desk) -> None:
    """What the reader changes in the configuration: where Runflow, the relay and the shop are."""
    config = desk.directory / "config" / "relay.yaml"
    text = config.read_text()
    for word, own in {
        'https://relay.example.com"': f'http://{desk.at("8080")}"',
        "http://orders.shop.svc/hooks": f"http://{desk.at('9099')}/hooks",
        "api: {token": f'api: {{base_url: "http://{desk.at("8090")}", token',
    }.items():
        assert word in text
        text = text.replace(word, own)
    config.write_text(text)


def _run(desk: Desk) -> str:
    """A run that calls back to where the README says."""
    body = json.dumps(
        {"input": {}, "callback_url": f"http://{desk.at('8080')}/callbacks/acme"}
    )
    said: Any = json.loads(
        desk.type(
            f"curl -sS --fail-with-body http://{HOST}:8090/v1/models/runflow/tag-removal/runs "
            f"-H 'Authorization: Bearer rf_live_sandbox' -d '{body}'"
        )
    )
    return str(said["id"])


@pytest.mark.long
@pytest.mark.process
@pytest.mark.timeout(INSTALL_S, func_only=True)
def test_the_runtime_alone_is_installed_as_the_page_on_deploying_says(
    clone: Path, tmp_path: Path
) -> None:
    desk = Desk(clone, clone=True)
    desk.words |= {"/opt/relay": str(tmp_path / "relay")}
    said = desk.type(example("docs/deploying.md", "install"), within_s=INSTALL_S)
    assert said.splitlines()[-1].startswith("runflow-relay ")


@pytest.mark.long
@pytest.mark.process
@pytest.mark.timeout(INSTALL_S, func_only=True)
def test_the_client_is_installed_with_the_project(clone: Path) -> None:
    desk = Desk(clone, clone=True)
    desk.type(example("docs/runflow-client.md", "install"), within_s=INSTALL_S)
    desk.type(".venv/bin/python -c 'import relay.runflow'")
