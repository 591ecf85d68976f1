"""The relay on the shared store: the same promises, and a password that nobody sees."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
from structlog.testing import capture_logs

from relay.app import stores
from relay.app.service import Service
from relay.app.stores import read_ledger, recount
from relay.core.errors import StoreBusyError
from relay.deliver import polling
from tests.acceptance.relays import SECRET
from tests.app.relaying import CONFIG, holds, post, readiness, settings_of
from tests.postgres.fixtures import Database

pytestmark = pytest.mark.postgres


async def test_a_callback_becomes_an_event_in_a_file(
    tmp_path: Path, database: Database
) -> None:
    settings = await settings_of(tmp_path, database.url)
    async with Service(settings) as service:
        assert [await post(service, 1), await post(service, 1)] == [202, 200]
        await holds(tmp_path / "audit.jsonl", 1)
        assert await readiness(service) == (200, [])
    counted, recounted = await recount(settings)
    assert counted == recounted == await read_ledger(settings)
    assert counted.balance().faults == ()
    assert counted.sources["acme"].first == 1
    assert counted.destinations["audit"].delivered == 1


async def test_what_one_relay_took_in_another_delivers(
    tmp_path: Path, database: Database
) -> None:
    first = await settings_of(tmp_path, database.url)
    async with Service(first) as service:
        assert await post(service, 1) == 202
        await holds(tmp_path / "audit.jsonl", 1)
    async with Service(await settings_of(tmp_path, database.url)) as service:
        assert await post(service, 1) == 200
        assert await post(service, 2) == 202
        await holds(tmp_path / "audit.jsonl", 1, 2)


async def test_a_database_that_is_away_makes_503_and_unready_and_is_found_again(
    tmp_path: Path, database: Database
) -> None:
    async with Service(await settings_of(tmp_path, database.url)) as service:
        assert await post(service, 1) == 202
        await asyncio.to_thread(database.server.kill)
        assert await post(service, 2) == 503
        assert await readiness(service) == (503, ["store_unreachable"])
        await asyncio.to_thread(database.server.start)
        async with asyncio.timeout(10):
            while await post(service, 2) == 503:
                pass
        await holds(tmp_path / "audit.jsonl", 1, 2)
        assert await readiness(service) == (200, [])


async def test_a_change_while_the_database_is_away_changes_nothing_yet(
    tmp_path: Path, database: Database
) -> None:
    old = await settings_of(tmp_path, database.url)
    new = await settings_of(tmp_path, database.url, file="copy")
    async with Service(old) as service:
        await asyncio.to_thread(database.server.kill)
        with pytest.raises(StoreBusyError):
            await service.reload(new)
        await asyncio.to_thread(database.server.start)
        async with asyncio.timeout(10):
            while await post(service, 1) == 503:
                pass
        await holds(tmp_path / "audit.jsonl", 1)
        await service.reload(new)
        assert await post(service, 2) == 202
        await holds(tmp_path / "copy.jsonl", 2)


async def test_couriers_outlive_a_database_that_is_away_for_long(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They ask again and again; one that crashed each time would end the process after a minute."""
    monkeypatch.setattr(polling, "POLL_S", 0.005)
    with capture_logs() as said:
        async with Service(await settings_of(tmp_path, database.url)) as service:
            await asyncio.to_thread(database.server.kill)
            assert [await post(service, 1) for _ in range(20)] == [503] * 20
            await asyncio.to_thread(database.server.start)
            async with asyncio.timeout(10):
                while await post(service, 1) == 503:
                    pass
            await holds(tmp_path / "audit.jsonl", 1)
    assert "worker.crashed" not in [line["event"] for line in said]


@pytest.mark.parametrize("way", ["PGPASSWORD", "passfile", "PGPASSFILE", "encoded"])
async def test_a_password_of_any_characters_can_be_given(
    way: str, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = "p@ss/w#rd?:%41 é"
    admin = await asyncpg.connect(database.server.administrator_url("postgres"))
    await admin.execute(f"ALTER ROLE relay PASSWORD '{password}'")
    file = tmp_path / "passwords"
    file.write_text(f"*:*:{database.name}:relay:{password}\n")
    file.chmod(0o600)
    store = database.url.replace(f":{database.server.password}@", "@")
    match way:
        case "PGPASSWORD":
            monkeypatch.setenv("PGPASSWORD", password)
        case "PGPASSFILE":
            monkeypatch.setenv("PGPASSFILE", str(file))
        case "passfile":
            store += f"?passfile={file}"
        case _:
            store = store.replace("relay@", f"relay:{quote(password, safe='')}@", 1)
    try:
        async with Service(await settings_of(tmp_path, store)) as service:
            assert await post(service, 1) == 202
    finally:
        await admin.execute(f"ALTER ROLE relay PASSWORD '{database.server.password}'")
        await admin.close()


async def test_a_start_waits_for_a_database_that_is_not_there_yet(
    tmp_path: Path, database: Database
) -> None:
    settings = await settings_of(tmp_path, database.url)
    await asyncio.to_thread(database.server.kill)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(database.server.start))
        async with Service(settings) as service:
            assert await post(service, 1) == 202
            assert await readiness(service) == (200, [])


@pytest.mark.parametrize("patience", ["none", "a signal"])
async def test_a_start_without_a_database_says_so_and_fails(
    patience: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = "postgresql://relay:whsec-hidden@127.0.0.1:9/relay"
    settings = await settings_of(tmp_path, nobody)
    if patience == "none":
        monkeypatch.setattr(stores, "START_S", 0.0)
    service = Service(settings)
    asyncio.get_running_loop().call_later(0.2, service.dismiss)
    where = "store postgresql://127.0.0.1:9/relay: the database does not answer"
    with pytest.raises(StoreBusyError, match=where):
        async with asyncio.timeout(10), service:
            pass


def test_the_command_line_speaks_of_the_store_without_its_password(
    tmp_path: Path, database: Database
) -> None:
    config = tmp_path / "relay.yaml"
    config.write_text(
        CONFIG.format(directory=tmp_path, store="${STORE}", secret=SECRET, file="audit")
    )

    def relay(
        *arguments: str, store: str = database.url
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "relay", *arguments, "--config", str(config)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "STORE": store},
        )

    checked = relay("check")
    assert checked.returncode == 0
    address = f"127.0.0.1:{database.server.port}/{database.name}"
    assert f"postgresql://{address}" in checked.stdout
    gone = relay("ledger", store="postgresql://relay:hidden@127.0.0.1:9/relay")
    where = "store postgresql://127.0.0.1:9/relay"
    why = "the database does not answer (Connection refused)"
    assert (gone.returncode, gone.stdout, gone.stderr) == (1, "", f"{where}: {why}\n")
    before = relay("ledger", "--json")
    assert (before.returncode, json.loads(before.stdout)["ok"]) == (2, False)
    for said in (checked, before):
        assert database.server.password not in said.stdout + said.stderr
