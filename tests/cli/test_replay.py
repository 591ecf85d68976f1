"""`relay dead` and `relay replay`: what a person reads, what a program reads, and what is sent."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import structlog

from relay.app.alone import store_alone
from relay.cli.orders import posted
from relay.core.deadletter import IDS_MAX, Letters
from relay.core.errors import MisconfiguredError
from relay.core.replay import RUNNING_MAX, NewReplay, Selection
from relay.operate.actions.replaying import Order
from relay.operate.api.replays import PATH
from relay.operate.socket import socket_of
from tests.acceptance.relays import run_id
from tests.cli.replaying import Ground
from tests.deliver.endpoint import Connection, Request

pytestmark = pytest.mark.timeout(60, func_only=True)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    before = logging.root.handlers[:]
    with Ground(tmp_path).opened() as opened:
        yield opened
    # A command sets up its log.
    logging.root.handlers[:] = before
    structlog.reset_defaults()


def test_who_died_is_put_right_and_sent_again(store: str, ground: Ground) -> None:
    """Once, with the id it always had, saying which order it is of; on either store."""
    ground.store = store
    ground.die(1, 2)
    listed = ground.document("dead")
    ids = {item["event_id"] for item in listed["items"]}
    assert len(ids) == 2
    with ground.served():
        done = ground.type("replay", "--yes")
        again = ground.type("replay", "--yes")
    assert (done.code, done.err) == (0, "")
    assert "2 of 2 made  2 delivered  0 failed again  0 waiting" in done.out
    assert {headers["webhook-id"] for headers in ground.heard} == ids
    assert [headers["relay-replay"] for headers in ground.heard] == ["1", "1"]
    assert again.code == 0
    assert again.out.startswith("There is nothing to send: no dead letter is meant")
    assert ground.type("dead").out == "Nothing is dead.\n"
    assert ground.balances()


def test_who_has_died_of_age_is_sent_again_when_the_endpoint_works(
    ground: Ground,
) -> None:
    """All of it as it happens: refused until it is dead, put right, replayed, heard."""

    async def refuse(_: Request, connection: Connection) -> None:
        await connection.say(b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nno")

    works, ground.endpoint.answer = ground.endpoint.answer, refuse
    ground.policy = ", ladder: [0s, 300ms], max_age: 1s"
    with ground.served():
        ground.send(1)
        ground.until(_has_died)
        tried = len(ground.heard)
        shown = ground.type("dead", "show", run_id(1))
        ground.endpoint.answer = works
        done = ground.type("replay", run_id(1), "--yes")
    assert "status_400" in shown.out
    assert done.code == 0
    assert len(ground.heard) == tried + 1
    assert {headers["webhook-id"] for headers in ground.heard} == {
        ground.heard[0]["webhook-id"]
    }
    assert ["relay-replay" in headers for headers in ground.heard][-2:] == [False, True]


def test_the_dead_are_counted_and_listed_newest_first(ground: Ground) -> None:
    ground.die(1)
    ground.die(2)
    said = ground.type("dead")
    flat = " ".join(said.out.split())
    assert (said.code, said.err) == (0, "")
    assert "orders status_410 2" in flat
    assert "2 of 2 are listed." in flat
    first, second = ground.document("dead")["items"]
    assert (first["run_id"], second["run_id"]) == (run_id(2), run_id(1))
    assert first["reason"] == "status_410"
    assert first["replayable"] is True


def test_a_list_goes_on_where_it_ended(ground: Ground) -> None:
    ground.die(1, 2, 3)
    page, seen = ground.document("dead", "--limit", "2"), []
    while True:
        seen += [item["number"] for item in page["items"]]
        if page["next"] is None:
            break
        page = ground.document("dead", "--limit", "2", "--cursor", page["next"])
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 3
    assert ground.type("dead", "--cursor", "nonsense").code == 2


def test_one_of_them_is_told_of(ground: Ground) -> None:
    """By its event, its run or its number."""
    ground.die(1)
    [listed] = ground.document("dead")["items"]
    said = ground.type("dead", "show", listed["event_id"])
    assert f"delivery {listed['number']} to orders\n" in said.out
    assert f"run     {run_id(1)} of acme" in said.out
    assert f"relay replay {listed['event_id']} --destination orders" in said.out
    for name in (run_id(1), str(listed["number"])):
        [found] = ground.document("dead", "show", name)["items"]
        assert found["event_id"] == listed["event_id"]
        assert found["tries"][0]["reason"] == "status_410"
    unknown = ground.type("dead", "show", "run_of_nobody")
    assert (unknown.code, unknown.out) == (2, "")
    assert "there is no event under 'run_of_nobody'" in unknown.err


def test_what_would_be_sent_is_shown_first(ground: Ground) -> None:
    """A dry run changes nothing, and so does whoever says no."""
    ground.die(1, 2)
    dry = ground.type("replay", "--dry-run")
    said_no = ground.type("replay", answers="n\n")
    for said in (dry, said_no):
        assert said.code == 0
        assert "2 would be sent again to orders, 100 a second." in said.out
    assert said_no.out.endswith("Send them? [y/N]: n\nNothing was sent.\n")
    found = ground.document("replay", "--dry-run")
    assert (found["found"], found["sendable"]) == (2, 2)
    assert [one["run_id"] for one in found["first"]] == [run_id(2), run_id(1)]
    assert ground.document("replay", "--status") == {"replays": []}


def test_nobody_is_asked_where_nobody_can_answer(ground: Ground) -> None:
    ground.die(1)
    said = ground.type("replay", "--json")
    assert (said.code, said.out) == (2, "")
    assert "add --yes" in said.err


def test_an_order_names_so_many_ids_and_no_more(ground: Ground) -> None:
    """Long ones, too; and whether a relay runs makes no difference."""
    ground.die(1)
    names, long = [run_id(1)] * (IDS_MAX - 1), "\N{SNOWMAN}" * 255
    with ground.served():
        assert ground.type("replay", *names, run_id(1), "--yes").code == 0
        unknown = ground.do(_ordered(ground, [*names, long]))
        assert unknown.startswith(f"there is no event under {long!r}")
        served = ground.type("replay", *names, run_id(1), run_id(1), "--yes")
    alone = ground.type("replay", *names, run_id(1), run_id(1), "--yes")
    for said in (served, alone):
        assert said.code == 2
        assert "201 ids: at most 200 in one order" in said.err


@pytest.mark.parametrize(
    "words,said",
    [
        (["--backfill"], "--backfill: name the destination"),
        (["--delivered"], "--delivered: name whose deliveries"),
        (["--delivered", "--backfill"], "--delivered, --backfill: one of them"),
        (["--outcome", "lost"], "--outcome: one of succeeded, failed"),
        (["--since", "then"], "--since: not a time"),
        (["--destination", "nobody"], "there is no destination 'nobody'"),
        (["--source", "nobody"], "there is no source 'nobody'; there are: acme"),
        (["--to", "nobody", "--yes"], "nothing is delivered to nobody"),
        (["run_of_nobody"], "there is no event under 'run_of_nobody'"),
        (["--cancel", "7"], "there is no replay 7"),
        (["--status", "7"], "there is no replay 7"),
        (["--status", "x"], "--status: 'x' is no number"),
    ],
)
def test_wrong_usage_is_said_and_nothing_ordered(
    words: list[str], said: str, ground: Ground
) -> None:
    ground.die(1)
    with ground.served():
        found = ground.type("replay", *words)
    assert said in found.err
    assert found.code in (1, 2)
    assert ground.document("replay", "--status") == {"replays": []}


def test_an_order_where_nothing_runs_waits_for_a_relay(ground: Ground) -> None:
    ground.die(1)
    ground.settings()
    said = ground.type("replay", "--yes")
    assert "No relay runs here: they are sent when one is started" in said.out
    assert said.code == 3
    with ground.served():
        ground.until(_settled)
    assert len(ground.heard) == 1


def test_a_destination_that_is_new_may_be_sent_to_before_a_relay_has_seen_it(
    ground: Ground,
) -> None:
    ground.die(1)
    ground.more = "  - {name: late, kind: file, path: late.jsonl}\n"
    ground.settings()
    assert ground.type("replay", "--to", "late", "--yes").code == 3
    with ground.served():
        ground.until(_settled)
    assert run_id(1) in (ground.directory / "late.jsonl").read_text()
    assert ground.balances()


def test_who_only_watches_may_leave(ground: Ground) -> None:
    """It goes on without, can be looked at, and called off."""
    # At one a second it would take longer than the slowest machine takes to call it off.
    ground.die(*range(1, 61))
    with ground.served():
        left = ground.interrupt("replay", "--yes", "--rate", "1", when=_begun)
        assert left.code == 3
        assert (
            "It goes on. To look again: relay replay --status 1; to make no more of them:"
            " relay replay --cancel 1" in left.out
        )
        off = ground.type("replay", "--cancel", "1")
        assert "Replay 1 makes no more deliveries." in off.out
        [order] = ground.document("replay", "--status", "1")["replays"]
    assert order["state"] == "cancelled"
    assert 1 <= order["created"] < 60
    shown = ground.type("replay", "--status")
    assert "cancelled" in shown.out


def test_it_may_go_where_it_was_not_for(ground: Ground) -> None:
    """And what arrived may be sent again."""
    ground.more = "  - {name: audit, kind: file, path: events.jsonl}\n"
    ground.die(1)
    with ground.served():
        moved = ground.type("replay", "--to", "audit", "--yes")
        again = ground.type("replay", "--delivered", "--destination", "audit", "--yes")
    assert (moved.code, again.code) == (0, 0)
    lines = (ground.directory / "events.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert len(set(lines)) == 1
    assert ground.balances()


def test_a_new_destination_is_filled_with_what_it_never_had(ground: Ground) -> None:
    with ground.served():
        ground.send(1, 2, 3)
    ground.more = "  - {name: late, kind: file, path: late.jsonl}\n"
    with ground.served():
        done = ground.type("replay", "--backfill", "--to", "late", "--yes")
        again = ground.type("replay", "--backfill", "--to", "late", "--yes")
    assert done.code == 0
    assert again.out == (
        "There is nothing to send: late has had all that is meant by that, or it waits there."
        " How it stands: relay destinations.\n"
    )
    lines = (ground.directory / "late.jsonl").read_text().splitlines()
    assert [run_id(number) in line for number, line in enumerate(lines, 1)] == [
        True
    ] * 3
    assert ground.balances()


def test_what_a_destination_has_not_come_to_yet_is_said_first(ground: Ground) -> None:
    ground.more = "  - {name: late, kind: file, path: late.jsonl}\n"
    ground.die(1)
    asyncio.run(_fall_behind(ground, "late"))
    ground.die(2)
    said = ground.type("replay", "--to", "late", "--dry-run")
    assert "1 left out: the destination is behind" in said.out
    assert "1 would be sent to late" in said.out
    found = ground.document("replay", "--to", "late", "--dry-run")
    assert (found["found"], found["behind"], found["sendable"]) == (2, 1, 1)


def test_there_may_be_too_many_orders(ground: Ground) -> None:
    """Whether a relay runs makes no difference."""
    ground.die(1)
    asyncio.run(_fill_up(ground))
    with ground.served():
        served = ground.type("replay", "--yes")
    alone = ground.type("replay", "--yes")
    for said in (served, alone):
        assert said.code == 1
        assert "100 replays are under way, and no more than 100 may be" in said.err


def test_who_fails_again_is_said(ground: Ground) -> None:
    """The command ends when each has had its try; what follows is in the status."""

    async def refuse(_: Request, connection: Connection) -> None:
        await connection.say(b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nno")

    ground.die(1)
    ground.endpoint.answer = refuse
    with ground.served():
        said = ground.type("replay", "--yes")
    assert said.code == 3
    assert "1 failed again and are tried on: relay replay --status 1" in said.out


async def _fall_behind(ground: Ground, name: str) -> None:
    async with store_alone(await asyncio.to_thread(ground.settings)) as store:
        assert await store.fall_behind(name)


async def _fill_up(ground: Ground) -> None:
    """As many orders as there may be, to a destination that the relay has lost."""
    part = NewReplay(
        by="somebody",
        origin="orders",
        target="lost",
        selection=Selection(),
        expected=0,
        after=0,
        upto=0,
    )
    async with store_alone(await asyncio.to_thread(ground.settings)) as store:
        await store.register([("lost", "file")])
        await store.order_replays([part] * RUNNING_MAX)


async def _ordered(ground: Ground, names: Sequence[str]) -> str:
    """What a relay says at its socket to an order that names these."""
    settings = await asyncio.to_thread(ground.settings)
    path = socket_of(settings.store_path.absolute())
    with pytest.raises(MisconfiguredError) as told:
        async with posted(path, PATH, Order(wanted=tuple(names))):
            pass
    return str(told.value)


async def _settled(letters: Letters) -> bool:
    return all(order.is_settled for order in await letters.orders(None))


async def _begun(letters: Letters) -> bool:
    return any(order.created for order in await letters.orders(None))


async def _has_died(letters: Letters) -> bool:
    return bool(await letters.heaps(Selection(), None))
