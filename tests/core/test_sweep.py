"""Whose runs are ours, where a sweep begins, and what is remembered of what it sees."""

import pytest

from relay.core.identity import Kind, Outcome, RunKey
from relay.core.inquiry import Sighting
from relay.core.moment import text_of
from relay.core.retention import Keeping
from relay.core.sweep import Listed, SweepPolicy, is_under, listed, sighted, since
from tests.fakes import NOW_US

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
OURS = "https://relay.example.com/callbacks/acme"
POLICY = SweepPolicy(callback_urls=(OURS,))
#: 2026-03-01T11:59:58Z.
ENDED = NOW_US - 2_000_000


def run(**changed: object) -> object:
    whole = {
        "id": "run_1",
        "status_code": "succeeded",
        "created_at": "2026-03-01T11:50:00Z",
        "completed_at": "2026-03-01T11:59:58Z",
        "callback_url": OURS,
        "batch_id": None,
    }
    return {**whole, **changed}


def seen(policy: SweepPolicy = POLICY, **changed: object) -> Sighting | None:
    found = listed(run(**changed))
    assert found is not None
    return sighted("acme", found, Kind.RUN, policy, now=NOW_US)


def test_a_list_is_read_as_far_as_it_can_be() -> None:
    assert listed(run()) == Listed(
        id="run_1",
        outcome=Outcome.SUCCEEDED,
        created_at=NOW_US - 10 * MINUTE,
        completed_at=ENDED,
        callback_url=OURS,
        batch_id=None,
    )
    odd = listed(
        {"id": "run_1", "status_code": 7, "created_at": "soon", "callback_url": []}
    )
    assert odd == Listed(
        id="run_1",
        outcome=None,
        created_at=None,
        completed_at=None,
        callback_url=None,
        batch_id=None,
    )


@pytest.mark.parametrize("row", [None, [], "run_1", {}, {"id": None}, {"id": 7}])
def test_what_names_no_run_is_passed_over(row: object) -> None:
    assert listed(row) is None


def test_moments_before_the_epoch_are_no_reason_to_fall_over() -> None:
    found = listed(run(created_at="1960-01-01T00:00:00Z"))
    assert found is not None
    assert found.created_at == 0


@pytest.mark.parametrize(
    "status,completed,outcome",
    [
        ("canceled", None, Outcome.CANCELLED),
        ("Failed", None, Outcome.FAILED),
        ("running", "2026-03-01T11:59:58Z", None),
        ("expired", "2026-03-01T11:59:58Z", Outcome.OTHER),
        ("expired", None, None),
        ("", "2026-03-01T11:59:58Z", None),
    ],
)
def test_how_it_ended_is_read_as_a_callback_is(
    status: str, completed: str | None, outcome: Outcome | None
) -> None:
    found = listed(run(status_code=status, completed_at=completed))
    assert found is not None
    assert found.outcome is outcome


def test_what_has_ended_is_asked_for_when_its_callback_is_late() -> None:
    sighting = seen()
    key = RunKey("acme", Kind.RUN, "run_1")
    assert sighting == Sighting(
        key=key, outcome=Outcome.SUCCEEDED, due_at=ENDED + POLICY.grace, at=NOW_US
    )


def test_what_ended_long_ago_is_asked_for_at_once() -> None:
    sighting = seen(completed_at="2026-02-01T00:00:00Z")
    assert sighting is not None
    assert sighting.due_at == NOW_US


def test_an_end_that_lies_ahead_of_our_clock_is_asked_for_within_the_grace() -> None:
    """And not when the year has come that somebody's clock has reached already."""
    sighting = seen(completed_at="2999-01-01T00:00:00Z")
    assert sighting is not None
    assert sighting.due_at == NOW_US + POLICY.grace


@pytest.mark.parametrize(
    "ago,more,remembered",
    [
        (DAY - 1, {}, True),
        (DAY + 1, {}, False),
        (DAY + 1, {"completed_at": None}, False),
        (DAY + 1, {"completed_at": None, "created_at": None}, True),
        (DAY + 1, {"status_code": "running", "completed_at": None}, True),
        # As a callback that says the same.
        (DAY + 1, {"completed_at": text_of(NOW_US)}, True),
    ],
    ids=["in time", "too old", "created", "nothing said", "goes on", "ended late"],
)
def test_what_ended_before_the_memory_of_runs_may_be_known_and_is_passed_over(
    ago: int, more: dict[str, object], remembered: bool
) -> None:
    """Nobody knows whether it had its event; one that goes on can have none yet."""
    policy = SweepPolicy(keeping=Keeping(identities=DAY))
    at = text_of(NOW_US - ago)
    found = seen(policy, **{"created_at": at, "completed_at": at, **more})
    assert (found is not None) is remembered


def test_what_goes_on_is_looked_at_again() -> None:
    sighting = seen(status_code="running", completed_at=None)
    assert sighting is not None
    assert (sighting.outcome, sighting.due_at) == (None, NOW_US + POLICY.every)


@pytest.mark.parametrize(
    "url", [None, "https://elsewhere.example.com/callbacks/acme", "not a URL"]
)
def test_what_calls_back_elsewhere_is_not_ours_unless_all_is(url: str | None) -> None:
    assert seen(callback_url=url) is None
    assert seen(SweepPolicy(), callback_url=url) is not None


@pytest.mark.parametrize("named", ["", "a\nb", ".", ".."])
def test_an_id_that_nothing_can_be_kept_under_or_asked_for_is_passed_over(
    named: str,
) -> None:
    """One made of dots is a way up in an address: each ask would fail, and be taken for a fault of the API."""
    assert seen(id=named) is None


@pytest.mark.parametrize(
    "url,ours",
    [
        (OURS, True),
        (f"{OURS}/", True),
        (f"{OURS}/org", True),
        (f"{OURS}?token=1", True),
        ("HTTPS://Relay.Example.COM:443/callbacks/acme", True),
        (f"{OURS}-two", False),
        ("http://relay.example.com/callbacks/acme", False),
        ("https://relay.example.com:8443/callbacks/acme", False),
        ("https://relay.example.com/callbacks", False),
        ("https://relay.example.com:port/callbacks/acme", False),
        ("https://relay.example.com.evil.com/callbacks/acme", False),
    ],
)
def test_a_url_is_ours_where_it_is_the_source_s_own_or_below_it(
    url: str, ours: bool
) -> None:
    assert is_under(url, OURS) is ours


def test_the_first_sweep_floods_nobody_with_history() -> None:
    assert since(None, SweepPolicy(), first_start=NOW_US) == NOW_US - 15 * MINUTE
    reach = SweepPolicy(reach=24 * 60 * MINUTE)
    assert since(None, reach, first_start=NOW_US) == NOW_US - 24 * 60 * MINUTE


def test_later_ones_look_back_behind_where_the_last_one_got_to() -> None:
    assert (
        since(NOW_US, SweepPolicy(reach=10**15), first_start=5) == NOW_US - 15 * MINUTE
    )
