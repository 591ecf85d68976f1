"""``relay check --online`` as people and programs meet it: the table, the document, the exit codes."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from relay.app.service import Service
from relay.cli.main import app
from relay.settings import load
from tests.places import free_port

SECRET, SIGNING = "whsec_not-to-be-shown", "whsec_" + "c2VjcmV0" * 4
TOKEN = "rf_live_not-to-be-shown"


class Place:
    """A configuration, and what may serve it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "relay.yaml"
        self.public, operator, nobody = free_port(), free_port(), free_port()
        self.good = (
            f"data_dir: {directory}\n"
            f'public: {{listen: "127.0.0.1:{self.public}", url: "http://127.0.0.1:{self.public}", stop_timeout: 1s}}\n'
            f'operator: {{listen: "127.0.0.1:{operator}"}}\n'
            "limits: {min_free_disk: 1MiB}\n"
            f"sources: [{{name: acme, secret: {SECRET}}}]\n"
            "destinations:\n  - {name: audit, kind: file, path: events.jsonl}\n"
        )
        self.bad = (
            f'  - {{name: orders, kind: http, url: "http://127.0.0.1:{nobody}/?key=not-to-be-shown",'
            f" private: true, secret: {SIGNING}}}\n"
        )
        self.path.write_text(self.good)

    @contextmanager
    def served(self) -> Iterator[None]:
        """A relay in a thread of its own: the command has a loop of its own, too."""
        started, stop = threading.Event(), threading.Event()

        async def serve() -> None:
            settings = await asyncio.to_thread(load, self.path, {})
            async with Service(settings):
                started.set()
                await asyncio.to_thread(stop.wait)

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        try:
            assert started.wait(20)
            yield
        finally:
            stop.set()
            thread.join()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    # What the relay beside it logs is not the command's.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    return Place(tmp_path)


def typed(*words: object) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, [str(word) for word in words])


def test_all_is_well_and_exits_0(place: Place) -> None:
    with place.served():
        said = typed("check", "--online", "-c", place.path)
        document = json.loads(
            typed("check", "--online", "--json", "-c", place.path).stdout
        )
    assert (said.exit_code, "All of it works." in said.stdout) == (0, True)
    assert document["ok"] is True
    assert {one["check"] for one in document["checks"]} == {
        "relay",
        "store",
        "api",
        "runs",
        "callbacks",
        "destination",
    }


def test_what_cannot_be_told_before_a_start_exits_3(place: Place) -> None:
    said = typed("check", "--online", "-c", place.path)
    assert (said.exit_code, "not all could be told" in said.stdout) == (3, True)
    assert "-> start the ingress and the relay" in " ".join(said.stdout.split())


def test_what_does_not_work_exits_1_with_what_to_do_and_no_secret(place: Place) -> None:
    place.path.write_text(place.good + place.bad)
    said = typed("check", "--online", "--send", "-c", place.path)
    for_programs = typed("check", "--online", "--json", "-c", place.path)
    assert (said.exit_code, for_programs.exit_code) == (1, 1)
    assert "Not all of it works." in said.stdout
    [failed] = [
        one
        for one in json.loads(for_programs.stdout)["checks"]
        if one["result"] == "failed"
    ]
    assert (failed["check"], failed["about"]) == ("destination", "orders")
    assert failed["remedy"]
    assert failed["remedy"] in " ".join(said.stdout.split())
    assert "not-to-be-shown" not in said.output + for_programs.output
    assert SIGNING not in said.output + for_programs.output
    # The first line names the file, however long that is.
    assert max(map(len, said.stdout.splitlines()[1:])) <= 80


def test_mistakes_of_the_file_come_first_and_nothing_is_looked_at(place: Place) -> None:
    place.path.write_text(place.good + "publik: {}\n")
    said = typed("check", "--online", "-c", place.path)
    assert (said.exit_code, "publik" in said.stderr, said.stdout) == (2, True, "")


def test_sending_alone_is_wrong_usage(place: Place) -> None:
    said = typed("check", "--send", "-c", place.path)
    assert (said.exit_code, said.stdout) == (2, "")
    assert said.stderr == "relay check: --send goes with --online\n"


def test_who_checks_the_file_alone_does_not_wait_for_what_dials(place: Place) -> None:
    told = (
        "import sys; from relay.cli.main import app;"
        f" app(['check', '-c', {str(place.path)!r}], standalone_mode=False);"
    )
    said = subprocess.run(
        [sys.executable, "-c", f"{told} print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"aiohttp", "aiokafka", "asyncpg"} & set(said.stdout.split()) == set()
