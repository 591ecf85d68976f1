"""`relay sweep`: what a person reads, what a program reads, and who does it."""

import asyncio
import json
import logging
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from relay.app.stores import read_ledger
from relay.core.moment import text_of
from tests.cli.sweeping import SINCE, Ground, row
from tests.runflow.upstream import TOKEN, Reply

pytestmark = pytest.mark.timeout(60, func_only=True)

OTHER = """\
  - {name: other, secret: whsec_something}
"""
FORGETFUL = """\
retention: {payloads: 2d, attempts: 2d, dead_letters: 2d, identities: 30d}
"""


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    before = logging.root.handlers[:]
    with Ground(tmp_path).opened() as opened:
        yield opened
    # A command sets up its log.
    logging.root.handlers[:] = before
    structlog.reset_defaults()


@pytest.mark.parametrize("running", [True, False])
def test_what_was_missed_is_counted_and_remembered(
    running: bool, store: str, ground: Ground
) -> None:
    """Whether or not a relay runs, on either store; a second look finds nothing new."""
    ground.store = store
    ground.pages = [[row(1), row(2)], [row(3, status="running")]]
    with ground.served(running=running):
        first = ground.type("--since", SINCE)
        again = ground.type("--since", SINCE, "--json")
    assert (first.code, first.err) == (0, "")
    said = " ".join(first.out.split())
    assert "2 runs have ended without the relay hearing of it and 1 still go" in said
    assert "at most 100 a second: about a second" in said
    beside = "a relay that serves this store asks Runflow"
    alone = "no relay runs: once it is started (relay serve) it asks Runflow"
    served = "The relay now asks Runflow"
    expected = beside if "postgresql" in store else served if running else alone
    assert expected in said
    found = again.document
    assert (again.code, found["outcome"], found["sources"][0]["missed"]) == (
        0,
        "done",
        0,
    )
    assert found["sources"][0]["runs"] == 3


def test_the_relay_that_runs_asks_about_what_was_found(ground: Ground) -> None:
    ground.pages = [[row(1)]]
    with ground.served():
        ground.type("--since", SINCE)
        ground.do(ground.reaches(ground.asked))
    assert ground.upstream.last.path == "/v1/runs/run_1"


@pytest.mark.parametrize("running", [True, False])
def test_a_dry_run_names_the_runs_and_changes_nothing(
    running: bool, ground: Ground
) -> None:
    ground.pages = [[row(1), row(2, status="running")]]
    with ground.served(running=running):
        first = ground.type("--since", SINCE, "--dry-run")
        again = ground.type("--since", SINCE, "--dry-run", "--json")
    assert first.code == 0
    assert "acme  run  run_1  succeeded\n" in first.out
    assert "acme  run  run_2  still running\n" in first.out
    assert "Nothing was changed: without --dry-run" in first.out
    [found] = again.document["sources"]
    assert (found["missed"], found["running"]) == (1, 1)
    assert found["missing"][0] == {"kind": "run", "id": "run_1", "outcome": "succeeded"}
    assert again.document["by"] == ("relay" if running else "command")
    account = asyncio.run(read_ledger(ground.settings()))
    assert account.balance().faults == ()


def test_without_since_it_goes_on_where_the_last_one_got_to(
    ground: Ground,
) -> None:
    def since(document: Any) -> str:
        [found] = document["sources"]
        return str(found["since"])

    with ground.served(running=False):
        first, second = ground.type("--json"), ground.type("--json")
        # Created after what has been swept so far.
        created = time.time_ns() // 1000
        ground.pages = [[row(1, at=created)]]
        third, fourth = ground.type("--json"), ground.type("--json")
    assert since(first.document) == since(second.document) == since(third.document)
    overlap = 15 * 60_000_000
    assert since(fourth.document) == text_of(created - overlap)


@pytest.mark.parametrize("running", [True, False])
def test_no_sweep_reaches_behind_the_memory_of_runs(
    running: bool, ground: Ground
) -> None:
    """Whoever ended before may have had an event, and nobody knows any more."""
    ground.more = FORGETFUL
    now, day = time.time_ns() // 1000, 24 * 3_600_000_000
    ground.pages = [
        [row(1, at=now - 20 * day)],
        [row(2, at=now - 40 * day), row(3, at=now - 40 * day, status="running")],
    ]
    with ground.served(running=running):
        [found] = ground.type("--since", "60d", "--dry-run", "--json").document[
            "sources"
        ]
    assert [one["id"] for one in found["missing"]] == ["run_1", "run_3"]


@pytest.mark.parametrize(
    "refusal,words",
    [
        (Reply(status=401, json={"code": "UNAUTHORIZED"}), "`api.token`"),
        (Reply(status=429, headers={"Retry-After": "90"}), "wait 90 s"),
        (
            Reply(body=b"<html>", headers={"Content-Type": "text/html"}),
            "not Runflow's API: look at the source's `api.base_url`",
        ),
    ],
)
@pytest.mark.parametrize("running", [True, False])
def test_what_the_api_says_no_to_is_said_with_the_setting(
    running: bool, refusal: Reply, words: str, ground: Ground
) -> None:
    ground.refusal = refusal
    with ground.served(running=running):
        said = ground.type("--since", "24h")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("acme: ")
    assert words in said.err
    assert TOKEN not in said.err
    assert "Traceback" not in said.err


def test_where_one_source_fails_the_others_are_done_and_the_code_says_so(
    ground: Ground,
) -> None:
    ground.more, ground.pages = OTHER, [[row(1)]]
    with ground.served():
        said = ground.type("--since", SINCE)
        asked = ground.type("--since", SINCE, "--json", "--source", "other")
    assert said.code == 3
    assert "other: nobody can ask Runflow: set the source's `api.token`" in said.err
    assert "1 run has ended without the relay hearing of it." in said.out
    assert (asked.code, asked.document["outcome"]) == (1, "failed")
    assert asked.document["sources"][0]["reason"] == "no_token"


@pytest.mark.process
@pytest.mark.parametrize("running", [True, False])
def test_ctrl_c_ends_it_cleanly_and_says_how_far_it_came(
    running: bool, ground: Ground
) -> None:
    """And the next one may begin at once."""
    ground.pages, ground.stuck_at = [[row(1), row(2)], [row(3)]], 1
    with ground.served(running=running):
        said = ground.interrupt("--since", SINCE)
        ground.stuck_at = None
        after = ground.type("--since", SINCE, "--json")
    assert (said.code, "Traceback" in said.err) == (3, False)
    assert "relay sweep: broken off\n" in said.err
    assert "acme: 1 page  2 runs  2 ours  2 missed. What was found so far is kept." in (
        said.err
    )
    assert "--until 2026-03-01T11:58:01Z" in said.err
    assert (after.code, after.document["sources"][0]["missed"]) == (0, 1)


def test_a_relay_that_stops_meanwhile_says_so(ground: Ground) -> None:
    """And does not wait for the sweep."""
    ground.pages, ground.stuck_at = [[row(1)], [row(2)]], 1
    with ground.served() as service:

        async def stop_when_stuck() -> None:
            await ground.stuck.wait()
            await service.stop()

        stopping = asyncio.run_coroutine_threadsafe(stop_when_stuck(), ground.loop)
        said = ground.type("--since", SINCE, "--json")
        stopping.result(30)
    assert said.code == 1
    assert said.document["sources"][0]["reason"] == "called_off"


@pytest.mark.parametrize(
    "words,said",
    [
        (("--since", "yesterday"), "--since: not a time: write how long ago"),
        (("--since", "1h", "--until", "2h"), "--until: is not later than since"),
        (("--source", "nobody"), "there is no source 'nobody'; there are: acme"),
    ],
)
@pytest.mark.parametrize("running", [True, False])
def test_what_cannot_be_meant_is_wrong_usage(
    running: bool, words: tuple[str, ...], said: str, ground: Ground
) -> None:
    with ground.served(running=running):
        typed = ground.type(*words)
    assert (typed.code, typed.out) == (2, "")
    assert said in typed.err


def test_without_a_store_none_is_made(ground: Ground) -> None:
    settings = ground.settings()
    said = ground.type("--since", "24h", "--json")
    assert (said.code, said.err) == (2, "")
    assert "there is no store at" in json.loads(said.out)["mistakes"][0]["message"]
    assert not settings.store_path.exists()


def test_a_relay_that_cannot_be_spoken_to_is_named(ground: Ground) -> None:
    """Its store is not opened a second time."""
    with ground.served():
        path = ground.directory / "relay.sock"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.unlink()
        said = ground.type("--since", "24h")
    assert said.code == 1
    assert f"does not answer at {path}" in said.err
    assert "socket.unavailable" in said.err


def test_a_socket_that_a_dead_relay_left_is_no_relay(ground: Ground) -> None:
    with ground.served(running=False):
        pass
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(ground.directory / "relay.sock"))
    said = ground.type("--since", SINCE, "--json")
    assert (said.code, said.document["by"]) == (0, "command")
