"""``relay keys``: what it prints is all that is needed, and nothing that should not be seen."""

import base64
import json
from pathlib import Path

import pytest
from nacl.signing import SigningKey
from typer.testing import CliRunner, Result

from relay.cli.main import app
from relay.core.signature import PublicKey
from relay.core.signing import PrivateKey, StandardKey
from relay.settings import HttpDestination, parse

SPELLED_OUT = "whsec_" + base64.b64encode(b"s" * 32).decode()
PAIR = PrivateKey(b"p" * 32)
HEAD = "sources: [{name: acme, secret: long enough}]\n"
DESTINATIONS = f"""\
destinations:
  - name: orders
    kind: http
    url: https://orders.example.com/
    secret: "${{ORDERS}}"
  - name: other
    kind: http
    url: https://other.example.com/
    secrets:
      - {{id: a, secret: {PAIR.text}}}
      - {{id: b, secret: {{file: FILE}}}}
      - {{id: over, secret: "${{ORDERS}}", not_after: 2020-01-01T00:00:00Z}}
  - {{name: app, kind: http, url: "https://app.example.com/", format: runflow, secret: "${{ORDERS}}"}}
  - {{name: audit, kind: file, path: a.jsonl}}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORDERS", SPELLED_OUT)
    (tmp_path / "secret").write_text(SPELLED_OUT)
    path = tmp_path / "relay.yaml"
    path.write_text(HEAD + DESTINATIONS.replace("FILE", str(tmp_path / "secret")))
    return path


def typed(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def put_in(printed: str) -> HttpDestination:
    """The destination, with what was printed in the place that it is printed for."""
    text = (
        f"{HEAD}destinations:\n  - name: orders\n    kind: http\n"
        f"    url: https://orders.example.com/\n{printed}"
    )
    found = parse(text, {"ORDERS": SPELLED_OUT}, file="relay.yaml").destinations[0]
    assert isinstance(found, HttpDestination)
    return found


def test_a_shared_secret_is_one_line() -> None:
    one, two = (typed("keys", "new").stdout for _ in range(2))
    assert one != two
    assert one == StandardKey.parse(one.strip()).text + "\n"
    assert len(base64.b64decode(one.strip().removeprefix("whsec_"))) == 32


def test_a_pair_is_two_lines_that_belong_together() -> None:
    private, public = typed("keys", "new", "--kind", "v1a").stdout.splitlines()
    seed = base64.b64decode(private.removeprefix("whsk_"))
    key = base64.b64encode(bytes(SigningKey(seed).verify_key)).decode()
    assert public == f"whpk_{key}"
    PublicKey(public)


def test_programs_are_told_which_is_which() -> None:
    made = json.loads(typed("keys", "new", "--kind", "v1a", "--json").stdout)
    assert list(made) == ["kind", "secret", "public"]
    assert made["secret"].startswith("whsk_")
    assert list(json.loads(typed("keys", "new", "--json").stdout)) == ["kind", "secret"]


def test_what_is_printed_can_be_put_in_as_it_is(config: Path) -> None:
    said = typed("keys", "rotate", "orders", "-c", config, "--overlap", "2d")
    assert said.exit_code == 0
    new, old = put_in(said.stdout).keys
    assert (old.id, old.secret.reveal()) == ("default", SPELLED_OUT)
    StandardKey.parse(new.secret.reveal())
    assert new.not_before is None
    assert new.not_after is None
    assert old.not_after is not None
    assert SPELLED_OUT not in said.output
    assert 'secret: "${ORDERS}"' in said.stdout


def test_the_file_is_not_touched(config: Path) -> None:
    before = config.read_bytes()
    typed("keys", "rotate", "orders", "-c", config)
    assert before == config.read_bytes()


def test_a_secret_that_stands_in_the_file_is_not_shown_again(config: Path) -> None:
    words = typed("keys", "rotate", "other", "-c", config).output
    programs = typed("keys", "rotate", "other", "-c", config, "--json").output
    for shown in (words, programs):
        assert PAIR.text not in shown
        assert SPELLED_OUT not in shown
    # Pasted without putting the old one back, the configuration is refused: nothing else would tell.
    assert 'secret: "${THE_SECRET_THAT_STANDS_THERE_NOW}"' in words
    new, a, b = json.loads(programs)["secrets"]
    assert (a["id"], a["secret"]) == ("a", None)
    assert b["secret"] == {"file": str(config.with_name("secret"))}
    assert "over" not in {new["id"], a["id"], b["id"]}


def test_the_new_key_is_of_the_kind_of_the_latest_unless_said(config: Path) -> None:
    made = json.loads(typed("keys", "rotate", "other", "-c", config, "--json").stdout)
    assert made["secrets"][0]["secret"].startswith("whsk_")
    assert made["public"] == PrivateKey.parse(made["secrets"][0]["secret"]).public
    words = ("keys", "rotate", "other", "-c", config, "--kind", "v1")
    assert "whsec_" in typed(*words).stdout
    assert "# public key" not in typed(*words).stdout
    assert "# public key, for who verifies: whpk_" in (
        typed("keys", "rotate", "other", "-c", config).stdout
    )


def test_in_runflows_scheme_one_begins_when_the_other_ends(config: Path) -> None:
    made = json.loads(typed("keys", "rotate", "app", "-c", config, "--json").stdout)
    new, old = made["secrets"]
    assert new["not_before"] == old["not_after"]
    said = typed("keys", "rotate", "app", "-c", config, "--kind", "v1a")
    assert (said.exit_code, "no ed25519" in said.output) == (2, True)


def test_where_every_key_has_ended_the_new_one_stands_alone(config: Path) -> None:
    config.write_text(
        config.read_text().replace(
            'secret: "${ORDERS}"\n',
            'secrets: [{id: x, secret: "${ORDERS}", not_after: 2020-01-01T00:00:00Z}]\n',
        )
    )
    said = typed("keys", "rotate", "orders", "-c", config)
    assert len(put_in(said.stdout).keys) == 1
    assert "no other key is in force any more" in said.stdout


@pytest.mark.parametrize(
    "words, said",
    [
        (["audit"], "no HTTP destination is named audit; there are orders, other, app"),
        (["orders", "--overlap", "soon"], "--overlap: write a time such as 1h"),
    ],
)
def test_what_cannot_be_done_says_what_can(
    config: Path, words: list[str], said: str
) -> None:
    result = typed("keys", "rotate", *words, "-c", config)
    assert result.exit_code == 2
    assert said in result.output
