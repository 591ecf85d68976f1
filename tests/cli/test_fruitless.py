"""Why there is nothing to send is said in a few lines, however much was named."""

import pytest

from relay.cli.replay.fruitless import fruitless
from relay.core.replay import What
from relay.operate.actions.replaying import Order
from relay.operate.actions.whereabouts import Whereabouts


def _at(name: str, **counts: int) -> Whereabouts:
    none = dict.fromkeys(("arrived", "dead", "never", "open"), 0)
    return Whereabouts(destination=name, **(none | counts))


def test_many_names_and_many_destinations_are_cut_short() -> None:
    order = Order(wanted=tuple(f"run_{number}" for number in range(4)))
    where = [_at(f"d{number}", arrived=4) for number in range(10)]
    said = [*fruitless(order, where, count=4)]
    assert said[1] == (
        "  d0: 4 have arrived; to send them once more:"
        " relay replay --delivered ID... --destination d0"
    )
    assert said[-2:] == [
        "  … and 2 more destinations",
        "All that became of it: relay explain run_0",
    ]


@pytest.mark.parametrize(
    "what,words",
    [
        ("dead", "nothing of what is named is dead."),
        ("delivered", "nothing of what is named has arrived."),
        ("missing", "late has had all that is named, or it waits there."),
    ],
)
def test_what_was_looked_for_is_named(what: What, words: str) -> None:
    order = Order(what=what, to="late", wanted=("run_1",))
    [head, stands, _] = fruitless(order, [_at("late", open=1)], count=1)
    assert head == f"There is nothing to send: {words}"
    assert stands == "  late: it is on its way"
