"""A source that collapses, from its configuration to the file that its events go to."""

import asyncio
import json
from pathlib import Path

import aiohttp

from relay.app.service import Service
from relay.app.stores import read_ledger
from relay.settings import Settings, parse
from tests.acceptance.relays import SECRET, sign

CONFIG = """
data_dir: {directory}
public: {{listen: "127.0.0.1:0", stop_timeout: 2s}}
operator: {{listen: "127.0.0.1:0"}}
limits: {{min_free_disk: 1MiB}}
sources:
  - {{name: acme, secret: "{secret}", require: [status, client_ref], collapse_client_ref: {collapses}}}
destinations: [{{name: audit, kind: file, path: audit.jsonl}}]
"""


async def settings_of(directory: Path, collapses: str) -> Settings:
    text = CONFIG.format(directory=directory, secret=SECRET, collapses=collapses)
    return await asyncio.to_thread(parse, text, {}, file="relay.yaml")


async def post(service: Service, run: str) -> int:
    said = {"run_id": run, "status": "succeeded", "client_ref": "order-1"}
    body = json.dumps(said).encode()
    url = f"http://127.0.0.1:{service.public.port}/callbacks/acme"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=sign(body, SECRET)) as answer,
    ):
        return answer.status


async def test_a_source_collapses_while_it_is_told_to(tmp_path: Path) -> None:
    """Also when it is told so, or told otherwise, while it runs."""
    async with Service(await settings_of(tmp_path, "none")) as service:
        for number, collapses in enumerate(
            ("none", "first_success", "first_success", "none")
        ):
            await service.reload(await settings_of(tmp_path, collapses))
            assert await post(service, f"run_{number}") == 202
    counts = (await read_ledger(await settings_of(tmp_path, "none"))).sources["acme"]
    assert (counts.opened, counts.events, counts.collapsed) == (4, 3, 1)
