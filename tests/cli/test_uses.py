"""`relay keys used`: who replaces a secret sees when nobody needs the old one any more."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relay.app.alone import store_alone
from relay.cli.main import app
from relay.core.receipt import Receipt
from relay.core.route import nowhere
from relay.settings import load
from tests.record.receipts import callback

NOON = 1_772_366_400_000_000
CONFIG = """\
data_dir: {directory}
store: "{store}"
limits: {{min_free_disk: 1MiB}}
sources:
  - name: acme
    secrets:
      - {{id: k1, secret: very-secret-1, not_after: 2020-01-01T00:00:00Z}}
      - {{id: k2, secret: very-secret-2}}
      - {{id: k3, secret: very-secret-3, not_before: 2999-01-01T00:00:00Z}}
    channels: [{{name: org, scheme: runflow, secret: very-secret-4}}]
destinations: [{{name: audit, kind: file, path: events.jsonl}}]
"""


def received(
    run: str, secret: str, *, channel: str = "callback", minute: int
) -> Receipt:
    at = NOON + minute * 60_000_000
    return callback(run, secret=secret, channel=channel, at=at, router=nowhere())


async def _fill(config: Path, receipts: Sequence[Receipt]) -> None:
    settings = await asyncio.to_thread(load, config, {})
    async with store_alone(settings) as store:
        for receipt in receipts:
            await store.record([receipt])


def typed(config: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["keys", "used", *words, "--config", str(config)])


@pytest.fixture
def config(store: str, tmp_path: Path) -> Path:
    path = tmp_path / "relay.yaml"
    path.write_text(CONFIG.format(directory=tmp_path, store=store))
    receipts = [
        received("run_1", "k1", minute=1),
        received("run_2", "k1", minute=3),
        received("run_3", "k2", minute=4),
        received("run_5", "hook", channel="org", minute=5),
        received("run_4", "lost", minute=2),
        # As an answer of the API is kept.
        received("run_6", "", channel="api", minute=9),
    ]
    asyncio.run(_fill(path, receipts))
    return path


def test_each_secret_is_named_with_how_often_it_was_used_and_when_last(
    config: Path,
) -> None:
    """Of the configuration first, in its order; then those that are there no more. On either store."""
    said = typed(config, "--json")
    assert said.exit_code == 0
    rows = json.loads(said.stdout)["secrets"]
    assert [tuple(row.values()) for row in rows] == [
        ("acme", "callback", "k1", "ended", 2, *_at(1, 3)),
        ("acme", "callback", "k2", "live", 1, *_at(4, 4)),
        ("acme", "callback", "k3", "not yet", 0, None, None),
        ("acme", "org", "default", "live", 0, None, None),
        ("acme", "callback", "lost", "gone", 1, *_at(2, 2)),
        ("acme", "org", "hook", "gone", 1, *_at(5, 5)),
    ]


def _at(*minutes: int) -> list[str]:
    return [f"2026-03-01T12:0{minute}:00.000000Z" for minute in minutes]


def test_for_people_it_is_a_table_without_any_secret(config: Path) -> None:
    said = typed(config)
    assert said.exit_code == 0
    cells = [line.split() for line in said.stdout.splitlines()]
    assert ["acme", "callback", "k3", "not", "yet", "0", "never"] in cells
    [old] = [line for line in cells if line[2:3] == ["k1"]]
    assert old[:5] == ["acme", "callback", "k1", "ended", "2"]
    assert "lost of acme has left the configuration" in said.stdout
    assert "very-secret" not in said.stdout


def test_where_there_is_no_store_it_says_so(tmp_path: Path) -> None:
    path = tmp_path / "relay.yaml"
    path.write_text(CONFIG.format(directory=tmp_path, store="sqlite:///relay.db"))
    said = typed(path)
    assert said.exit_code == 2
    assert "no store" in said.stderr
