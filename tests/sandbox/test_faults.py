"""What becomes of runs is chance by seed, in the shares that were asked for."""

import json

import pytest

from relay.sandbox import Faults, Retries
from relay.sandbox.chance import fate
from relay.sandbox.fate import Fate, Outcome
from relay.sandbox.faults import PARTIAL_FIELDS

EVERYTHING = Faults(
    drop=0.3, double=0.2, partial=0.1, failed=0.1, cancelled=0.2, partial_succeeded=0.1
)


def fates(faults: Faults, *, seed: int = 7, count: int = 2000) -> list[Fate]:
    return [fate(seed, number, faults, tries_max=5) for number in range(1, count + 1)]


def test_the_same_seed_gives_the_same_fates() -> None:
    assert fates(EVERYTHING) == fates(EVERYTHING)


def test_another_seed_gives_other_fates() -> None:
    assert fates(EVERYTHING) != fates(EVERYTHING, seed=8)


def test_one_fault_more_does_not_change_the_outcomes() -> None:
    calm = Faults(failed=0.1, cancelled=0.2, partial_succeeded=0.1)
    assert [f.outcome for f in fates(calm)] == [f.outcome for f in fates(EVERYTHING)]


def test_shares_are_as_asked_for() -> None:
    known = fates(EVERYTHING)

    def share(count: int) -> float:
        return count / len(known)

    tries = [n in c.dropped for f in known for c in f.copies for n in range(1, 5)]
    assert share(sum(len(f.copies) == 2 for f in known)) == pytest.approx(0.2, abs=0.03)
    assert share(sum(f.flaw is not None for f in known)) == pytest.approx(0.1, abs=0.03)
    for outcome, wanted in (
        (Outcome.FAILED, 0.1),
        (Outcome.CANCELLED, 0.2),
        (Outcome.PARTIAL_SUCCEEDED, 0.1),
    ):
        met = share(sum(f.outcome is outcome for f in known))
        assert met == pytest.approx(wanted, abs=0.03)
    assert sum(tries) / len(tries) == pytest.approx(0.3, abs=0.03)


def test_without_faults_every_run_succeeds_and_is_told_once_and_whole() -> None:
    known = fates(Faults())
    assert {Outcome.SUCCEEDED} == {f.outcome for f in known}
    assert {None} == {f.flaw for f in known}
    assert {1} == {len(f.copies) for f in known}
    assert not any(c.dropped for f in known for c in f.copies)


def test_the_last_try_is_never_dropped() -> None:
    for known in fates(Faults(drop=1.0), count=20):
        assert {1, 2, 3, 4} == known.copies[0].dropped


def test_a_single_try_is_never_dropped() -> None:
    assert not fate(1, 1, Faults(drop=1.0), tries_max=1).copies[0].dropped


def test_a_cancelled_run_is_spelt_both_ways() -> None:
    statuses = {f.cancelled for f in fates(Faults(cancelled=1.0), count=50)}
    assert {"cancelled", "canceled"} == statuses


@pytest.mark.parametrize("spelling", ["cancelled", "canceled"])
def test_a_spelling_can_be_chosen(spelling: str) -> None:
    faults = (
        Faults(cancelled=1.0, spelling="cancelled")
        if spelling == "cancelled"
        else Faults(cancelled=1.0, spelling="canceled")
    )
    assert {spelling} == {f.status(f.outcome) for f in fates(faults, count=50)}


def test_client_ref_is_in_some_copies_and_not_in_others() -> None:
    named = {f.copies[0].client_ref for f in fates(Faults(), count=50)}
    assert named == {"named", "absent"}


def test_the_second_copy_may_be_the_same_or_built_afresh() -> None:
    pairs = [f.copies for f in fates(Faults(double=1.0), count=50)]
    assert {True, False} == {a.client_ref == b.client_ref for a, b in pairs}


def test_every_flaw_occurs() -> None:
    asked = Faults(partial=1.0, partial_fields=",".join(PARTIAL_FIELDS))
    flaws = {(f.flaw.field, f.flaw.absent) for f in fates(asked, count=300) if f.flaw}
    assert flaws == {
        (name, absent) for name in PARTIAL_FIELDS for absent in (True, False)
    }


def test_a_null_output_is_no_flaw_of_a_run_that_did_not_succeed() -> None:
    known = fates(Faults(partial=1.0, failed=0.5, cancelled=0.5), count=200)
    assert "output" not in {f.flaw.field for f in known if f.flaw}


@pytest.mark.parametrize(
    "name",
    ["drop", "double", "partial", "failed", "cancelled", "partial_succeeded"],
)
@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_0_to_1_is_refused(name: str, share: float) -> None:
    with pytest.raises(ValueError, match=name):
        Faults(**json.loads(json.dumps({name: share})))


def test_outcomes_that_exceed_the_whole_are_refused() -> None:
    with pytest.raises(ValueError, match="exceed"):
        Faults(failed=0.6, cancelled=0.6)


def test_waits_grow_up_to_their_cap() -> None:
    retries = Retries(base_s=0.2, factor=2.0, delay_s_max=1.0)
    waits = [retries.delay_s(n) for n in range(1, 6)]
    assert pytest.approx([0.2, 0.4, 0.8, 1.0, 1.0]) == waits
    assert retries.delay_s(10_000) == 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"base_s": -1.0},
        {"factor": 0.5},
        {"factor": 1e9},
        {"timeout_s": 0.0},
        {"delay_s_max": -1.0},
    ],
    ids=str,
)
def test_retries_that_cannot_be_obeyed_are_refused(wrong: dict[str, float]) -> None:
    fields = {"max_attempts": 5, "base_s": 0.2} | wrong
    with pytest.raises(ValueError, match=r"max_attempts|timeout_s"):
        Retries(
            max_attempts=int(fields["max_attempts"]),
            base_s=fields["base_s"],
            factor=fields.get("factor", 2.0),
            delay_s_max=fields.get("delay_s_max", 30.0),
            timeout_s=fields.get("timeout_s", 5.0),
        )
