"""A whole relay in this process, with short limits, and hands to speak to it."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.app.service import Service
from relay.settings import parse
from tests.acceptance.relays import SECRET, sign

CONFIG = """
data_dir: {directory}
public: {{listen: "127.0.0.1:0", stop_timeout: 2s, trusted_proxies: [127.0.0.0/8]}}
operator: {{listen: "127.0.0.1:0"}}
limits:
  min_free_disk: 1MiB
  header_timeout: 1s
  body_timeout: 300ms
  connections: 50
  unverified_per_minute: 5
sources:
  - name: acme
    on_unconfirmed: hold
    secrets:
      - {{id: old, secret: "whsec_the-old-one", not_after: 2020-01-01T00:00:00Z}}
      - {{id: new, secret: "{secret}"}}
    channels:
      - {{name: org, scheme: standard-webhooks, secret: "{standard}"}}
  - {{name: lapsed, secrets: [{{id: k, secret: "{secret}", not_after: 2020-01-01T00:00:00Z}}]}}
destinations:
  - {{name: audit, kind: file, path: events.jsonl}}
"""
STANDARD_SECRET = "whsec_c3RhbmRhcmQtd2ViaG9va3Mtc2VjcmV0LWZvci10ZXN0cw=="


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes


class Door:
    """Speaks raw HTTP to the relay's public listener and looks into its store."""

    def __init__(self, service: Service, directory: Path) -> None:
        self.service = service
        self.port = service.public.port
        self.directory = directory

    async def raw(self, request: bytes, *, within_s: float = 5.0) -> Answer | None:
        """Send bytes, give what is answered; None when the connection closes without a word."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(within_s):
                writer.write(request)
                return await read_answer(reader)
        finally:
            writer.close()

    async def post(
        self,
        body: bytes,
        headers: dict[str, str] | None = None,
        *,
        path: str = "/callbacks/acme",
        method: str = "POST",
    ) -> Answer:
        """A whole request, signed unless headers are given."""
        lines = "".join(
            f"{name}: {value}\r\n"
            for name, value in (sign(body) if headers is None else headers).items()
        )
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        answer = await self.raw(head.encode("latin-1") + body)
        assert answer is not None
        return answer

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """What a reader of the store sees."""
        path = self.directory / "relay.db"
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    async def quarantined(self) -> list[tuple[str, bytes]]:
        """Reason and exact bytes of everything in quarantine."""
        found = await asyncio.to_thread(
            self.rows, "SELECT reasons, body FROM receipts WHERE verdict = 5"
        )
        return [(json.loads(str(reasons))[0], bytes(body)) for reasons, body in found]  # type: ignore[call-overload]

    async def receipts(self) -> int:
        [(count,)] = await asyncio.to_thread(
            self.rows, "SELECT COALESCE(SUM(count), 0) FROM receipts"
        )
        return int(str(count))


async def read_answer(reader: asyncio.StreamReader) -> Answer | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    headers = {
        name.lower(): value for name, value in (line.split(": ", 1) for line in lines)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(first.split()[1]), headers, body)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    text = CONFIG.format(directory=tmp_path, secret=SECRET, standard=STANDARD_SECRET)
    settings = await asyncio.to_thread(parse, text, {}, file="relay.yaml")
    async with Service(settings) as service:
        yield Door(service, tmp_path)
