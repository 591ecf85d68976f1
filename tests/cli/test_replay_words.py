"""`relay replay` and `relay dead`, read by somebody new: why it waits, what a number is, and what can be done."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from relay.core.deadletter import Letters
from relay.core.replay import Selection
from tests.acceptance.relays import run_id
from tests.cli.replaying import Ground
from tests.deliver.endpoint import Connection, Request
from tests.places import free_port

pytestmark = pytest.mark.timeout(60, func_only=True)


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    monkeypatch.setenv("COLUMNS", "80")
    before = logging.root.handlers[:]
    with Ground(tmp_path).opened() as opened:
        yield opened
    # A command sets up its log.
    logging.root.handlers[:] = before
    structlog.reset_defaults()


def _refusing(status: int) -> bytes:
    return f"HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno".encode()


def _paused(said: str) -> bool:
    since, by, ends = (
        "orders is paused since",
        "by",
        "`relay destinations resume orders` sends again",
    )
    return since in said and by in said and ends in said


# --- why it waits ---------------------------------------------------------------------------------


def test_who_is_paused_is_named_before_and_after_and_nobody_waits_for_it(
    ground: Ground,
) -> None:
    ground.die(1)
    with ground.served():
        ground.type("destinations", "pause", "orders", "--reason", "the shop is moving")
        dry = ground.type("replay", "--dry-run")
        done = ground.type("replay", "--yes")
        ground.type("destinations", "resume", "orders")
        ground.until(_settled)
    assert _paused(dry.out)
    assert done.code == 3
    assert "1 of 1 made  0 delivered  0 failed again  1 waiting" in done.out
    assert _paused(done.out)
    assert "It goes on then. To look again: relay replay --status 1\n" in done.out
    assert len(ground.heard) == 1


def test_a_program_is_told_of_a_pause_though_not_all_could_be_made(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many may wait at a destination, and no more are made."""
    # Longer than a slow disk takes for a commit.
    monkeypatch.setattr("relay.cli.replay.work.PATIENCE_S", 2.0)
    ground.die(*range(1, 71))
    with ground.served():
        ground.type("destinations", "pause", "orders")
        [seen] = ground.document("replay", "--dry-run")["hindered"]
        done = ground.document("replay", "--yes", "--rate", "1000")
    [hindered] = done["hindered"]
    for one in (seen, hindered):
        assert (one["destination"], one["state"]) == ("orders", "paused")
        assert _paused(one["advice"])
    [order] = done["replays"]
    assert (order["created"], order["state"]) == (64, "running")


def test_who_does_not_answer_is_waited_for_and_then_named(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay that runs knows that it is down."""

    async def refuse(_: Request, connection: Connection) -> None:
        await connection.say(_refusing(503))

    monkeypatch.setattr("relay.cli.replay.work.PROBED_S", 1.0)
    ground.operator = f"127.0.0.1:{free_port()}"
    ground.die(*range(1, 101))
    ground.endpoint.answer = refuse
    with ground.served():
        done = ground.type("replay", "--yes", "--rate", "1000")
        dry = ground.type(
            "replay", "--dry-run", "--delivered", "--destination", "orders"
        )
    assert done.code == 3
    assert "orders does not answer now" in done.out
    assert "To look again: relay replay --status 1; to make no more" in done.out
    assert dry.out.startswith(
        "There is nothing to send: nothing that is meant by that has arrived at orders"
    )


def test_a_bar_says_how_long_it_takes_and_why_it_waits(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.die(1)
    with ground.served():
        ground.type("destinations", "pause", "orders")
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("NO_COLOR", "1")
        said = ground.type("replay", "--yes")
    assert " left" in said.err
    assert "1 wait" in said.err
    assert "orders is paused since" in said.err


# --- what is promised -----------------------------------------------------------------------------


def test_a_preview_refuses_what_the_order_would_refuse(ground: Ground) -> None:
    ground.die(1)
    ground.settings()
    text = ground.config.read_text()
    ground.config.write_text(text.replace("name: orders", "name: shop"))
    for words in (["--dry-run"], ["--yes"], ["--dry-run", "--to", "nobody"]):
        said = ground.type("replay", *words)
        assert said.code == 2
        assert "nothing is delivered to" in said.err
        assert (
            "the configuration has shop. Send it to one of those: --to NAME" in said.err
        )
    assert (
        "1 would be sent to shop"
        in ground.type("replay", "--to", "shop", "--dry-run").out
    )


def test_a_limit_is_in_the_number_that_is_promised(ground: Ground) -> None:
    ground.die(1, 2, 3)
    said = ground.type("replay", "--limit", "2", "--dry-run").out
    assert "2 would be sent again to orders, 100 a second (of 3: --limit 2)." in said


def test_only_what_runs_can_be_called_off(ground: Ground) -> None:
    """A number that never existed is wrong usage; what is made is held by a pause."""
    ground.die(1)
    with ground.served():
        ground.type("replay", "--yes")
        over = ground.type("replay", "--cancel", "1")
        never = ground.type("replay", "--cancel", "99")
    assert (over.code, over.err) == (
        1,
        "replay 1 is over, and nothing of it is on its way\n",
    )
    assert (never.code, never.err) == (2, "there is no replay 99\n")


def test_every_order_of_a_replay_can_be_called_off_at_once(ground: Ground) -> None:
    ground.more = "  - {name: late, kind: file, path: late.jsonl}\n"
    ground.die(1, 2)
    assert "--cancel" not in ground.type("replay", "--yes", "--no-wait").out
    ground.type("replay", "--to", "late", "--yes", "--no-wait")
    off = ground.type("replay", "--cancel", "1", "--cancel", "2")
    assert off.code == 0
    assert off.out.count("makes no more deliveries") == 2
    again = ground.type("replay", "--cancel", "1")
    assert again.err == "replay 1 has been called off before\n"


def test_orders_are_spoken_of_in_the_words_in_which_they_were_given(
    ground: Ground,
) -> None:
    """To people and to programs, with times as they are everywhere."""
    with ground.served():
        ground.send(1)
        ground.until(ground.has_heard)
        ground.until(_has_arrived)
        ground.type(
            "replay", "--delivered", "--destination", "orders", "--since", "1h", "--yes"
        )
    ground.more = "  - {name: late, kind: file, path: late.jsonl}\n"
    with ground.served():
        seen = ground.type("replay", "--backfill", "--to", "late", "--dry-run").out
        planned = ground.document("replay", "--backfill", "--to", "late", "--dry-run")
        ground.type("replay", "--backfill", "--to", "late", "--yes")
    assert "event" in seen
    assert "number" not in seen
    assert planned["what"] == "backfill"
    shown = ground.type("replay", "--status").out
    assert ": 1 that had arrived, 100 a second" in shown
    assert ": 1 that it never had, 100 a second" in shown
    filled, arrived = ground.document("replay", "--status")["replays"]
    assert filled["selection"]["what"] == "backfill"
    assert arrived["selection"]["what"] == "delivered"
    assert arrived["selection"]["since"].endswith("Z")
    assert arrived["selection"]["until"].endswith("Z")


# --- why there is nothing to send -----------------------------------------------------------------


def test_of_what_is_named_it_is_said_where_it_stands_and_how_it_is_sent_again(
    ground: Ground,
) -> None:
    """It is dead at one, waits for another, has arrived at a third, and was never for the last."""

    async def refuse(_: Request, connection: Connection) -> None:
        await connection.say(_refusing(422))

    ground.policy = ", ladder: [0s, 300ms], max_age: 1s"
    ground.endpoint.answer = refuse
    ground.more = (
        "  - {name: lake, kind: file, path: lake.jsonl}\n"
        "  - {name: audit, kind: file, path: audit.jsonl}\n"
    )
    with ground.served():
        ground.type("destinations", "pause", "lake")
        ground.send(1)
        ground.until(_has_died)
    ground.more += "  - {name: late, kind: file, path: l.jsonl}\n"
    ground.settings()
    run = run_id(1)
    never = "it was never for there; to send it all the same, if routes take it"
    everywhere = ground.type("replay", run, "--reason", "forgotten", "--dry-run")
    assert (everywhere.code, everywhere.err) == (0, "")
    assert everywhere.out.splitlines() == [
        "There is nothing to send: nothing of what is named is dead, or not as the options say.",
        f"  orders: it is dead; to send it again: relay replay {run} --destination orders",
        "  lake: it is on its way",
        f"  audit: it has arrived; to send it once more: relay replay --delivered {run} --destination audit",
        f"  late: {never}: relay replay --backfill {run} --to late",
        f"All that became of it: relay explain {run}",
    ]
    at_one = ground.type("replay", run, "--destination", "audit")
    assert at_one.out.splitlines() == [
        "There is nothing to send: nothing of what is named is dead.",
        everywhere.out.splitlines()[3],
        f"All that became of it: relay explain {run}",
    ]


def test_of_several_that_are_named_it_is_counted(ground: Ground) -> None:
    with ground.served():
        ground.send(1, 2)
        ground.until(_has_arrived)
    said = ground.type("replay", run_id(1), run_id(2))
    assert (
        "  orders: 2 have arrived; to send them once more: relay replay --delivered"
        f" {run_id(1)} {run_id(2)} --destination orders\n" in said.out
    )


# --- what is dead ---------------------------------------------------------------------------------


def test_a_number_shows_that_delivery_or_says_what_it_is(ground: Ground) -> None:
    ground.die(1)
    [listed] = ground.document("dead")["items"]
    number = str(listed["number"])
    with ground.served():
        ground.type("replay", "--yes")
    for name, words in (
        (
            number,
            f"delivery {number} is not dead, or not any more: relay explain {listed['event_id']}",
        ),
        ("99999", "there is no delivery 99999"),
    ):
        said = ground.type("dead", "show", name)
        assert (said.code, said.out) == (2, "")
        assert words in said.err


def test_who_died_of_age_is_listed_with_what_was_last_answered(ground: Ground) -> None:
    async def refuse(_: Request, connection: Connection) -> None:
        await connection.say(_refusing(422))

    ground.policy = ", ladder: [0s, 300ms], max_age: 1s"
    ground.endpoint.answer = refuse
    with ground.served():
        ground.send(1)
        ground.until(_has_died)
    said = ground.type("dead")
    assert "expired (422)" in said.out
    [one] = ground.document("dead")["items"]
    told = ground.type("dead", "show", str(one["number"])).out
    assert ": it had failed for max_age, and at last it answered 422\n" in told
    assert "status_422, " in told
    assert "forgotten" not in said.out
    for reason in ("expired", "status_422", "422"):
        [found] = ground.document("dead", "--reason", reason)["items"]
        assert (found["reason"], found["status"]) == ("expired", 422)
    assert ground.document("dead", "--reason", "status_400")["items"] == []


def test_the_help_names_reasons_that_something_dies_of(ground: Ground) -> None:
    """A 410 disables the destination and kills nothing."""
    for verb in ("dead", "replay"):
        said = ground.type(verb, "--help").out
        assert "`expired`" in said
        assert "status_410" not in said


def test_nothing_is_dead_is_said_only_where_nothing_is(ground: Ground) -> None:
    ground.die(1)
    none = "Nothing is dead that fits these options; without them `relay dead` lists all there is.\n"
    assert ground.type("dead", "--reason", "expired").out == none
    assert ground.type("dead", "--until", "30d").out == none
    with ground.served():
        ground.type("replay", "--yes")
    assert ground.type("dead").out == "Nothing is dead.\n"


def test_ids_and_reasons_are_whole_in_80_columns(ground: Ground) -> None:
    """Of several destinations and reasons. One that was too large says what is to be raised."""
    ground.more = (
        "  - {name: warehouse-of-all, kind: file, path: w.jsonl, max_bytes: 1KiB}\n"
    )
    ground.die(1, output=f'"{"x" * 1024}"')
    with ground.served():
        ground.type("replay", "--to", "warehouse-of-all", "--yes")
    for words in (["dead"], ["replay", "--dry-run"]):
        lines = ground.type(*words).out.splitlines()
        listed = [line for line in lines if run_id(1) in line]
        assert [
            line.rstrip().endswith(("status_410", "too_large")) for line in listed
        ] == [True] * 2
        assert max(len(line) for line in lines[: lines.index(listed[-1])]) <= 80
    [large] = ground.document("dead", "--reason", "too_large")["items"]
    shown = ground.type("dead", "show", str(large["number"])).out
    assert "first raise `max_bytes` of warehouse-of-all.\n" in shown


async def _settled(letters: Letters) -> bool:
    return all(order.is_settled for order in await letters.orders(None))


async def _has_arrived(letters: Letters) -> bool:
    return bool(await letters.heaps(Selection(what="delivered"), "orders"))


async def _has_died(letters: Letters) -> bool:
    return bool(await letters.heaps(Selection(), None))
