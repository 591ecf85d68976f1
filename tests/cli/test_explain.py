"""Where is my run? What `relay explain` prints, what programs read of it, and its exit codes."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from relay.app.system import System
from relay.core.delivery import Failed, Fault
from tests.cli.explaining import HERE, Desk, told_upstream
from tests.fakes import FakeClock
from tests.postgres.fixtures import Database
from tests.record.postgres_harness import PostgresHarness
from tests.record.receipts import callback, odd, partial
from tests.record.scene import REF, RUN, tell_everything
from tests.record.sqlite_harness import SqliteHarness
from tests.runflow.scripted import Paths, serving
from tests.runflow.upstream import TOKEN, Reply, any_run


@pytest.fixture
async def api() -> AsyncIterator[Paths]:
    """Runflow's; and, by the way, the operator listener of a relay that is there."""
    async with serving() as paths:
        paths.gives("/readyz", {"ready": True, "reasons": [], "degraded": []})
        yield paths


@pytest.fixture(autouse=True)
def _width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def _at_the_desk(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    real = replace(System.real(), clock=clock)
    monkeypatch.setattr(System, "real", lambda: real)


@pytest.fixture
async def desk(
    tmp_path: Path, api: Paths, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    """The store is a file, and served while it is looked into."""
    harness = SqliteHarness(tmp_path)
    await harness.open()
    _at_the_desk(monkeypatch, harness.clock)
    desk = Desk(harness, api, tmp_path / "relay.yaml")
    desk.configure("sqlite:///relay.db", harness.path.parent)
    yield desk
    await harness.vanish()


async def test_a_run_with_everything_in_it_is_told_on_a_terminal(desk: Desk) -> None:
    await tell_everything(desk.harness)
    told_upstream(desk.api)
    said = await desk.typed(RUN.upper())
    assert said.exit_code == 0
    assert said.stdout == (HERE / "explained.txt").read_text()
    assert max(len(line) for line in said.stdout.splitlines()) <= 80


async def test_and_as_json(desk: Desk) -> None:
    await tell_everything(desk.harness)
    told_upstream(desk.api)
    found = await desk.document(RUN)
    assert found == json.loads((HERE / "explained.json").read_text())


@pytest.mark.postgres
async def test_the_shared_store_tells_the_same(
    tmp_path: Path, api: Paths, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = PostgresHarness(database.url)
    await harness.open()
    _at_the_desk(monkeypatch, harness.clock)
    await tell_everything(harness)
    told_upstream(api)
    desk = Desk(harness, api, tmp_path / "relay.yaml")
    desk.configure(database.url, tmp_path)
    told, document = await desk.typed(RUN), await desk.document(RUN)
    missing = await desk.typed("run_2", "--offline")
    await harness.vanish()
    assert told.stdout == (HERE / "explained.txt").read_text()
    assert document == json.loads((HERE / "explained.json").read_text())
    assert missing.exit_code == 1
    assert database.server.password not in missing.output


async def test_a_file_that_nobody_serves_is_read_too(desk: Desk) -> None:
    await desk.harness.one(callback())
    await desk.harness.close()
    said = await desk.typed("run_1", "--offline")
    assert said.exit_code == 0
    assert "PENDING" in said.stdout


async def test_looking_leaves_the_file_as_it_is(desk: Desk) -> None:
    await desk.harness.one(callback())
    assert isinstance(desk.harness, SqliteHarness)
    folder = desk.harness.path.parent
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    await desk.typed("run_1", "--offline")
    after = {file.name: file.read_bytes() for file in folder.iterdir()}
    del before["relay.db-shm"], after["relay.db-shm"]
    assert after == before


class TestTheApi:
    async def test_offline_nobody_is_asked(self, desk: Desk) -> None:
        await desk.harness.one(callback())
        said = await desk.typed("run_1", "--offline")
        assert "API  not asked, as you wished (offline)" in said.stdout
        assert desk.api.asked == ["/readyz"]

    async def test_a_fault_of_the_api_is_a_line_and_no_error(self, desk: Desk) -> None:
        await desk.harness.one(callback())
        desk.api.says("/v1/runs/run_1", Reply(status=401))
        desk.api.says("/v1/runs/run_1/callback", Reply(status=401))
        said = await desk.typed("run_1")
        assert said.exit_code == 0
        flat = " ".join(said.stdout.split())
        why = "it does not know the token (unauthorized, 401)"
        assert f"API {why} - check sources[0].api.token 2026-03-01" in flat

    async def test_a_source_without_a_token_is_not_asked(self, desk: Desk) -> None:
        await desk.harness.one(callback(source="globex"))
        said = await desk.typed("run_1")
        assert (
            "not asked: the source has no api.token (no_token) - set\n     sources[1].api.token"
        ) in said.stdout

    async def test_a_source_that_is_never_asked_says_so(self, desk: Desk) -> None:
        await desk.harness.one(callback(source="globex"))
        text = desk.config.read_text()
        desk.config.write_text(text.replace("globex,", "globex, enrich: never,"))
        said = await desk.typed("run_1")
        assert "not asked: the source says enrich: never (never)" in said.stdout

    async def test_a_source_that_is_configured_no_more_is_not_asked(
        self, desk: Desk
    ) -> None:
        await desk.harness.one(callback("run_2", source="initech"))
        said = await desk.typed("run_2")
        assert "not asked: the source is not in the configuration" in said.stdout

    async def test_without_the_secrets_of_the_configuration_the_store_is_read(
        self, desk: Desk
    ) -> None:
        await desk.harness.one(partial())
        text = desk.config.read_text()
        desk.config.write_text(text.replace(TOKEN, "${UNSET}"))
        said = await desk.typed("run_1")
        assert (said.exit_code, "WAITING" in said.stdout) == (0, True)
        assert "the configuration cannot be used as it is (no_settings)" in said.stdout
        assert "run relay check" in " ".join(said.stdout.split())
        assert (await desk.typed("run_9")).exit_code == 1


class TestTheRelay:
    """Where it would answer, somebody is asked whether it does."""

    async def sentence(self, desk: Desk) -> str:
        await desk.harness.one(callback())
        said = await desk.typed("run_1", "--offline")
        assert said.exit_code == 0
        return " ".join(said.stdout.split())

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(status=404),
            Reply(body=b"<html>"),
            Reply(json={"status": "ok"}),
            Reply(json=[]),
        ],
        ids=["missing", "page", "another", "list"],
    )
    async def test_what_does_not_speak_like_a_relay_is_none(
        self, desk: Desk, reply: Reply
    ) -> None:
        desk.api.says("/readyz", reply)
        address = desk.api.url.removeprefix("http://")
        words = f"no relay answers at {address}, so look whether one runs."
        assert words in await self.sentence(desk)

    async def test_a_port_where_nobody_listens_has_none(self, desk: Desk) -> None:
        async with serving() as gone:
            address = gone.url.removeprefix("http://")
        here = desk.api.url.removeprefix("http://")
        text = desk.config.read_text()
        desk.config.write_text(
            text.replace(f'listen: "{here}"', f'listen: "{address}"')
        )
        assert f"no relay answers at {address}" in await self.sentence(desk)

    async def test_one_that_is_not_ready_is_one_and_knows_who_is_down(
        self, desk: Desk
    ) -> None:
        body = {"ready": False, "reasons": ["store_full"], "degraded": ["orders"]}
        desk.api.says("/readyz", Reply(status=503, json=body))
        words = await self.sentence(desk)
        assert "no relay answers" not in words
        assert "to orders: the destination does not work: one delivery" in words


class TestNames:
    async def test_a_client_ref_of_one_run_explains_it(self, desk: Desk) -> None:
        await desk.harness.one(callback(client_ref=REF))
        said = await desk.typed(REF, "--offline")
        assert said.stdout.startswith("run run_1 of acme, client_ref order-1001\n")

    async def test_a_client_ref_of_several_lists_them_newest_first(
        self, desk: Desk
    ) -> None:
        clock = desk.harness.clock
        await desk.harness.one(callback(client_ref=REF))
        await desk.harness.deliver_all("lake")
        await desk.harness.deliver_all("orders")
        at = clock.advance(seconds=60)
        await desk.harness.one(
            callback("run_2", client_ref=REF, completed_at=None, at=at)
        )
        said = await desk.typed(REF)
        assert (said.exit_code, desk.api.asked) == (0, [])
        assert said.stdout == (
            "order-1001 is the client_ref of 2 runs, newest first:\n"
            "\n"
            "waiting    2026-03-01 12:01  run_2  acme, run\n"
            "delivered  2026-03-01 12:00  run_1  acme, run\n"
            "\n"
            "Pick one: relay explain RUN_ID\n"
        )
        found = await desk.document(REF)
        several = found["several"]
        assert isinstance(several, list)
        assert [one["state"] for one in several] == ["waiting", "delivered"]
        assert [*several[0]] == ["run", "state", "reason", "waiting_for"]
        assert found["more"] == 0

    async def test_of_very_many_the_newest_are_listed(self, desk: Desk) -> None:
        await desk.harness.store.record(
            [callback(f"run_{number}", client_ref=REF) for number in range(23)]
        )
        said = await desk.typed(REF)
        assert "is the client_ref of 23 runs" in said.stdout
        assert "and 3 more, older\n" in said.stdout

    async def test_an_id_of_several_sources_is_picked_by_its_source(
        self, desk: Desk
    ) -> None:
        for source in ("acme", "globex"):
            await desk.harness.one(callback(source=source))
        said = await desk.typed("run_1")
        assert "Pick one: relay explain RUN_ID --source NAME\n" in said.stdout
        picked = await desk.typed("run_1", "--source", "globex")
        assert picked.stdout.startswith("run run_1 of globex\n")

    async def test_the_id_of_an_event_explains_its_run(self, desk: Desk) -> None:
        recorded = await desk.harness.one(callback())
        assert recorded.letter is not None
        said = await desk.typed(str(recorded.letter.event_id), "--offline")
        assert said.stdout.startswith("run run_1 of acme\n")

    async def test_a_callback_in_quarantine_is_explained(self, desk: Desk) -> None:
        await desk.harness.one(odd(b'{"event":"run.exploded","run_id":"run_7"}'))
        said = await desk.typed("run_7")
        assert (said.exit_code, desk.api.asked) == (0, [])
        assert said.stdout.startswith("callback naming run_7 of acme\n\nQUARANTINED  ")
        assert (await desk.document("run_7"))["reason"] == "unknown_event"


class TestMissing:
    async def test_says_where_was_looked_and_exits_1(self, desk: Desk) -> None:
        said = await desk.typed("run_9", "--offline")
        assert said.exit_code == 1
        flat = " ".join(said.stdout.split())
        assert flat.endswith("has no run, batch, event or client_ref 'run_9'.")
        assert "relay.db" in flat

    async def test_says_what_the_api_of_each_source_says(self, desk: Desk) -> None:
        said = await desk.typed("run_9")
        assert said.exit_code == 1
        flat = " ".join(said.stdout.split())
        assert "acme: Runflow does not know it either, or not by this token." in flat
        assert (
            "globex: the API could not be asked: not asked: the source has no" in flat
        )
        assert desk.api.asked.count("/v1/batches/run_9") == 1

    async def test_a_client_ref_that_only_runflow_knows_leads_to_its_runs(
        self, desk: Desk
    ) -> None:
        """Its callback has not come, or did not say it."""
        rows = [{"id": RUN, "client_ref": "order-1"}, {"id": "x", "client_ref": "no"}]
        desk.api.gives("/v1/runs", {"items": rows, "next": None})
        said = await desk.typed("order-1", "--source", "acme")
        assert said.exit_code == 1
        flat = " ".join(said.stdout.split())
        assert f"acme: Runflow knows it as the client_ref of {RUN}." in flat
        assert f"relay explain {RUN}" in flat

    async def test_a_run_that_runflow_knows_shows_why_its_callback_never_came(
        self, desk: Desk
    ) -> None:
        told_upstream(desk.api)
        desk.api.gives(f"/v1/runs/{RUN}/callback", [])
        said = await desk.typed(RUN, "--source", "acme")
        assert said.exit_code == 1
        flat = " ".join(said.stdout.split())
        assert (
            'Runflow knows it: the run has ended: "succeeded". Its callbacks:' in flat
        )
        assert "a sweep finds it, or have Runflow send it again" in flat
        assert "globex" not in flat

    async def test_a_batch_that_runflow_knows_is_found_too(self, desk: Desk) -> None:
        batch = {"id": "batch_1", "status_code": "queued", "callback_url": None}
        desk.api.gives("/v1/batches/batch_1", batch)
        desk.api.gives("/v1/batches/batch_1/callback", [])
        said = await desk.typed("batch_1")
        assert "It has no callback_url, so no callback ever comes" in " ".join(
            said.stdout.split()
        )

    async def test_what_can_be_no_id_is_asked_of_nobody(self, desk: Desk) -> None:
        said = await desk.typed("x" * 300, "--source", "acme")
        assert "It can be no id, so no API was asked." in " ".join(said.stdout.split())

    async def test_programs_read_it_too(self, desk: Desk) -> None:
        said = await desk.typed("run_9", "--json")
        found = json.loads(said.stdout)
        assert (said.exit_code, found["found"]) == (1, False)
        assert [*found["upstream"]] == ["acme", "globex"]

    async def test_a_source_that_is_not_there_is_wrong_usage(self, desk: Desk) -> None:
        said = await desk.typed("run_9", "--source", "acmee")
        assert said.exit_code == 2
        assert said.stderr == "there is no source 'acmee'; there are: acme, globex\n"


class TestUsage:
    @pytest.mark.parametrize(
        "wanted,words",
        [("", "name a run"), ("  ", "name a run"), ("\udcff", "is not UTF-8")],
    )
    async def test_what_names_nothing_is_wrong_usage(
        self, desk: Desk, wanted: str, words: str
    ) -> None:
        said = await desk.typed(wanted)
        assert (said.exit_code, words in said.stderr) == (2, True)

    async def test_a_store_that_is_not_there_is_wrong_usage(self, desk: Desk) -> None:
        desk.configure("sqlite:///none.db", desk.config.parent)
        said = await desk.typed("run_1")
        assert (said.exit_code, "there is no store" in said.stderr) == (2, True)

    async def test_a_store_of_an_older_program_is_said_to_be_one(
        self, desk: Desk
    ) -> None:
        await desk.harness.close()
        await desk.harness.execute("PRAGMA user_version = 1")
        said = await desk.typed("run_1")
        assert said.exit_code == 2
        assert "the store has schema 1, this program reads" in said.stderr
        assert "start the relay once" in said.stderr

    async def test_what_others_have_written_moves_no_cursor_and_is_no_markup(
        self, desk: Desk
    ) -> None:
        evil = "[red]\x1b[2J\x9b1m[/red]"
        await desk.harness.one(callback(client_ref=evil))
        [parcel] = await desk.harness.claim("orders")
        failed = Failed(
            reason="status_400", fault=Fault.EVENT, detail=evil, excerpt=evil.encode()
        )
        await desk.harness.settle(parcel, outcome=failed)
        desk.api.gives("/v1/runs/run_1", any_run("run_1", status_code=evil))
        said = await desk.typed("run_1", "--excerpts")
        assert said.exit_code == 0
        assert "[red]\\x1b[2J\\x9b1m[/red]" in said.stdout
        assert {char for char in said.stdout if ord(char) < 32} == {"\n"}
        assert "\x9b" not in said.stdout

    async def test_excerpts_are_shown_only_when_asked_for(self, desk: Desk) -> None:
        await tell_everything(desk.harness)
        without = await desk.typed(RUN, "--offline")
        within = await desk.typed(RUN, "--offline", "--excerpts")
        assert "busy" not in without.stdout
        assert 'it said "busy\\x1b[31m"' in " ".join(within.stdout.split())
