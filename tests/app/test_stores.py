"""The relay on the shared store: the same promises, and a password that nobody sees."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from relay.app import Service
from relay.app.stores import read_ledger, recount
from relay.settings import Settings, parse
from tests.acceptance.relays import SECRET, callback, run_id, sign
from tests.postgres.fixtures import Database

pytestmark = pytest.mark.postgres

CONFIG = """
data_dir: {directory}
store: "{store}"
public: {{listen: "127.0.0.1:0", stop_timeout: 2s}}
operator: {{listen: "127.0.0.1:0"}}
limits: {{ack_timeout: 300ms}}
sources: [{{name: acme, secret: "{secret}"}}]
destinations: [{{name: audit, kind: file, path: {file}.jsonl}}]
"""


async def settings_of(directory: Path, store: str, file: str = "audit") -> Settings:
    text = CONFIG.format(directory=directory, store=store, secret=SECRET, file=file)
    return await asyncio.to_thread(parse, text, {}, file="relay.yaml")


async def post(service: Service, number: int) -> int:
    body = callback(number)
    url = f"http://127.0.0.1:{service.public.port}/callbacks/acme"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=sign(body)) as answer,
    ):
        return answer.status


async def readiness(service: Service) -> tuple[int, list[str]]:
    url = f"http://127.0.0.1:{service.operator.port}/readyz"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, (await answer.json())["reasons"]


async def holds(path: Path, *numbers: int) -> None:
    async with asyncio.timeout(10):
        while True:
            text = await asyncio.to_thread(
                lambda: path.read_text() if path.exists() else ""
            )
            if all(run_id(number) in text for number in numbers):
                return
            await asyncio.wait(
                [asyncio.get_running_loop().create_future()], timeout=0.02
            )


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


def test_the_command_line_speaks_of_the_store_without_its_password(
    tmp_path: Path, database: Database
) -> None:
    config = tmp_path / "relay.yaml"
    config.write_text(
        CONFIG.format(directory=tmp_path, store="${STORE}", secret=SECRET, file="audit")
    )

    def relay(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "relay", *arguments, "--config", str(config)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "STORE": database.url},
        )

    checked = relay("check")
    assert checked.returncode == 0
    address = f"127.0.0.1:{database.server.port}/{database.name}"
    assert f"postgresql://{address}" in checked.stdout
    before = relay("ledger", "--json")
    assert (before.returncode, json.loads(before.stdout)["ok"]) == (2, False)
    for said in (checked, before):
        assert database.server.password not in said.stdout + said.stderr
