"""Whether the store can be read, what it is, and whether there is room."""

import asyncio
import sqlite3

import pytest

from relay.app.checks.store import look_at_relay
from relay.app.service import Service
from relay.core.timeline import Presence
from relay.record.sqlite.connection import APPLICATION_ID
from tests.app.checks.looking import Scene, only
from tests.places import free_port
from tests.postgres.fixtures import Database


def _with_schema(scene: Scene, number: int) -> None:
    connection = sqlite3.connect(scene.directory / "relay.db")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {number}")
    connection.execute("CREATE TABLE t (x)")
    connection.close()


async def test_a_store_that_is_not_there_yet_is_no_fault(scene: Scene) -> None:
    one = only(await scene.look(), "store")
    assert (one.result, "first start makes it" in one.found) == ("ok", True)


async def test_a_store_that_a_relay_serves_is_read_beside_it(scene: Scene) -> None:
    async with Service(await scene.settings()):
        found = await scene.look()
    assert [one.result for one in found if one.check in ("relay", "store")] == [
        "ok"
    ] * 2
    assert "the ledger balances" in only(found, "store").found


@pytest.mark.parametrize(
    "schema,result,found,remedy",
    [
        (1, "warning", "schema 1, which the next start makes", "make a copy"),
        (99, "failed", "start the newer program", "the-store"),
    ],
)
async def test_a_store_of_another_program(
    scene: Scene, schema: int, result: str, found: str, remedy: str
) -> None:
    await asyncio.to_thread(_with_schema, scene, schema)
    one = only(await scene.look(), "store")
    assert (one.result, found in one.found) == (result, True)
    assert remedy in one.remedy


async def test_a_ledger_that_does_not_add_up(scene: Scene) -> None:
    async with Service(await scene.settings()):
        pass

    def spoil() -> None:
        connection = sqlite3.connect(scene.directory / "relay.db")
        connection.execute(
            "INSERT INTO destination_counters (incarnation, destination, created)"
            " SELECT 0, number, 1 FROM destinations LIMIT 1"
        )
        connection.commit()
        connection.close()

    await asyncio.to_thread(spoil)
    one = only(await scene.look(), "store")
    assert (one.result, "does not add up" in one.found) == ("failed", True)
    assert one.remedy == "relay ledger --verify"


async def test_a_disk_without_room(scene: Scene) -> None:
    async with Service(await scene.settings()):
        pass
    scene.limits = "min_free_disk: 1000TiB"
    one = only(await scene.look(), "store")
    assert (one.result, "503" in one.found) == ("failed", True)
    assert one.remedy == "make room on that disk"


async def test_a_database_that_does_not_answer(scene: Scene) -> None:
    scene.store = f"postgresql://relay:sesame@127.0.0.1:{free_port()}/relay"
    one = only(await scene.look(), "store")
    assert (one.result, "sesame" in repr(one)) == ("failed", False)
    assert "docs/deploying.md#postgresql" in one.remedy


@pytest.mark.postgres
async def test_a_database_is_looked_at_before_and_after_the_first_start(
    scene: Scene, database: Database
) -> None:
    scene.store = database.url
    before = only(await scene.look(), "store")
    async with Service(await scene.settings()):
        after = only(await scene.look(), "store")
    assert (before.result, "not there yet" in before.found) == ("ok", True)
    assert (after.result, "the ledger balances" in after.found) == ("ok", True)
    assert "free" not in after.found


def test_a_relay_that_does_not_get_through_says_to_whom() -> None:
    presence = Presence(
        address="127.0.0.1:8081", answers=True, degraded=frozenset({"orders"})
    )
    one = look_at_relay(presence)
    assert (one.result, "orders" in one.found) == ("warning", True)
    assert one.remedy == "relay destinations"
