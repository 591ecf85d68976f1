"""`relay destinations`: what a person reads, what a program reads, and who does what is ordered."""

import asyncio
import logging
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from relay.app.service import Service
from relay.app.stores import read_conditions, read_ledger
from relay.core.holding import Condition
from relay.core.ledger import DestinationCounts
from relay.operate.actors import login
from tests.cli.sweeping import Ground
from tests.record.receipts import callback, routed

pytestmark = pytest.mark.timeout(60, func_only=True)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    before = logging.root.handlers[:]
    with Ground(tmp_path, verb="destinations").opened() as opened:
        yield opened
    # A command sets up its log.
    logging.root.handlers[:] = before
    structlog.reset_defaults()


def _come(ground: Ground, service: Service, *runs: str) -> None:
    """Callbacks for the destination."""
    router = routed(ground.destination)
    ground.do(service.store.record([callback(run, router=router) for run in runs]))


async def _arrived(service: Service) -> None:
    """Nothing waits any more."""
    never = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(10):
        while any(one.open for one in await service.store.conditions()):
            await asyncio.wait([never], timeout=0.01)


def _stand(ground: Ground) -> Condition:
    [found] = asyncio.run(read_conditions(ground.settings()))
    return found


@pytest.mark.parametrize("running", [True, False])
def test_a_pause_holds_and_a_resume_lets_go(
    running: bool, store: str, ground: Ground
) -> None:
    """Whether or not a relay runs, on either store; it is true when the command has ended."""
    ground.store = store
    with ground.served(running=running) as service:
        paused = ground.type("pause", "audit", "--reason", "the disk is moving")
        if running:
            _come(ground, service, "run_1", "run_2")
        shown = ground.type()
        again = ground.type("pause", "audit", "--json")
        resumed = ground.type("resume", "audit")
    assert (paused.code, paused.err) == (0, "")
    assert "audit is paused. No further try begins" in paused.out
    assert f"by {login()}: the disk is moving. " in shown.out
    assert "`relay destinations resume audit` sends again" in shown.out
    assert again.document["changed"] is False
    assert again.document["open"] == (2 if running else 0)
    assert again.document["hold"]["reason"] == "the disk is moving"
    assert f"audit goes on; it was paused since {_since(again.document)}" in resumed.out
    assert _stand(ground).hold is None
    account = asyncio.run(read_ledger(ground.settings()))
    assert account.balance().faults == ()
    assert account.destinations["audit"].created == (2 if running else 0)


def _since(document: dict[str, dict[str, str]]) -> str:
    return document["hold"]["since"][11:19]


def test_what_was_held_arrives_when_it_is_resumed(ground: Ground) -> None:
    with ground.served() as service:
        ground.type("pause", "audit")
        _come(ground, service, "run_1")
        assert _stand(ground).counts == DestinationCounts(created=1, held=1)
        said = ground.type("resume", "audit")
        ground.do(_arrived(service))
    assert "1 delivery is on its way" in said.out
    assert _stand(ground).counts == DestinationCounts(created=1, delivered=1)


def test_who_asked_over_the_socket_is_written_down(ground: Ground) -> None:
    """As the kernel knows them, whatever they say."""
    with ground.served():
        ground.type("pause", "audit", "--reason", "why")
        ground.type("resume", "audit")
        path = ground.settings().store_path
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        rows = connection.execute("SELECT actor, verb, subject, detail FROM audit")
        found = rows.fetchall()
        connection.close()
    assert found == [
        (login(), "destinations pause", "audit", "why"),
        (login(), "destinations resume", "audit", ""),
    ]


def test_nothing_is_done_twice(ground: Ground) -> None:
    with ground.served(running=False):
        said = ground.type("resume", "audit")
    assert (said.code, said.out) == (
        0,
        "Nothing was changed: audit was not held.\n",
    )


def test_a_name_that_nobody_knows_is_wrong_usage_and_is_told_which_there_are(
    ground: Ground,
) -> None:
    for running in (True, False):
        with ground.served(running=running):
            said = ground.type("pause", "odrers")
        assert said.code == 2
        assert said.err == "there is no destination 'odrers' (there are: audit)\n"


@pytest.mark.parametrize("running", [True, False])
def test_an_orphan_is_shown_and_can_be_forgotten(running: bool, ground: Ground) -> None:
    """It is held until then; one that is configured is not given up."""
    with ground.served() as service:
        ground.type("pause", "audit")
        _come(ground, service, *(f"run_{n}" for n in range(300)))
    ground.destination = "archive"
    with ground.served(running=running):
        shown = ground.type("--json").document["destinations"]
        refused = ground.type("forget", "archive")
        done = ground.type("forget", "audit", "--reason", "closed")
        again = ground.type("forget", "audit")
    assert [(one["name"], one["state"]) for one in shown] == [
        ("archive", "active"),
        ("audit", "orphaned"),
    ]
    assert "`relay destinations forget audit` lets them die" in shown[1]["advice"]
    assert refused.code == 2
    assert "archive is in the configuration" in refused.err
    assert (done.code, done.out) == (
        0,
        "300 deliveries for audit are dead now (reason `forgotten`).\n",
    )
    assert "Nothing was changed" in again.out
    found = {one.name: one for one in asyncio.run(read_conditions(ground.settings()))}
    assert found["audit"].counts == DestinationCounts(created=300, dead=300)


def test_an_orphan_that_is_behind_with_nothing_is_told_that_it_is_not_any_more(
    ground: Ground,
) -> None:
    with ground.served(running=False):
        pass
    connection = sqlite3.connect(ground.settings().store_path)
    with connection:
        connection.execute("UPDATE destinations SET behind_from = 1")
    connection.close()
    ground.destination = "archive"
    with ground.served(running=False):
        said = ground.type("forget", "audit")
    assert (said.code, said.out) == (
        0,
        "audit is not behind any more; nothing waited for it.\n",
    )


def test_what_stands_before_the_verb_counts_as_well(ground: Ground) -> None:
    with ground.served(running=False):
        said = ground.type("--json", "--config", str(ground.config), "pause", "audit")
    assert said.document["changed"] is True


def test_without_a_store_there_is_nothing_to_show_or_to_change(ground: Ground) -> None:
    ground.settings()
    for words in ((), ("pause", "audit")):
        said = ground.type(*words)
        assert said.code == 2
        assert "there is no store at" in said.err


def test_a_configuration_that_lacks_a_secret_still_shows_how_all_stand(
    ground: Ground,
) -> None:
    with ground.served(running=False):
        pass
    text = ground.config.read_text().replace("whsec_something", "${MISSING}")
    ground.config.write_text(text)
    said = ground.type("--json")
    assert said.document["destinations"][0]["state"] == "active"


def test_a_long_name_is_whole_in_80_columns_and_counts_of_nobody_are_left_out(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ground.destination = "the-warehouse-of-the-northern-half"
    with ground.served(running=False):
        shown = ground.type().out
        ground.type("pause", ground.destination)
    for word in (ground.destination, "pending", "dead", "last success"):
        assert word in shown
    for word in ("held", "behind", "…"):
        assert word not in shown


def test_who_has_dead_letters_is_told_where_they_are_read(ground: Ground) -> None:
    """And what arrived last is said to the minute, as it is kept."""
    with ground.served() as service:
        _come(ground, service, "run_1")
        ground.do(_arrived(service))
        ground.type("pause", "audit")
        _come(ground, service, "run_2", "run_3")
        assert "held" in ground.type().out
    ground.destination = "archive"
    with ground.served():
        ground.type("forget", "audit")
        shown = ground.type().out
    assert (
        "2 for audit have died: `relay dead --destination audit` lists those" in shown
    )
    [audit] = [line for line in shown.splitlines() if line.startswith("audit ")]
    assert re.search(r" \d\d:\d\d *$", audit)
