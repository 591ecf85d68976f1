"""What the pages for operators have people type is typed, on a store in which there is what they speak of."""

import asyncio
import json
import logging
import shlex
import sqlite3
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import structlog

from relay.app.service import Service
from relay.core.deadletter import Letters
from relay.core.replay import Selection
from relay.operate.actors import login
from tests.acceptance.relays import callback, sign
from tests.app.relaying import post, settings_of
from tests.cli import sweeping
from tests.cli.replaying import Ground
from tests.docs.desk import Desk, ask, until
from tests.docs.pages import alike, example
from tests.docs.test_pages import CALLBACKS
from tests.postgres.fixtures import Database

pytestmark = pytest.mark.timeout(120, func_only=True)

REPLAYING = "docs/replaying.md"
OPERATING = "docs/operating.md"
EXPLAIN = "docs/explain.md"
SANDBOX = "docs/sandbox.md"
CHECKING = "docs/checking.md"
FILE = "  - {{name: {0}, kind: file, path: {0}.jsonl}}\n"
LAKE = "  - {name: lake, kind: file, path: lake.jsonl, max_bytes: 1KiB}\n"


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    before = logging.root.handlers[:]
    with Ground(tmp_path).opened() as opened:
        yield opened
    # A command sets up its log.
    logging.root.handlers[:] = before
    structlog.reset_defaults()


def commands(text: str) -> list[list[str]]:
    """The words of each line, without the program, its comment, and which configuration is meant."""
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    own = [line[1:] for line in lines if line and Path(line[0]).name == "relay"]
    for words in own:
        if "--config" in words:
            at = words.index("--config")
            del words[at : at + 2]
    return own


def send(ground: Ground, *bodies: bytes) -> None:
    """Callbacks, each of which must be taken."""
    assert ground.service is not None
    for body in bodies:
        status, _ = ask(
            ground.service.public.port, "/callbacks/acme", body=body, headers=sign(body)
        )
        assert status in {200, 202}


def lines(ground: Ground, name: str) -> int:
    path = ground.directory / f"{name}.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


def too_large(ground: Ground) -> None:
    """Three runs whose events one destination has and the other can never have."""
    text = json.dumps({"text": "x" * 1200})
    send(ground, *(callback(number, output=text) for number in (1, 2, 3)))
    ground.until(_three_are_dead)
    until(lambda: len(ground.heard) == 3, what="the endpoint")


async def _three_are_dead(letters: Letters) -> bool:
    return sum(heap.count for heap in await letters.heaps(Selection(), None)) == 3


def test_what_is_dead_is_shown_as_the_page_shows_it(ground: Ground) -> None:
    ground.more = LAKE
    with ground.served():
        too_large(ground)
    [_, shown] = example(REPLAYING, "dead").split("$ relay dead\n")
    assert alike(ground.type("dead").out) == alike(shown)
    number = ground.document("dead")["items"][0]["number"]
    [_, shown] = example(REPLAYING, "dead-show").split("$ relay dead show 5\n")
    assert alike(ground.type("dead", "show", str(number)).out) == alike(shown)


def test_the_orders_to_send_again_are_carried_out(ground: Ground) -> None:
    ground.more = LAKE + FILE.format("archive")
    ground.die(7, 8, 9)
    preview, asked, one, elsewhere, delivered = commands(example(REPLAYING, "replay"))
    with ground.served():
        too_large_before = len(ground.heard)
        assert "3" in ground.type(*preview).out
        assert len(ground.heard) == too_large_before
        done = ground.type(*asked, answers="y\n")
        assert done.code == 0
        assert alike(example(REPLAYING, "bar")) in alike(done.out)
        assert len(ground.heard) == 3
        one[1] = ground.heard[0]["webhook-id"]
        assert ground.type(*one, answers="y\n").code == 0
        text = json.dumps({"text": "x" * 1200})
        send(ground, *(callback(number, output=text) for number in (1, 2, 3)))
        ground.until(_three_are_dead)
        before = lines(ground, "archive")
        assert json.loads(ground.type(*elsewhere).out)
        assert lines(ground, "archive") == before + 3
        assert ground.type(*delivered, answers="y\n").code == 0


def test_a_new_destination_is_filled(ground: Ground) -> None:
    with ground.served():
        send(ground, *(callback(number) for number in (1, 2, 3)))
    ground.more = FILE.format("warehouse")
    [backfill] = commands(example(REPLAYING, "backfill"))
    with ground.served():
        assert ground.type(*backfill, answers="y\n").code == 0
        assert lines(ground, "warehouse") == 3


def test_what_is_in_quarantine_is_shown_as_the_page_shows_it(ground: Ground) -> None:
    old = callback(1).replace(b"2026-05", b"2019-05")
    with ground.served():
        send(ground, b'{"event":"evaluation.completed"}', old, old)
    [_, shown] = example(REPLAYING, "quarantine").split("$ relay quarantine\n")
    assert alike(ground.type("quarantine").out) == alike(shown)


def test_what_the_file_names_is_tried_and_sent_a_test_event(ground: Ground) -> None:
    of_file, of_all = commands(example(CHECKING, "check"))
    [with_events] = commands(example(CHECKING, "send"))
    with ground.served():
        assert ground.type(*of_file).code == 0
        looked = ground.type(*of_all)
        assert "destination orders" in looked.out
        assert ground.heard == []
        sent = ground.type(*with_events)
        until(lambda: len(ground.heard) == 1, what="the test event")
    assert (looked.code, sent.code) == (0, 0)
    assert "took a test event" in " ".join(sent.out.split())


def test_a_destination_is_paused_and_goes_on(ground: Ground) -> None:
    ground.more = FILE.format("audit")
    with ground.served():
        send(ground, callback(9))
        until(lambda: lines(ground, "audit") == len(ground.heard) == 1, what="both")
    ground.die(1, 2)
    pause, resume = commands(example(OPERATING, "pause"))
    with ground.served():
        assert ground.type(*pause).code == 0
        send(ground, *(callback(number) for number in (3, 4, 5)))
        until(lambda: lines(ground, "audit") == 4, what="the audit")
        said = ground.type("destinations").out.replace(f"by {login()}", "by ada")
        assert alike(said) == alike(example(OPERATING, "shown"))
        assert len(ground.heard) == 1
        assert ground.type(*resume).code == 0
        until(lambda: len(ground.heard) == 4, what="what was held")


def test_what_waits_for_who_has_left_is_given_up(ground: Ground) -> None:
    ground.die(1)
    ground.settings()
    left = ground.config.read_text().replace("name: orders", "name: shop")
    ground.config.write_text(left)
    [forget] = commands(example(OPERATING, "forget"))
    assert ground.type(*forget).code == 0


def test_each_way_to_ask_about_a_run_finds_it(ground: Ground) -> None:
    body = CALLBACKS[0].strip()
    body = body[:-1] + b',"client_ref":"order-1001"}'
    asked = commands(example(EXPLAIN, "ask"))
    with ground.served():
        send(ground, body)
        until(lambda: len(ground.heard) == 1, what="the endpoint")
        said = [ground.type(*words) for words in asked]
    assert [typed.code for typed in said] == [0, 0, 0]
    assert all("019a8c3e-5b10-7c44-9f21-3d5e8a7b6c01" in typed.out for typed in said)
    assert json.loads(said[-1].out)["found"] is True


def test_a_sweep_by_hand_looks_first_and_then_does(tmp_path: Path) -> None:
    before = logging.root.handlers[:]
    preview, done = commands(example("docs/troubleshooting.md", "sweep"))
    with sweeping.Ground(tmp_path).opened() as ground:
        with ground.served(running=False):
            pass
        assert [ground.type(*words[1:]).code for words in (preview, done)] == [0, 0]
    logging.root.handlers[:] = before
    structlog.reset_defaults()


ARCHIVE = example("docs/ledger.md", "archive")


def test_the_archive_can_be_looked_at(ground: Ground) -> None:
    with ground.served():
        send(ground, callback(1))
    with sqlite3.connect(ground.directory / "relay.db") as db:
        found = db.execute(ARCHIVE)
        assert found.description[0][0] == "name"
    db.close()


@pytest.mark.postgres
async def test_the_archive_can_be_looked_at_in_the_other_store(
    database: Database, tmp_path: Path
) -> None:
    async with Service(await settings_of(tmp_path, database.url)) as service:
        assert await post(service, 1) == 202
    connection = await asyncpg.connect(database.url)
    statement = await connection.prepare(ARCHIVE)
    columns = statement.get_attributes()
    await connection.close()
    assert columns[0].name == "name"


def test_a_copy_made_while_it_runs_is_a_whole_store(ground: Ground) -> None:
    place = ground.directory / "copy"
    place.mkdir()
    text = example("docs/deploying.md", "backup")
    text = text.replace("/var/lib/relay", str(ground.directory))
    text = text.replace("/var/backups", str(place))
    with ground.served():
        send(ground, *(callback(number) for number in range(5)))
        subprocess.run(["/bin/sh", "-e", "-c", text], check=True)
        config = ground.config.read_text()
    copy = place / "relay.db"
    assert copy.stat().st_mode & 0o077 == 0
    ground.config.write_text(
        config.replace(f"data_dir: {ground.directory}", f"data_dir: {place}")
    )
    said = ground.type("ledger", "--verify", "--json")
    assert said.code == 0
    assert json.loads(said.out)["sources"]["acme"]["receipts"] == 5


@pytest.mark.process
def test_the_sandbox_is_begun_and_asked_as_its_page_says(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with desk.going("exec " + example(SANDBOX, "start"), "8090"):
        said = desk.type(example(SANDBOX, "dispatch"))
    assert '"client_ref":"order-1"' in said.replace(" ", "")


async def test_the_sandbox_works_in_a_test_as_its_page_says() -> None:
    body = textwrap.indent(example(SANDBOX, "in-a-test"), "    ")
    found: dict[str, object] = {}
    exec(f"async def play():\n{body}\n    return runflow", found)  # noqa: S102 - of our own page
    play = found["play"]
    assert callable(play)
    assert await asyncio.wait_for(play(), 20)
