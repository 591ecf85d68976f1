"""The threat model names tests that there are, and what it says of the store is so."""

import asyncio
import re
from pathlib import Path

from relay.app.service import Service
from relay.settings import parse
from tests.acceptance.relays import SECRET, callback
from tests.app.relaying import post
from tests.deliver.endpoint import Connection, Endpoint, Request
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if "`tests/" in line]
#: Everything that a configuration can have and nobody else may know.
HIDDEN = {
    "source": SECRET,
    "token": "rf_live_very_much_hidden",
    "destination": "whsec_dmVyeS1tdWNoLWhpZGRlbi12ZXJ5LW11Y2gtaGlkZGVu",
    "bearer": "bearer-very-much-hidden",
    "header": "header-very-much-hidden",
}
CONFIG = f"""
data_dir: {{directory}}
public: {{{{listen: "127.0.0.1:0", stop_timeout: 2s}}}}
operator: {{{{listen: "127.0.0.1:0"}}}}
limits: {{{{min_free_disk: 1MiB}}}}
sources:
  - {{{{name: acme, secret: "{HIDDEN["source"]}", api: {{{{base_url: "http://127.0.0.1:1", token: {HIDDEN["token"]}}}}}}}}}
destinations:
  - name: orders
    kind: http
    url: "{{url}}"
    private: true
    secret: {HIDDEN["destination"]}
    auth: {{{{bearer: {HIDDEN["bearer"]}}}}}
    headers: {{{{x-key: {HIDDEN["header"]}}}}}
    ladder: [0s, 1h]
"""


def _lost(row: str) -> list[str]:
    """What a row names and nobody finds, of files and of tests in them."""
    paths = re.findall(r"`(tests/[\w/.]+)`", row)
    files = [
        file
        for path in paths
        for file in [*(ROOT / path).glob("**/*.py"), ROOT / path]
        if file.is_file()
    ]
    there = "".join(file.read_text(encoding="utf-8") for file in files)
    named = re.findall(r"`(test_\w+)`", row)
    return [path for path in paths if not (ROOT / path).exists()] + [
        name for name in named if f"def {name}(" not in there
    ]


def test_every_test_that_is_named_is_there() -> None:
    assert len(ROWS) > 30
    assert [lost for row in ROWS for lost in _lost(row)] == []


def test_every_actor_has_what_does_not_hold_and_what_to_do() -> None:
    _, *actors = PAGE.partition("## Who could do what")[2].split("\n### ")
    actors[-1] = actors[-1].partition("\n## ")[0]
    assert len(actors) == 9
    for actor in actors:
        assert "**Does not hold:**" in actor, actor[:40]
        assert "**You:**" in actor, actor[:40]
        assert "`tests/" in actor, actor[:40]


def _kept(directory: Path) -> bytes:
    """All that the files of the store hold."""
    files = [file for file in directory.glob("relay.db*") if file.is_file()]
    return b"".join(file.read_bytes() for file in files)


async def test_no_secret_is_written_to_the_store(tmp_path: Path) -> None:
    """Also where a destination says back all that it was sent; the body is there in clear, as the page says."""

    async def echo(request: Request, connection: Connection) -> None:
        said = " ".join(request.headers.values()).encode()
        await connection.say(
            b"HTTP/1.1 400 Bad\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said)
        )

    async with Endpoint() as endpoint:
        endpoint.answer = echo
        text = CONFIG.format(directory=tmp_path, url=endpoint.url)
        settings = await asyncio.to_thread(parse, text, {}, file="relay.yaml")
        async with Service(settings) as service:
            assert await post(service, 1) == 202
            async with asyncio.timeout(20):
                while not endpoint.requests:
                    await asyncio.wait(
                        [asyncio.get_running_loop().create_future()], timeout=0.02
                    )
    assert endpoint.requests[0].headers["x-key"] == HIDDEN["header"]
    kept = await asyncio.to_thread(_kept, tmp_path)
    assert callback(1) in kept
    assert [name for name, of in HIDDEN.items() if of.encode() in kept] == []
