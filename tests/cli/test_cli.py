"""What people type, what they read, and the exit codes that programs read."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relay.cli.main import app

CONFIG = """
data_dir: {directory}
sources: [{{name: acme, secret: whsec_something}}]
destinations: [{{name: audit, kind: file, path: events.jsonl}}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "relay.yaml"
    path.write_text(CONFIG.format(directory=tmp_path))
    return path


def typed(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_good_configuration_is_fine(config: Path) -> None:
    said = typed("check", "--config", config)
    assert (said.exit_code, "is fine" in said.output) == (0, True)
    assert json.loads(typed("check", "--json", "-c", config).output)["ok"] is True


def test_every_mistake_is_listed_at_once_and_exits_2(tmp_path: Path) -> None:
    path = tmp_path / "relay.yaml"
    path.write_text(
        "publik: {}\nsources: [{name: Acme, secret: whsec_x}]\n"
        "destinations: [{name: a, kind: rabbitmq}]\n"
        "routes: [{name: r, match: {sql: x}, to: [nobody]}]\n"
    )
    said = typed("check", "--config", path)
    assert said.exit_code == 2
    lines = said.output.splitlines()
    assert [
        line.split(":")[1] for line in lines if line.startswith(str(path))
    ] == sorted(line.split(":")[1] for line in lines if line.startswith(str(path)))
    for word in ("publik", "rabbitmq", "nobody", "sql", "sources[0].name"):
        assert word in said.output


def test_a_missing_configuration_is_said(tmp_path: Path) -> None:
    said = typed("check", "--config", tmp_path / "none.yaml")
    assert (said.exit_code, "none.yaml" in said.output) == (2, True)


def test_the_ledger_of_a_store_that_is_not_there_yet(config: Path) -> None:
    said = typed("ledger", "--config", config)
    assert (said.exit_code, "there is no store" in said.output) == (2, True)


def test_the_version_is_one_word_for_programs() -> None:
    assert typed("version").output.startswith("runflow-relay ")
    assert "version" in json.loads(typed("version", "--json").output)


def test_shares_of_the_sandbox_that_exceed_the_whole_are_refused() -> None:
    said = typed("sandbox", "--failed", "0.8", "--cancelled", "0.8")
    assert (said.exit_code, "relay sandbox" in said.output) == (2, True)


def test_help_names_every_verb() -> None:
    said = typed("--help").output
    for verb in ("serve", "check", "ledger", "sandbox", "demo", "version"):
        assert verb in said
