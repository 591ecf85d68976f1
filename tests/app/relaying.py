"""A relay in this process, on a store of either kind: made, sent to, asked."""

import asyncio
from pathlib import Path

import aiohttp

from relay.app.service import Service
from relay.settings import Settings, parse
from tests.acceptance.relays import SECRET, callback, run_id, sign

__all__ = ["CONFIG", "holds", "post", "readiness", "settings_of"]

CONFIG = """
data_dir: {directory}
store: "{store}"
public: {{listen: "127.0.0.1:0", stop_timeout: 2s}}
operator: {{listen: "127.0.0.1:0"}}
limits: {{ack_timeout: 2s}}
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
