"""The page on receiving, done as it says: a secret is made, and followed by another, while callbacks come."""

import json
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relay.app.catalogs import build_catalog
from relay.core.event import build
from relay.settings import parse
from tests.builders import any_callback, any_facts, reading_of
from tests.docs.desk import Desk, Terminal, ask, until
from tests.docs.pages import alike, example, examples

PAGE = "docs/receiving.md"
#: The sources of the page: one secret, two of them, several ways in, several organisations.
ONE, BOTH, _, SEVERAL = examples(PAGE, "yaml")
RUNS = "/v1/models/runflow/tag-removal/runs"
REST = """
data_dir: var
destinations: [{name: audit, kind: file, path: events.jsonl}]
limits: {min_free_disk: 1MiB}
"""


class Traffic(threading.Thread):
    """Runs, one after another, until it is enough."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(daemon=True)
        self._desk = desk
        self._enough = threading.Event()
        self.made: list[str] = []

    def run(self) -> None:
        body = json.dumps({"input": {}, "callback_url": _url(self._desk)}).encode()
        token = {"Authorization": "Bearer rf_live_sandbox"}
        port = self._desk.ports["8090"]
        while not self._enough.wait(0.02):
            self.made.append(
                json.loads(ask(port, RUNS, body=body, headers=token)[1])["id"]
            )

    def grown(self) -> None:
        """Wait until more have been made than there are now."""
        wanted = len(self.made) + 10
        until(lambda: len(self.made) >= wanted, what="more runs")

    @contextmanager
    def flowing(self) -> Iterator["Traffic"]:
        self.start()
        try:
            yield self
        finally:
            self._enough.set()
            self.join()


def _url(desk: Desk) -> str:
    return f"http://{desk.at('8080')}/callbacks/acme"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.words |= {
        "https://api.runflow.io": "http://127.0.0.1:8090",
        "rf_live_as-runflow-showed-it": "rf_live_sandbox",
        "https://relay.example.com": "http://127.0.0.1:8080",
    }
    made.environ |= {
        "RUNFLOW_BASE_URL": f"http://{made.at('8090')}",
        "RUNFLOW_TOKEN": "rf_live_sandbox",
        "RELAY_CONFIG": "relay.yaml",
        # Callbacks alone are looked at, unless a test says otherwise.
        "SWEEP": "{enabled: false}",
    }
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "runflow-token").write_text("rf_live_sandbox\n")
    return made


def configure(desk: Desk, sources: str, relay: Terminal | None = None) -> None:
    """Write the configuration; a relay that is running takes it over."""
    base = f'api: {{base_url: "http://{desk.at("8090")}", '
    sources = sources.replace("/run/secrets", str(desk.directory / "secrets"))
    sources = sources.replace("api: {", f"sweep: {desk.environ['SWEEP']}\n    {base}")
    public = f'public: {{url: "http://{desk.at("8080")}"}}\n'
    (desk.directory / "relay.yaml").write_text(sources + public + REST)
    if relay is not None:
        before = relay.said().count("configuration.reloaded")
        relay.press(signal.SIGHUP)
        until(
            lambda: relay.said().count("configuration.reloaded") > before, what="reload"
        )


def make(desk: Desk, name: str) -> None:
    """A secret, made as the page says, and put where the configuration looks for it."""
    desk.type(example(PAGE, "secret-curl").replace("k1", name))
    secret = (desk.directory / f"{name}.secret").read_text()
    (desk.directory / "secrets" / f"runflow-{name}").write_text(secret)


USED, SHOWN = example(PAGE, "last-used").removeprefix("$ ").split("\n", 1)


def used(desk: Desk) -> dict[str, str]:
    """When each secret was last used, as the page has it asked."""
    said = json.loads(desk.type(f".venv/bin/{USED} --json"))
    return {row["secret"]: row["last_seen"] or "" for row in said["secrets"]}


def told(desk: Desk) -> list[str]:
    """The runs that the destination has heard of."""
    return [event["subject"] for event in desk.lines("var/events.jsonl")]


def refused(desk: Desk) -> int:
    found = re.findall(
        r'^runflow_relay_callbacks_total{.*outcome="refused".*} (\d+)',
        desk.get("8081", "/metrics"),
        re.MULTILINE,
    )
    return sum(map(int, found))


@contextmanager
def served(desk: Desk, sandbox: str) -> Iterator[Terminal]:
    """A Runflow that signs with the secret k1, and a relay that knows it."""
    with desk.going(f".venv/bin/relay sandbox --secret '' {sandbox}", "8090"):
        make(desk, "k1")
        configure(desk, ONE)
        with desk.going("exec .venv/bin/relay serve", "8080") as relay:
            yield relay


@pytest.mark.process
@pytest.mark.timeout(120, func_only=True)
def test_a_secret_is_followed_by_another_and_no_callback_is_refused(desk: Desk) -> None:
    """Tries are lost on the way, too: what is tried again keeps the signature that it had."""
    traffic = Traffic(desk)
    with served(desk, "--fastest 0.05 --slowest 0.3 --drop 0.3") as relay:
        with traffic.flowing():
            traffic.grown()
            make(desk, "k2")
            configure(desk, BOTH, relay)
            desk.type(example(PAGE, "promote-curl"))
            old = [*traffic.made]
            traffic.grown()
            until(lambda: set(old) <= set(told(desk)), what="what k1 has signed")
            until(lambda: used(desk)["k2"] != "", what="k2 in use")
            shown = desk.type(f".venv/bin/{USED}")
            assert alike(shown) == alike(SHOWN)
            last = json.loads(desk.type(example(PAGE, "last-used-curl")))
            configure(desk, BOTH.replace(_line(BOTH, "k1"), ""), relay)
            traffic.grown()
        desk.get("8090", "/sandbox/settle", method="POST")
        until(lambda: len(told(desk)) >= len(traffic.made), what="the rest")
        assert sorted(told(desk)) == sorted(traffic.made)
        assert refused(desk) == 0
        at = used(desk)
        assert "" < at["k1"] <= at["k2"]
        assert last["last_used_at"] is not None


@pytest.mark.process
@pytest.mark.timeout(120, func_only=True)
def test_a_secret_that_has_leaked_is_taken_out_at_once_and_the_sweep_finds_the_rest(
    desk: Desk,
) -> None:
    """Nothing is told twice either, and nothing is lost that was signed with it and refused."""
    traffic = Traffic(desk)
    desk.environ["SWEEP"] = "{grace: 0s, every: 1s}"
    with served(desk, "--fastest 0.3 --slowest 0.6 --attempts 2 --backoff 0") as relay:
        with traffic.flowing():
            traffic.grown()
            make(desk, "k2")
            # A hurry in the wrong order: the old one goes before the new one signs.
            configure(desk, BOTH.replace(_line(BOTH, "k1"), ""), relay)
            until(lambda: refused(desk) > 0, what="a refusal")
            desk.type(example(PAGE, "promote-curl"))
            traffic.grown()
        desk.get("8090", "/sandbox/settle", method="POST")
        # Refusals are summed up, and said every other second.
        until(lambda: "bad_signature" in relay.said(), what="the log's word")
        desk.type(".venv/bin/relay sweep --since 1h")
        until(lambda: len(told(desk)) >= len(traffic.made), what="the rest")
        assert sorted(told(desk)) == sorted(traffic.made)


def _line(text: str, name: str) -> str:
    [found] = [line for line in text.splitlines(keepends=True) if f"id: {name}" in line]
    return found


@pytest.mark.process
def test_a_run_and_a_secret_are_made_by_the_client_too(desk: Desk) -> None:
    with served(desk, "--fastest 0.05 --slowest 0.1"):
        made = json.loads(desk.type(example(PAGE, "run-curl")))
        assert made["client_ref"] == "order-1001"
        printed = desk.play(example(PAGE, "run-python"))
        ids = {made["id"], printed.strip()}
        until(lambda: set(told(desk)) == ids, what="both runs")
        named, secret = desk.play(example(PAGE, "secret-python")).splitlines()
    assert named.endswith("does not sign yet")
    assert secret.startswith("whsec_")


@pytest.mark.parametrize("source,to", [("acme", "orders"), ("globex", "lab")])
def test_each_organisation_has_its_own_destination(source: str, to: str) -> None:
    secret = "whsec_b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHM="
    names = re.findall(r"\$\{(\w+)\}", SEVERAL)
    settings = parse(SEVERAL, dict.fromkeys(names, secret), file="relay.yaml")
    event = build(any_facts(reading_of(any_callback(), source=source)))
    assert build_catalog(settings).router.route(lambda: event) == (to,)
