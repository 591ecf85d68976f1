"""What one step of a replay makes of what lies ahead, and that steps together leave nothing out."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.deadletter import UnknownNameError, named
from relay.core.replay import (
    BYTES_MAX,
    UNTRIED_MAX,
    Candidate,
    Replay,
    ReplayState,
    Selection,
    Stretch,
    batch_of,
    bounded,
    is_full,
    stretch,
)

SECOND = 1_000_000


def replay(**said: object) -> Replay:
    """An order for two hundred a second; whatever is said of it."""
    fields: dict[str, object] = {
        "number": 1,
        "origin": 1,
        "target": 1,
        "selection": Selection(),
        "rate": 200,
        "most": None,
        "cursor": 0,
        "upto": 1000,
        "created": 0,
        "untried": 0,
    }
    return Replay(**(fields | said))  # type: ignore[arg-type]  # named as its fields are


def letter(number: int, **said: object) -> Candidate:
    """A dead letter of a run of its own."""
    fields: dict[str, object] = {"size": 100, "stands": False}
    return Candidate(number, number, number, **(fields | said))  # type: ignore[arg-type]  # named as its fields are


def walk(
    order: Replay,
    found: Sequence[Candidate],
    *,
    reached: int,
    ends: bool = True,
    held: Sequence[int] | None = None,
    routed: set[int] | None = None,
) -> Stretch:
    """One step at time 0; every run is held unless told otherwise."""
    return stretch(
        order,
        found,
        reached=reached,
        ends=ends,
        held=[one.run for one in found] if held is None else held,
        routed=routed,
        now=0,
    )


@pytest.mark.parametrize(
    "said,batch",
    [
        ({}, 4),
        ({"rate": 1}, 1),
        ({"rate": 1000}, 20),
        ({"untried": UNTRIED_MAX - 3}, 3),
        ({"untried": UNTRIED_MAX + 3}, 0),
        ({"most": 10, "created": 8}, 2),
    ],
)
def test_a_batch_is_bounded_by_all_that_bounds_it(
    said: dict[str, object], batch: int
) -> None:
    assert batch_of(replay(**said)) == batch


def test_a_destination_is_full_of_what_has_had_no_try() -> None:
    assert not is_full(UNTRIED_MAX - 1)
    assert is_full(UNTRIED_MAX)


def test_what_is_gone_on_its_way_or_unrouted_is_counted_and_left_out() -> None:
    found = [letter(1, size=None), letter(2, stands=True), letter(3), letter(4)]
    ahead = walk(replay(rate=1000), found, reached=9, routed={4})
    assert ahead.made == ((4, 4),)
    assert (ahead.expired, ahead.standing, ahead.unrouted) == (1, 1, 1)
    assert (ahead.cursor, ahead.state) == (9, ReplayState.DONE)


def test_the_next_step_is_due_as_the_rate_has_it() -> None:
    found = [letter(number) for number in range(1, 11)]
    assert walk(replay(rate=20), found, reached=10).due_at == SECOND // 2
    assert walk(replay(), [], reached=10).due_at == 0


def test_a_step_ends_before_a_run_that_somebody_else_has() -> None:
    found = [letter(1), letter(2), letter(3)]
    ahead = walk(replay(), found, reached=9, held=[1, 3])
    assert (ahead.made, ahead.cursor) == (((1, 1),), 1)
    assert ahead.state is ReplayState.RUNNING
    stuck = walk(replay(cursor=5), [letter(6)], reached=9, held=[])
    assert (stuck.made, stuck.cursor) == ((), 5)


def test_a_full_batch_does_not_skip_what_comes_after_it() -> None:
    order = replay(rate=100)
    ahead = walk(order, [letter(1), letter(2)], reached=9)
    assert (ahead.cursor, ahead.state) == (2, ReplayState.RUNNING)
    last = walk(order, [letter(8), letter(9)], reached=9)
    assert (last.cursor, last.state) == (9, ReplayState.DONE)


def test_an_order_ends_at_its_limit() -> None:
    order = replay(most=5, created=3)
    ahead = walk(order, [letter(1), letter(2)], reached=9, ends=False)
    assert ahead.state is ReplayState.DONE


def test_an_order_without_room_stays_where_it_is() -> None:
    ahead = walk(replay(cursor=4, untried=UNTRIED_MAX), [], reached=9)
    assert (ahead.cursor, ahead.state) == (4, ReplayState.RUNNING)


def test_no_step_looks_into_more_bytes_than_it_may() -> None:
    half = BYTES_MAX // 2
    found = [letter(1, size=half), letter(2, size=half), letter(3, size=1)]
    assert [one.number for one in bounded(found)] == [1, 2]
    assert len(bounded([letter(1, size=2 * BYTES_MAX)])) == 1
    ahead = walk(replay(), found, reached=9, routed={1, 2})
    assert (len(ahead.made), ahead.cursor) == (2, 2)


def test_callbacks_do_not_wait_until_megabytes_have_been_looked_into() -> None:
    large = [letter(number, size=300 * 1024) for number in (1, 2, 3)]
    assert len(bounded(large)) == 1


def test_a_name_that_nobody_has_is_said_with_those_that_there_are() -> None:
    assert named("source", "acme", {"acme": 7}) == 7
    with pytest.raises(UnknownNameError, match="there are: none"):
        named("source", "acme", {})


ROWS = st.lists(
    st.tuples(
        # Whether it is selected, kept, and on its way; and its run.
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.integers(1, 4),
    ),
    max_size=40,
)


@given(ROWS, st.integers(1, 8), st.integers(50, 500), st.data())
def test_steps_decide_on_everything_once_and_in_order(
    rows: list[tuple[bool, bool, bool, int]], look: int, rate: int, data: st.DataObject
) -> None:
    """However far each looks, and whatever others hold meanwhile."""
    table = [
        (Candidate(number, number, run, 10 if kept else None, stands), selected)
        for number, (selected, kept, stands, run) in enumerate(rows, 1)
    ]
    order, made, left_out = replay(rate=rate), [], 0
    for _ in range(500):
        window = [row for row in table if row[0].number > order.cursor][:look]
        found = [one for one, selected in window if selected][: batch_of(order)]
        runs = sorted({one.run for one in found})
        held = data.draw(st.sets(st.sampled_from(runs))) if runs else set()
        ahead = walk(
            order,
            found,
            reached=window[-1][0].number if window else 0,
            ends=len(window) < look,
            held=[*held] or runs[:1],
        )
        made += [event for event, _ in ahead.made]
        left_out += ahead.expired + ahead.standing
        order = msgspec.structs.replace(order, cursor=ahead.cursor)
        if ahead.state is ReplayState.DONE:
            break
    else:
        raise AssertionError("it never ends")
    selected = [one for one, is_selected in table if is_selected]
    wanted = [one.event for one in selected if one.size is not None and not one.stands]
    assert made == wanted
    assert left_out == len(selected) - len(wanted)
