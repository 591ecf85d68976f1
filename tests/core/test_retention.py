"""What may go, in which order, and how gently."""

from hypothesis import given
from hypothesis import strategies as st

from relay.core.moment import text_of
from relay.core.retention import (
    DEFAULT_KEEPING,
    ORDER,
    ROWS,
    WEIGHT,
    PassStep,
    Progress,
    begin,
    following,
    forgotten_since,
    horizons,
    look,
    rest_s,
)
from tests.fakes import NOW_US

DAY = 86_400_000_000
FIRST = begin(DEFAULT_KEEPING, NOW_US)


def test_each_tier_has_its_horizon() -> None:
    found = horizons(DEFAULT_KEEPING, NOW_US)
    ages = [found.payloads, found.attempts, found.dead_letters, found.identities]
    assert [(NOW_US - moment) // DAY for moment in ages] == [30, 90, 90, 1826]


def test_each_table_has_the_horizon_of_its_tier() -> None:
    """Free pages are given back whenever there are any."""
    found = horizons(DEFAULT_KEEPING, NOW_US)
    assert [found.of(table) for table in ORDER] == [
        found.payloads,
        *[found.attempts] * 3,
        found.identities,
        NOW_US,
    ]


def test_a_run_is_known_a_day_longer_than_callbacks_of_its_age_are_taken() -> None:
    """Two clocks say when it ended and when it was heard of."""
    identities = horizons(DEFAULT_KEEPING, NOW_US).identities
    assert forgotten_since(DEFAULT_KEEPING, NOW_US) == text_of(identities + DAY)


def test_a_pass_goes_through_the_tables_in_order() -> None:
    """What others hang on comes after them."""
    step: PassStep | None = FIRST
    tables = []
    while step is not None:
        tables.append(step.table)
        step = following(step, Progress())
    assert tables == [*ORDER]


def test_a_pass_goes_on_where_it_was() -> None:
    step = following(FIRST, Progress(after=(7, 1)))
    assert step is not None
    assert (step.table, step.after) == (FIRST.table, (7, 1))


def test_who_gave_way_does_not_go_on() -> None:
    assert following(FIRST, Progress(after=(7, 0), given_way=True)) is None


def test_a_stretch_without_anything_old_is_the_last() -> None:
    young = [(number, NOW_US - DAY, 1) for number in range(1, ROWS + 1)]
    assert look(FIRST, young).is_last
    assert not look(FIRST, [*young[1:], (ROWS + 1, 0, 1)]).is_last


def test_a_stretch_from_the_future_is_not_the_last() -> None:
    future = [(number, NOW_US + DAY, 1) for number in range(1, ROWS + 1)]
    found = look(FIRST, future)
    assert (found.upto, found.is_due, found.is_last) == (ROWS, False, False)


def test_nothing_ahead_is_the_end() -> None:
    found = look(FIRST, [])
    assert (found.upto, found.is_due, found.is_last) == (0, False, True)


@given(st.lists(st.integers(0, 2 * WEIGHT), min_size=1, max_size=ROWS))
def test_a_step_touches_so_many_bytes_and_one_row_in_any_case(sizes: list[int]) -> None:
    rows = [(number, 0, size) for number, size in enumerate(sizes, start=1)]
    found = look(FIRST, rows)
    assert found.upto == 1 or sum(sizes[: found.upto]) <= WEIGHT
    assert found.is_last == (found.upto == len(rows) < ROWS)


def test_most_of_the_time_the_store_is_left_alone() -> None:
    assert rest_s(0.1) / (0.1 + rest_s(0.1)) >= 0.8
    assert rest_s(0.0) > 0
    assert rest_s(3600.0) <= 5.0
