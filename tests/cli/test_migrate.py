"""`relay migrate`: the tables are brought up to date, beside relays where that can be, and what was done is said."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from relay.app import stores
from relay.app.service import Service
from relay.cli.main import app
from relay.record.sqlite.connection import APPLICATION_ID, LockFile, connect
from relay.record.statements import migrations
from relay.settings import load
from tests.places import free_port

NEWEST = len(migrations("sqlite"))
FIRST = {kind: migrations(kind)[0].sql for kind in ("sqlite", "postgres")}
LATER = [f"{step.number:04}_{step.name}" for step in migrations("sqlite")[1:]]


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    """A command sets up its log."""
    before = logging.root.handlers[:]
    yield
    logging.root.handlers[:] = before


def typed(*words: object) -> Result:
    return CliRunner().invoke(app, ["migrate", *(str(word) for word in words)])


@pytest.fixture
def config(tmp_path: Path, store: str) -> Path:
    path = tmp_path / "relay.yaml"
    # Secrets are for a relay: whoever changes the tables alone need not have them.
    path.write_text(
        f"data_dir: {tmp_path / 'data'}\nstore: {store}\n"
        'sources: [{name: acme, secret: "${NOT_SET}"}]\n'
        "destinations: [{name: audit, kind: file, path: events.jsonl}]\n"
        "public: {listen: '127.0.0.1:0'}\noperator: {listen: '127.0.0.1:0'}\n"
        "limits: {min_free_disk: 1MiB}\n"
    )
    return path


def _age(config: Path, store: str) -> None:
    """Make the store that a program of schema 1 has left behind."""
    if store.startswith("sqlite"):
        file = config.parent / "data" / "relay.db"
        file.parent.mkdir()
        connection = connect(file)
        connection.executescript(FIRST["sqlite"])
        connection.executescript(
            f"PRAGMA user_version = 1; PRAGMA application_id = {APPLICATION_ID}"
        )
        connection.close()
    else:
        first = "INSERT INTO meta (key, value) VALUES ('schema', '1')"
        asyncio.run(_execute(store, f"{FIRST['postgres']};{first}"))


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()


def _said(*words: object) -> dict[str, object]:
    said = typed(*words, "--json")
    assert said.exit_code == 0, said.output
    shown: dict[str, object] = json.loads(said.stdout)
    return shown


def test_an_old_store_is_brought_up_to_date_and_each_step_is_named(
    config: Path, store: str
) -> None:
    _age(config, store)
    said = _said("--config", config)
    del said["store"]
    assert said == {"ok": True, "before": 1, "after": NEWEST, "steps": LATER}


def test_what_is_up_to_date_is_left_alone_and_said_so(config: Path) -> None:
    first, second = typed("-c", config), typed("-c", config)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert f"was empty and has schema {NEWEST} now.\n" in first.stdout
    assert f"is up to date: schema {NEWEST}. Nothing was changed.\n" in second.stdout


def test_a_relay_starts_on_what_it_has_made(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _said("-c", config)["after"] == NEWEST
    monkeypatch.setenv("NOT_SET", "whsec_something")
    settings = load(config, {"NOT_SET": "whsec_something"})

    async def start_and_stop() -> None:
        async with Service(settings):
            pass

    asyncio.run(start_and_stop())
    assert _said("-c", config)["before"] == NEWEST


class TestFile:
    @pytest.fixture
    def store(self) -> str:
        return "sqlite:///relay.db"

    def test_one_that_a_relay_serves_is_its_own_to_change(self, config: Path) -> None:
        typed("-c", config)
        lock = LockFile(config.parent / "data" / "relay.db")
        lock.acquire()
        said = typed("-c", config)
        lock.release()
        assert said.exit_code == 2
        assert "another relay is serving this store" in said.stderr

    def test_one_of_a_newer_program_is_left_alone(self, config: Path) -> None:
        typed("-c", config)
        connection = connect(config.parent / "data" / "relay.db")
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        said = typed("-c", config, "--json")
        assert said.exit_code == 2
        [mistake] = json.loads(said.stdout)["mistakes"]
        assert "start the newer program" in mistake["message"]

    def test_a_place_where_none_can_be_is_said(self, config: Path) -> None:
        (config.parent / "data").write_text("a file")
        said = typed("-c", config)
        assert (said.exit_code, said.stdout) == (2, "")
        assert "cannot open the store" in said.stderr


class TestDatabase:
    @pytest.fixture
    def store(self) -> str:
        return f"postgresql://relay:hidden@127.0.0.1:{free_port()}/relay"

    def test_one_that_does_not_answer_in_time_exits_1(
        self, config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stores, "START_S", 0.05)
        monkeypatch.setattr(stores, "RETRY_S", 0.05)
        said = typed("-c", config, "--json")
        assert said.exit_code == 1
        [mistake] = json.loads(said.stdout)["mistakes"]
        assert "the database does not answer" in mistake["message"]
        assert "hidden" not in said.output
