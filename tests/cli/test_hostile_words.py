"""Whatever is typed: a verb says what is wrong with it and exits with 2, and never shows its inside."""

import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import aiohttp
import pytest
import structlog
from typer.testing import CliRunner

from relay.cli.main import app
from relay.operate.api.replays import PATH, cancel_path
from relay.operate.socket import reachable, socket_of
from tests.cli.replaying import Ground

pytestmark = pytest.mark.timeout(60, func_only=True)

HUGE = "9" * 20
NO_TEXT = "caf\udcff"


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    before = logging.root.handlers[:]
    with Ground(tmp_path).opened() as opened:
        yield opened
    # A command sets up its log.
    logging.root.handlers[:] = before
    structlog.reset_defaults()


WRONG = (
    ("replay", "--status", HUGE),
    ("replay", "--status", "9" * 19),
    ("replay", "--status", "9" * 5000),
    ("replay", "--status", "9" * 18),
    ("replay", "--limit", HUGE, "--yes"),
    ("replay", "--cancel", HUGE),
    ("replay", "--cancel", "-1"),
    ("replay", "--since", f"{HUGE}d", "--dry-run"),
    ("dead", "show", HUGE),
    ("dead", "--cursor", f"{HUGE}.{HUGE}"),
    ("quarantine", "--cursor", HUGE),
    ("quarantine", "--cursor", "0"),
)
NO_TEXTS = (
    ("dead", "--reason", NO_TEXT),
    ("dead", "--destination", NO_TEXT),
    ("dead", "show", NO_TEXT),
    ("replay", NO_TEXT, "--dry-run"),
    ("quarantine", "--source", NO_TEXT),
    ("quarantine", "show", NO_TEXT),
    ("destinations", "pause", "orders", "--reason", NO_TEXT),
    ("destinations", "resume", NO_TEXT),
    ("explain", NO_TEXT),
    (NO_TEXT,),
    (f"--{NO_TEXT}",),
)


@pytest.mark.parametrize("running", [True, False])
def test_numbers_that_no_store_has_are_refused(running: bool, ground: Ground) -> None:
    ground.die(1)
    if running:
        with ground.served():
            found = [(words[:2], ground.type(*words)) for words in WRONG]
    else:
        found = [(words[:2], ground.type(*words)) for words in WRONG]
    assert [(words, said.code, said.out) for words, said in found] == [
        (words[:2], 2, "") for words in WRONG
    ]
    for words, said in found:
        assert said.err, words
        assert "Error" not in said.err.replace("Error: Invalid value", ""), words
        assert len(said.err) < 400


@pytest.mark.parametrize("words", NO_TEXTS, ids=" ".join)
def test_what_is_no_text_is_refused(words: Sequence[str], ground: Ground) -> None:
    ground.die(1)
    said = ground.type(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("relay: an argument is not UTF-8: ")
    assert r'caf\xff"' in said.err


def test_bytes_on_a_real_command_line_are_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "relay", "dead", "show", b"\xff"],
        capture_output=True,
        cwd=tmp_path,
        check=False,
    )
    expected = (2, b"", b'relay: an argument is not UTF-8: "\\xff"\n')
    assert (done.returncode, done.stdout, done.stderr) == expected


def test_a_file_may_be_called_anything(tmp_path: Path) -> None:
    """Also behind a flag that sticks to it."""
    path = str(tmp_path / f"{NO_TEXT}.yaml")
    for words in (["--config", path], [f"--config={path}"], [f"-c{path}"]):
        said = CliRunner().invoke(app, ["dead", *words])
        assert said.exit_code == 2
        assert "not UTF-8" not in said.stderr


async def _asked(path: Path, route: str, body: bytes) -> int:
    with reachable(path) as name:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(path=name)
            ) as session,
            session.post(f"http://relay{route}", data=body) as answer,
        ):
            return answer.status


def test_the_socket_says_whose_fault_it_is(ground: Ground) -> None:
    ground.die(1)
    orders = (
        (PATH, b'{"limit": %s}' % HUGE.encode()),
        (PATH, rb'{"reason": "\ud800"}'),
        (PATH, b'{"rate": %s}' % HUGE.encode()),
        (cancel_path(HUGE), b""),
        (cancel_path(-1), b""),
    )
    with ground.served():
        path = socket_of(ground.directory / "relay.db")
        found = [ground.do(_asked(path, *order)) for order in orders]
    assert found == [400] * len(orders)
