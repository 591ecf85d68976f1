"""A desk to ask at: a store, a configuration, an API, and what is typed.

Owns what the tests of `relay explain` share. Decides nothing.
"""

import asyncio
import json
from pathlib import Path

from typer.testing import CliRunner, Result

from relay.cli.main import app
from tests.record.harness import StoreHarness
from tests.record.scene import RUN
from tests.runflow.scripted import Paths
from tests.runflow.upstream import TOKEN, any_run

__all__ = ["HERE", "URL", "Desk", "told_upstream"]

HERE = Path(__file__).parent
URL = "https://relay.example.com/callbacks/acme"
CONFIG = """\
data_dir: {directory}
store: "{store}"
public: {{url: "https://relay.example.com"}}
operator: {{listen: "{operator}"}}
sources:
  - name: acme
    secret: whsec_something
    api: {{token: "{token}", base_url: "{api}"}}
  - {{name: globex, secret: whsec_something}}
destinations:
  - {{name: lake, kind: file, path: lake.jsonl}}
  - {{name: orders, kind: http, url: "https://orders.example.com/", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}}
"""


class Desk:
    """A store, a configuration and an API; what is typed is typed at a moment that stands still."""

    def __init__(self, harness: StoreHarness, api: Paths, config: Path) -> None:
        self.harness = harness
        self.api = api
        self.config = config

    def configure(self, store: str, directory: Path) -> None:
        text = CONFIG.format(
            directory=directory,
            store=store,
            token=TOKEN,
            api=self.api.url,
            operator=self.api.url.removeprefix("http://"),
        )
        self.config.write_text(text)

    async def typed(self, *words: str) -> Result:
        """Nothing that is printed ever has the token."""
        arguments = ["explain", *words, "--config", str(self.config)]
        said = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        assert TOKEN not in said.output
        return said

    async def document(self, *words: str) -> dict[str, object]:
        said = await self.typed(*words, "--json")
        assert said.exit_code == 0, said.output
        found: dict[str, object] = json.loads(said.stdout)
        return found


def told_upstream(api: Paths) -> None:
    """What Runflow says in the end: another end than its last event, and three tries of its own."""
    run = any_run(
        RUN,
        status_code="succeeded",
        created_at="2026-03-01T11:58:00Z",
        started_at="2026-03-01T11:58:12.5Z",
        completed_at="2026-03-01T11:59:58Z",
        output={"images": [1.10]},
        callback_url=f"{URL}?key=hidden",
    )
    tries = [
        {
            "attempt_number": number,
            "status_code": status,
            "error_message": error,
            "response_time_ms": took,
            "created_at": at,
        }
        for number, status, error, took, at in (
            (1, None, "connection refused", None, "2026-03-01T11:59:58.5Z"),
            (2, 503, "HTTP 503", 31, "2026-03-01T11:59:59.5Z"),
            (3, 202, None, 4, "2026-03-01T12:00:00.1Z"),
        )
    ]
    sent = {
        "status_code": "delivered",
        "callback_url": f"{URL}?key=hidden",
        "max_attempts": 5,
        "attempts": tries,
    }
    api.gives(f"/v1/runs/{RUN}", run)
    api.gives(f"/v1/runs/{RUN}/callback", [sent])
