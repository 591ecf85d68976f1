"""Sharing: nobody gets more than another who wants as much, and nothing is left while somebody wants it."""

from hypothesis import given
from hypothesis import strategies as st

from relay.core.sharing import Sharing, in_turns


def dealt(wants: dict[str, int], places: int, turn: int) -> dict[str, int]:
    """Who gets how many of these places."""
    sharing = Sharing(list(wants), places, turn=turn)
    got = dict.fromkeys(wants, 0)
    while shares := sharing.round():
        for name, offered in shares:
            taken = min(offered, wants[name] - got[name])
            got[name] += taken
            sharing.took(name, offered=offered, taken=taken)
    return got


def test_who_has_a_hundred_thousand_leaves_room_for_who_has_one() -> None:
    assert dealt({"a": 100_000, "b": 1, "c": 0}, 256, 0) == {"a": 255, "b": 1, "c": 0}


def test_where_there_are_fewer_places_than_names_others_come_next_time() -> None:
    firsts = [dealt({"a": 9, "b": 9, "c": 9}, 1, turn) for turn in range(3)]
    assert [max(got, key=lambda name: got[name]) for got in firsts] == ["a", "b", "c"]


def test_among_nobody_nothing_is_shared() -> None:
    assert dealt({}, 5, 3) == {}


@given(
    wants=st.dictionaries(st.text(max_size=3), st.integers(0, 50), max_size=6),
    places=st.integers(-1, 120),
    turn=st.integers(0, 1 << 40),
)
def test_all_is_dealt_and_nobody_is_passed_over(
    wants: dict[str, int], places: int, turn: int
) -> None:
    got = dealt(wants, places, turn)
    assert sum(got.values()) == min(max(0, places), sum(wants.values()))
    for name, count in got.items():
        assert count <= wants[name]
        # Who wanted more has got no less than anybody else, but for one place a round.
        if count < wants[name]:
            assert max(got.values()) <= count + len(wants)


@given(st.lists(st.lists(st.integers()), max_size=5))
def test_in_turns_everyone_comes_once_and_lines_keep_their_order(
    lines: list[list[int]],
) -> None:
    named = [[(line, one) for one in lines[line]] for line in range(len(lines))]
    found = list(in_turns(named))
    for line, given_ in enumerate(named):
        assert [one for one in found if one[0] == line] == given_


def test_in_turns_the_second_comes_after_everybody_s_first() -> None:
    assert list(in_turns(["abc", "d", "ef"])) == list("adebfc")
