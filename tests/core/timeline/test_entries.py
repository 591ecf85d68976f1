"""What happened to a run, line by line; what stands first at equal times comes first on the path."""

from relay.core.delivery import SECOND, State
from relay.core.identity import Kind, Outcome, RunKey
from relay.core.run import Verdict
from relay.core.timeline import Attempt, History, entries
from tests.core.timeline.histories import (
    delivered,
    delivery,
    event,
    history,
    past_ask,
    receipt,
    sent,
)
from tests.fakes import NOW_US

ATTEMPT = Attempt(
    delivery=2,
    at=NOW_US,
    duration_us=12_000,
    reason="status_400",
    status=400,
    detail="",
    excerpt=b"unknown field\n\xff",
)


def lines(told: History, *, excerpts: bool = False) -> list[str]:
    found = entries(told, None, excerpts=excerpts)
    return [f"{entry.kind} {entry.words}" for entry in found]


def test_a_run_that_went_well_is_three_lines() -> None:
    told = sent(delivered(), events=(event(routed=("lake",)),))
    assert lines(told) == [
        "callback the first of its run (1,234 B, sha256 00010203, secret k1)",
        f"event event 1: succeeded, from the callback, for lake (id {event().id})",
        "delivered event 1 to lake, answered 204",
    ]


def test_what_the_relay_tells_of_itself_came_from_nobody() -> None:
    """There is no callback to be shown, though the store has a row in its place."""
    key = RunKey("$relay", Kind.DESTINATION, "0000/orders")
    told = history(
        key=key,
        receipts=(receipt(channel="relay", secret=""),),
        events=(event(outcome=Outcome.PAUSED, routed=("lake",)),),
    )
    assert lines(told) == [
        f"event event 1: paused, told by the relay itself, for lake (id {event().id})"
    ]


def test_equal_bytes_are_a_line_when_they_first_came_and_one_when_they_last_did() -> (
    None
):
    twice = receipt(count=2, last_seen=NOW_US + SECOND, channel="org", size=None)
    often = receipt(count=5, first_seen=NOW_US + 2, last_seen=NOW_US + 3 * SECOND)
    assert lines(history(receipts=(twice, often))) == [
        "callback the first of its run (not kept any more, sha256 00010203, secret k1, channel org)",
        "callback the first of its run (1,234 B, sha256 00010203, secret k1)",
        "callback the same bytes once more (sha256 00010203)",
        "callback the same bytes 4 more times, now for the last (sha256 00010203)",
    ]


def test_a_callback_says_why_its_run_waits_or_why_it_is_in_quarantine() -> None:
    waits = receipt(reasons=("missing_output", "odd"))
    [line] = lines(history(receipts=(waits,)))
    assert (
        "the first of its run; waits: the callback lacks the output and odd (" in line
    )
    hidden = receipt(verdict=Verdict.QUARANTINED, reasons=("not_json",))
    [entry] = entries(None, None, (hidden,))
    assert entry.words.startswith("in quarantine: it is not JSON (")


def test_an_ask_says_what_was_answered_and_how_long_it_took() -> None:
    asks = (
        past_ask(),
        past_ask("server_error", status=500),
        past_ask("unended", status=200, detail="running"),
        past_ask("told", status=200),
    )
    assert lines(history(asks=asks)) == [
        "asked the API: no answer in time, 250 ms",
        "asked the API: a fault of its own (500), 250 ms",
        'asked the API: it says "running", 250 ms',
        "asked the API: it has ended (200), 250 ms",
    ]


def test_an_event_says_what_it_is_built_from_and_whether_it_is_sure() -> None:
    unsure = event(confirmed=False, from_api=True, routed=(), outcome=Outcome.FAILED)
    assert lines(history(events=(unsure,)))[0].startswith(
        "event event 1: failed, unconfirmed, from the API's answer, for nobody, no route takes it (id"
    )


def test_a_failed_try_says_why_and_with_excerpts_what_was_answered() -> None:
    told = sent(
        delivery(failures=1), receipts=(), events=(event(),), attempts=(ATTEMPT,)
    )
    assert lines(told)[-1] == "failed event 1 to orders: it answered 400, 12 ms"
    assert lines(told, excerpts=True)[-1] == (
        'failed event 1 to orders: it answered 400, 12 ms; it said "unknown field\\x0a\\xff"'
    )


def test_the_try_that_a_delivery_died_of_is_one_line_with_its_death() -> None:
    died = Attempt(
        delivery=2,
        at=NOW_US,
        duration_us=0,
        reason="blocked_address",
        status=None,
        detail="10.0.0.7 is private",
        excerpt=b"",
    )
    dead = delivery(
        state=State.DEAD, reason="blocked_address", failures=2, settled_at=NOW_US
    )
    assert lines(sent(dead, receipts=(), attempts=(ATTEMPT, died)))[1:] == [
        "failed event 1 to orders: it answered 400, 12 ms",
        "dead event 1 to orders: its address is one that deliveries may not reach (10.0.0.7 is private)",
    ]


def test_a_death_for_another_reason_than_the_last_try_is_a_line_of_its_own() -> None:
    dead = delivery(state=State.DEAD, reason="expired", failures=1, settled_at=NOW_US)
    assert lines(sent(dead, receipts=(), attempts=(ATTEMPT,)))[1:] == [
        "failed event 1 to orders: it answered 400, 12 ms",
        "dead event 1 to orders: it had failed for max_age",
    ]
    gone = delivery(state=State.DISCARDED, settled_at=NOW_US)
    assert lines(sent(gone, receipts=()))[-1] == (
        "dead event 1 to orders: an operator discarded it"
    )


def test_a_replay_is_a_line_and_so_is_what_became_of_it() -> None:
    again = delivered(
        "orders",
        number=9,
        generation=2,
        failures=1,
        status=None,
        replay=7,
        ordered_by="socket:uid 1000",
    )
    assert lines(sent(again, receipts=()))[1:] == [
        "replay event 1 again to orders (replay 7, ordered by socket:uid 1000)",
        "delivered event 1 to orders, try 2",
    ]


def test_what_a_destination_never_had_is_sent_to_it_and_not_again() -> None:
    late = delivered("orders", number=9, status=None, replay=7)
    assert lines(sent(late, receipts=()))[1:] == [
        "replay event 1 to orders (replay 7)",
        "delivered event 1 to orders",
    ]


def test_a_delivery_whose_event_is_left_out_is_no_line() -> None:
    assert lines(history(deliveries=(delivered(),), attempts=(ATTEMPT,))) == []
