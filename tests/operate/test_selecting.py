"""What an order to send again means, before anybody is asked."""

import pytest

from relay.operate.actions.replaying import Order, selection_of
from tests.fakes import NOW_US


@pytest.mark.parametrize("until", ["60y", "1970-01-01", "0001-01-01"])
def test_before_the_beginning_of_time_nothing_has_died(until: str) -> None:
    """It is none the less a time, and not the lack of one."""
    assert selection_of(Order(until=until), now=NOW_US).until == 0


def test_what_dies_after_the_order_is_not_meant() -> None:
    for order in (Order(), Order(until="2099-01-01")):
        assert selection_of(order, now=NOW_US).until == NOW_US + 1
