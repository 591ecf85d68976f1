"""When a destination falls behind, and when it is filled again."""

import pytest

from relay.core.backlog import next_step
from relay.core.holding import Condition
from relay.core.ledger import DestinationCounts


@pytest.mark.parametrize(
    "made,behind,expected",
    [
        (0, None, None),
        (99, None, None),
        (100, None, "fall"),
        (150, None, "fall"),
        (100, 0, None),
        # Not at once behind once more.
        (80, 5, None),
        (79, 5, "fill"),
        # Nothing came while it was behind: it has to be told that it is not.
        (0, 0, "fill"),
    ],
)
@pytest.mark.parametrize("held", [True, False])
def test_the_limit_is_of_deliveries_that_are_made(
    made: int, behind: int | None, expected: str | None, *, held: bool
) -> None:
    """Whether or not they are held by now."""
    unmade = behind or 0
    counts = DestinationCounts(pending=made, held=unmade)
    condition = Condition(
        name="orders",
        kind="http",
        behind_from=None if behind is None else 7,
        behind=unmade,
        counts=counts.behind_a_hold() if held else counts,
    )
    assert next_step(condition, limit=100) == expected


def test_the_smallest_limit_has_room_for_one() -> None:
    empty = Condition(name="orders", kind="http", behind_from=1)
    assert next_step(empty, limit=1) == "fill"
