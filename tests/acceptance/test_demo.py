"""The demo says the truth about what it shows."""

import asyncio
from io import StringIO
from pathlib import Path

import asyncpg
import pytest
from rich.console import Console
from typer import Exit
from typer.testing import CliRunner

from relay.app.stores import read_ledger
from relay.cli.demo.compare import Expected, Heard, differences
from relay.cli.demo.endpoint import Endpoint
from relay.cli.demo.stage import ENDPOINT_SECRET, StageOptions
from relay.cli.demo.verb import play
from relay.cli.main import app
from relay.core.errors import MisconfiguredError
from relay.core.identity import Kind, Outcome, RunKey, event_id
from relay.settings import load
from tests.postgres.fixtures import Database

RUN = "0197f0f0-1111-7222-8333-444455556666"


class Thief(Endpoint):
    """Loses the third event it is given, and answers as if it had kept it."""

    def keep(self, event: Heard) -> None:
        if len(self.heard) == 2:
            self.stolen = event
            super().keep(self.heard[0])
        else:
            super().keep(event)


async def _play(
    directory: Path, endpoint: Endpoint, store: str | None = None
) -> tuple[int, str]:
    printed = StringIO()
    console = Console(width=100, file=printed)
    options = StageOptions(directory=directory, runs=12, seed=3, store=store)
    return await play(options, endpoint=endpoint, console=console), printed.getvalue()


@pytest.mark.timeout(60, func_only=True)
async def test_the_demo_passes_when_every_sink_has_every_event(tmp_path: Path) -> None:
    code, said = await _play(tmp_path / "demo", Endpoint(ENDPOINT_SECRET))
    assert (code, "Something is not" in said) == (0, False), said


@pytest.mark.timeout(60, func_only=True)
async def test_one_delivery_stolen_from_a_sink_makes_the_demo_fail(
    tmp_path: Path,
) -> None:
    endpoint = Thief(ENDPOINT_SECRET)
    code, said = await _play(tmp_path / "demo", endpoint)
    assert code == 1
    assert f"the endpoint never heard that run {endpoint.stolen.run_id}" in said


@pytest.mark.postgres
@pytest.mark.timeout(60, func_only=True)
async def test_the_demo_passes_on_a_database_of_ones_own_and_only_once(
    tmp_path: Path, database: Database
) -> None:
    """What is there is never touched, be it of a demo."""
    place = tmp_path / "demo"
    code, said = await _play(place, Endpoint(ENDPOINT_SECRET), database.url)
    assert (code, "Something is not" in said) == (0, False), said
    assert f"the store     postgresql://127.0.0.1:{database.server.port}/" in said
    config = await asyncio.to_thread((place / "relay.yaml").read_text)
    assert database.server.password not in said + config
    assert (place / "store.url").stat().st_mode & 0o077 == 0
    before = await read_ledger(await asyncio.to_thread(load, place / "relay.yaml", {}))
    with pytest.raises(MisconfiguredError, match="an empty database"):
        await _play(tmp_path / "again", Endpoint(ENDPOINT_SECRET), database.url)
    settings = await asyncio.to_thread(load, place / "relay.yaml", {})
    assert await read_ledger(settings) == before


@pytest.mark.postgres
async def test_a_database_of_somebody_elses_is_left_alone(
    tmp_path: Path, database: Database
) -> None:
    connection = await asyncpg.connect(database.url)
    await connection.execute("CREATE TABLE orders (number int)")
    with pytest.raises(MisconfiguredError, match="an empty database"):
        await _play(tmp_path / "demo", Endpoint(ENDPOINT_SECRET), database.url)
    tables = await connection.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    await connection.close()
    assert [row["tablename"] for row in tables] == ["orders"]


def test_a_store_that_is_no_database_is_none_for_the_demo(tmp_path: Path) -> None:
    words = ["demo", "--store", "sqlite:///mine.db", "--directory", str(tmp_path)]
    said = CliRunner().invoke(app, words)
    assert (said.exit_code, "--store must be postgresql" in said.stderr) == (2, True)
    assert [*tmp_path.iterdir()] == []


async def test_a_directory_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(Exit):
        await _play(tmp_path, Endpoint(ENDPOINT_SECRET))
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def _heard(**changed: str) -> Heard:
    key = RunKey.of("acme", Kind.RUN, RUN)
    true = {
        "event_id": str(event_id(key, Outcome.FAILED, 1)),
        "run_id": RUN,
        "outcome": "failed",
        "output": "null",
    }
    return Heard(**{**true, **changed})


TRUTH = [Expected(run_id=RUN, outcome="failed", output=None)]


def test_the_truth_heard_twice_is_no_difference() -> None:
    assert differences("sink", "acme", TRUTH, [_heard(), _heard()]) == []


@pytest.mark.parametrize(
    "heard,found",
    [
        ([], "never heard"),
        ([_heard(outcome="succeeded")], "something else"),
        ([_heard(output='{"a":1}')], "another output"),
        ([_heard(), _heard(event_id="0")], "which is not true"),
    ],
    ids=["nothing", "outcome", "output", "invented"],
)
def test_every_way_to_be_wrong_is_a_difference(heard: list[Heard], found: str) -> None:
    [difference] = differences("sink", "acme", TRUTH, heard)
    assert found in difference
