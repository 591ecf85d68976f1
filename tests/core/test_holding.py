"""Which hold stands, and how a destination is spoken of."""

import pytest

from relay.core.audit import RELAY
from relay.core.delivery import HOUR
from relay.core.holding import Condition, Hold, HoldKind, prevailing
from relay.core.ledger import DestinationCounts
from relay.core.standing import Standing, standing_of
from relay.core.timeline.words import hold_words
from tests.fakes import NOW_US

DAY = 24 * HOUR


def hold(kind: HoldKind = "paused", reason: str = "", by: str = "ada") -> Hold:
    return Hold(kind=kind, reason=reason, by=by, since=NOW_US)


def standing(
    *, configured: bool | None = True, down: bool = False, **said: object
) -> Standing:
    condition = Condition(name="orders", kind="http", **said)  # type: ignore[arg-type]
    return standing_of(
        condition,
        configured=None if configured is None else ["orders"] if configured else [],
        down=["orders"] if down else [],
        disable_after=5 * DAY,
        now=NOW_US + 60_000_000,
    )


def test_the_first_hold_stays_but_a_disable_takes_the_place_of_a_pause() -> None:
    paused, disabled = hold(), hold("disabled")
    later = Hold(kind="paused", reason="again", by="bob", since=NOW_US + 1)
    assert prevailing(None, paused) == paused
    assert prevailing(paused, later) == paused
    assert prevailing(paused, disabled) == disabled
    assert prevailing(disabled, paused) == disabled
    assert prevailing(disabled, None) is None


def test_who_works_needs_nobody() -> None:
    assert standing() == Standing(state="active", advice=None)
    # Nobody knows the configuration: nothing is an orphan.
    assert standing(configured=None).state == "active"


def test_a_pause_says_since_when_by_whom_why_and_what_ends_it() -> None:
    found = standing(
        hold=hold(reason="the shop is moving"), counts=DestinationCounts(held=1200)
    )
    assert found == Standing(
        state="paused",
        advice="orders is paused since 12:00:00 by ada: the shop is moving. 1,200 deliveries wait for it and"
        " are kept; `relay destinations resume orders` sends again.",
    )


@pytest.mark.parametrize(
    "kind,reason,words",
    [
        ("disabled", "gone", "it answered 410"),
        ("disabled", "failing", "after days of nothing but failures"),
        ("paused", "brake", "one delivery after the other failed for good"),
        ("paused", "", "paused since 12:00:00 by relay"),
    ],
)
def test_what_the_relay_does_by_itself_says_why(
    kind: HoldKind, reason: str, words: str
) -> None:
    found = standing(hold=hold(kind, reason, RELAY))
    assert found.state == kind
    assert words in str(found.advice)
    assert words in hold_words(hold(kind, reason, RELAY), NOW_US)


@pytest.mark.parametrize("reason", ["brake", "failing"])
def test_who_is_held_for_what_died_there_is_shown_the_dead_first(reason: str) -> None:
    """And is not told that it is the destination's fault, which is not known."""
    kind: HoldKind = "paused" if reason == "brake" else "disabled"
    held = hold(kind, reason, RELAY)
    found = str(standing(hold=held, counts=DestinationCounts(dead=3)).advice)
    assert (
        "`relay dead --destination orders` tells what failed; when that is mended,"
        " `relay destinations resume orders` sends again." in found
    )
    none = str(standing(hold=hold("disabled", "failing", RELAY)).advice)
    assert "mend what fails there; then `relay destinations resume" in none


def test_an_orphan_says_how_to_let_go_of_it() -> None:
    found = standing(configured=False, counts=DestinationCounts(pending=1))
    assert found.state == "orphaned"
    assert "One delivery waits for it and is kept: put it back" in str(found.advice)
    assert "`relay destinations forget orders`" in str(found.advice)
    assert standing(configured=False) == Standing(state="gone", advice=None)


def test_who_is_behind_is_said_to_follow_by_itself() -> None:
    found = standing(behind=3, counts=DestinationCounts(pending=5, held=3))
    assert found.state == "behind"
    assert "3 later events wait in the store" in str(found.advice)


def test_who_fails_is_told_when_it_is_disabled() -> None:
    since = NOW_US + 60_000_000 - 2 * HOUR
    found = standing(failing_since=since)
    assert found.state == "failing"
    assert found.advice == (
        "orders has given nothing but failures for 2 h. It is disabled 2026-03-06 10:01:00 if nothing works"
        " until then."
    )
    never = standing_of(
        Condition(name="orders", kind="http", failing_since=since),
        configured=["orders"],
        down=["orders"],
        disable_after=None,
        now=NOW_US,
    )
    assert never.state == "down"
    assert "disabled" not in str(never.advice)


def test_who_is_down_is_probed() -> None:
    assert standing(down=True).state == "down"
