"""What people type, what they read, and the exit codes that programs read."""

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relay.app.service import Service
from relay.cli.main import app
from relay.cli.verbs import VERBS
from relay.settings import load

GOOD = """\
sources: [{name: acme, secret: whsec_something, api: {token: t}, sweep: {enabled: false}}]
destinations: [{name: audit, kind: file, path: events.jsonl}]
"""
LISTEN = """\
public: {listen: "127.0.0.1:0"}
operator: {listen: "127.0.0.1:0"}
limits: {min_free_disk: 1MiB}
"""
SPARE = "{name: spare, kind: file, path: spare.jsonl}"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "relay.yaml"
    path.write_text(f"data_dir: {tmp_path}\n{GOOD}{LISTEN}")
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
    hint = "(name yours: --config FILE, or RELAY_CONFIG)"
    expected = f"{tmp_path / 'none.yaml'}: there is no such file {hint}\n"
    assert (said.exit_code, said.stderr) == (2, expected)


def test_the_ledger_of_a_store_that_is_not_there_yet(config: Path) -> None:
    said = typed("ledger", "--config", config)
    assert (said.exit_code, "there is no store" in said.output) == (2, True)


def test_programs_read_mistakes_where_they_read_all_else(tmp_path: Path) -> None:
    path = tmp_path / "relay.yaml"
    path.write_text("publik: {}\nlimits: {headers: 5}\n" + GOOD)
    said = typed("check", "--json", "--config", path)
    assert (said.exit_code, said.stderr) == (2, "")
    assert json.loads(said.stdout) == {
        "ok": False,
        "mistakes": [
            {
                "file": str(path),
                "line": 1,
                "path": "publik",
                "message": "unknown setting; did you mean `public`?",
            },
            {
                "file": str(path),
                "line": 2,
                "path": "limits.headers",
                "message": "must be 16 to 1024",
            },
        ],
    }


def test_programs_read_of_a_mistake_in_the_environment_too(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELAY__LIMITS__HEADERS", "5")
    [mistake] = json.loads(typed("check", "--json", "-c", config).stdout)["mistakes"]
    assert (mistake["line"], mistake["variable"]) == (None, "RELAY__LIMITS__HEADERS")


def test_programs_read_that_there_is_no_store(config: Path) -> None:
    said = typed("ledger", "--json", "--config", config)
    assert (said.exit_code, said.stderr) == (2, "")
    store = config.parent / "relay.db"
    assert json.loads(said.stdout) == {
        "ok": False,
        "mistakes": [
            {
                "file": str(config),
                "line": None,
                "path": "",
                "message": f"there is no store at {store} yet: `relay serve` makes it",
            }
        ],
    }


def test_what_is_odd_is_said_and_the_configuration_can_be_used(config: Path) -> None:
    with config.open("a") as file:
        file.write("routes: [{name: none, match: [], to: [audit]}]\n")
    config.write_text(config.read_text().replace("jsonl}]", f"jsonl}}, {SPARE}]"))
    said = typed("check", "--config", config)
    assert said.exit_code == 0
    assert said.stderr == (
        f"warning: {config}:3: destinations[1]: no route names it, so it gets nothing\n"
    )
    assert said.stdout.startswith(f"{config} can be used.\n")
    [warning] = json.loads(typed("check", "--json", "-c", config).stdout)["warnings"]
    assert warning["path"] == "destinations[1]"


def test_the_check_shows_where_callbacks_arrive(config: Path) -> None:
    channel = "{name: org, scheme: runflow, secret: whsec_something}"
    text = config.read_text().replace(
        "whsec_something,", f"whsec_something, channels: [{channel}],"
    )
    url = "url: https://relay.example.com, listen"
    config.write_text(text.replace("listen", url, 1))
    urls = [
        "https://relay.example.com/callbacks/acme",
        "https://relay.example.com/callbacks/acme/org",
    ]
    said = typed("check", "-c", config).output
    assert [line.split()[-1] for line in said.splitlines()[2:4]] == urls
    shown = json.loads(typed("check", "--json", "-c", config).output)
    assert shown["callback_urls"] == urls


def test_the_ledger_is_read_without_any_secret(config: Path) -> None:
    """Whoever looks at the account need not be able to sign or verify anything."""
    settings = load(config, {})

    async def start_and_stop() -> None:
        async with Service(settings):
            pass

    asyncio.run(start_and_stop())
    config.write_text(config.read_text().replace("whsec_something", '"${UNSET}"'))
    said = typed("ledger", "--config", config, "--verify")
    assert said.exit_code == 0, said.output
    assert "Counted anew: 0 receipts, 0 deliveries. The ledger balances." in " ".join(
        said.output.split()
    )
    assert "Counted anew" not in typed("ledger", "--config", config).output
    assert "(none yet)" in said.output


def test_the_version_is_one_word_for_programs() -> None:
    assert typed("version").output.startswith("runflow-relay ")
    assert "version" in json.loads(typed("version", "--json").output)


def test_shares_of_the_sandbox_that_exceed_the_whole_are_refused() -> None:
    said = typed("sandbox", "--failed", "0.8", "--cancelled", "0.8")
    assert (said.exit_code, "relay sandbox" in said.output) == (2, True)


def test_the_shortest_run_of_the_sandbox_is_no_longer_than_the_longest() -> None:
    said = typed("sandbox", "--fastest", "5", "--slowest", "1")
    assert (said.exit_code, said.stdout) == (2, "")
    assert "--fastest must not be longer than --slowest" in said.stderr


def test_a_sandbox_that_cannot_listen_says_so_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = typed("sandbox", "--port", port)
    where = f"cannot listen on 127.0.0.1:{port}: Address already in use"
    assert said.stderr == f"relay sandbox: {where}\n"
    assert said.exit_code == 2
    elsewhere = typed("sandbox", "--host", "no such host")
    assert "cannot listen on no such host:8090: " in elsewhere.stderr
    assert elsewhere.exit_code == 2


def test_help_names_every_verb() -> None:
    said = typed("--help").output
    for verb in ("serve", "check", "ledger", "explain", "sandbox", "demo", "version"):
        assert verb in said
    assert "..." not in said.replace("[ARGS]...", "")
    assert typed("-h").output == said


def test_the_version_can_be_asked_for_as_an_option() -> None:
    assert typed("--version").output == typed("version").output


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_the_list_is_there(verb: str) -> None:
    said = typed(verb, "--help")
    assert said.exit_code == 0
    assert f"{verb} [OPTIONS]" in said.output
    # It would be written into the start of somebody's shell, and complete nothing.
    assert "--install-completion" not in said.output


def test_a_verb_that_is_nearly_right_is_named() -> None:
    said = typed("legder")
    assert said.exit_code == 2
    assert "Did you mean 'ledger'?" in said.output


def test_nobody_waits_for_what_other_verbs_need() -> None:
    heavy = {"aiohttp", "aiokafka", "asyncpg", "relay.settings", "rich.console"}
    told = "import sys; from relay.cli.main import app; app(['version'], standalone_mode=False);"
    said = subprocess.run(
        [sys.executable, "-c", f"{told} print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert heavy & set(said.stdout.split()) == set()


def test_help_shows_which_configuration_is_read() -> None:
    said = " ".join(typed("check", "-h").output.split())
    assert "RELAY_CONFIG" in said
    assert "default: relay.yaml" in said
