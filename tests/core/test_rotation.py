"""While a key is replaced nobody is cut off, and afterwards the old one counts no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.credential import Credential
from relay.core.rotation import NEW_BYTES, Term, free_id, new_key, rotated
from relay.core.signing import PrivateKey, StandardKey

NOW = 1_000_000
times = st.none() | st.integers(0, 2 * NOW)
keys = st.lists(
    st.builds(Term, id=st.sampled_from("abc"), not_before=times, not_after=times),
    max_size=3,
    unique_by=lambda term: term.id,
)


def live(terms: tuple[Term, ...] | list[Term], now: int) -> list[str]:
    return [
        term.id
        for term in terms
        if Credential(
            id=term.id, key=None, not_before=term.not_before, not_after=term.not_after
        ).is_live(now)
    ]


@given(old=keys, overlap=st.integers(1, NOW), at=st.integers(NOW, 3 * NOW))
def test_in_the_overlap_both_sign_and_then_the_new_one_alone(
    old: list[Term], overlap: int, at: int
) -> None:
    terms = rotated(old, "new", now=NOW, overlap=overlap, together=True)
    before = live(old, at) if at < NOW + overlap else []
    assert live(terms, at) == ["new", *before]


@given(old=keys, overlap=st.integers(1, NOW), at=st.integers(NOW, 3 * NOW))
def test_where_there_is_room_for_one_the_new_one_begins_as_the_others_end(
    old: list[Term], overlap: int, at: int
) -> None:
    terms = rotated(old, "new", now=NOW, overlap=overlap, together=False)
    is_over = at >= NOW + overlap
    kept = [term for term in old if term.not_after is None or term.not_after > NOW]
    assert live(terms, at) == (["new"] if is_over or not kept else live(old, at))


@given(old=keys, overlap=st.integers(1, NOW), together=st.booleans())
def test_no_key_counts_longer_than_it_was_to(
    old: list[Term], overlap: int, together: bool
) -> None:
    ends = {term.id: term.not_after for term in old}
    for term in rotated(old, "new", now=NOW, overlap=overlap, together=together)[1:]:
        before = ends[term.id]
        assert term.not_after is not None
        assert before is None or term.not_after <= before


@pytest.mark.parametrize(
    "taken, name", [([], "k"), (["k"], "k-2"), (["k", "k-2", "x"], "k-3")]
)
def test_a_new_key_has_a_name_of_its_own(taken: list[str], name: str) -> None:
    assert free_id("k", taken) == name


def test_a_key_is_made_of_chance_alone() -> None:
    chance = bytes(range(NEW_BYTES))
    assert new_key("v1", chance) == StandardKey(chance)
    assert new_key("v1a", chance) == PrivateKey(chance)
