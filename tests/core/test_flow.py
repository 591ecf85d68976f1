"""How many tries run at once: more while all goes well, fewer when the destination strains, never too many."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from relay.core.flow import Flow


@dataclass
class World:
    """A destination that takes so long, and strains when more than so many are under way."""

    usual_s: float = 0.05
    bears: int = 1000
    now: float = 100.0

    def round(self, flow: Flow) -> int:
        """As many tries as may be under way, all at once; how many that were."""
        width = flow.width
        began = self.now
        self.now += self.usual_s
        for _ in range(width):
            flow.ended(
                began=began, now=self.now, strained=width > self.bears, full=True
            )
        return width


def test_it_begins_with_all_that_was_configured() -> None:
    assert Flow(32).width == 32


def test_a_round_with_faults_narrows_it_once() -> None:
    flow = Flow(32)
    World(bears=1).round(flow)
    assert flow.width == 22


def test_it_never_closes_altogether() -> None:
    flow, world = Flow(32), World(bears=0)
    for _ in range(40):
        world.round(flow)
    assert flow.width == 1


def test_it_grows_by_one_a_round_up_to_what_was_configured() -> None:
    flow, world = Flow(8), World(bears=2)
    for _ in range(6):
        world.round(flow)
    world.bears = 1000
    widths = [world.round(flow) for _ in range(12)]
    assert widths == sorted(widths)
    assert max(b - a for a, b in pairwise(widths)) == 1
    assert widths[-1] == 8


def test_it_does_not_grow_where_nobody_needs_more() -> None:
    flow = Flow(32)
    flow.restart(0.0)
    for at in range(100):
        flow.ended(began=at, now=at + 0.05, strained=False, full=False)
    assert flow.width == 8


def test_it_keeps_near_what_the_destination_bears() -> None:
    flow, world = Flow(64), World(bears=20)
    for _ in range(50):
        world.round(flow)
    widths = [world.round(flow) for _ in range(50)]
    assert 13 <= min(widths) <= max(widths) <= 21


def test_tries_that_take_longer_than_usual_narrow_it_before_anything_fails() -> None:
    flow, world = Flow(32), World()
    for _ in range(20):
        world.round(flow)
    world.usual_s = 1.0
    world.round(flow)
    assert flow.width == 25


def test_a_destination_that_has_become_slow_for_good_is_not_starved() -> None:
    flow, world = Flow(32), World()
    for _ in range(20):
        world.round(flow)
    world.usual_s = 1.0
    for _ in range(100):
        world.round(flow)
    assert flow.width == 32


def test_a_few_milliseconds_more_are_noise() -> None:
    flow, world = Flow(32), World(usual_s=0.002)
    for _ in range(20):
        world.round(flow)
    world.usual_s = 0.09
    world.round(flow)
    assert flow.width == 32


def test_a_destination_that_works_again_is_met_with_a_part_of_it() -> None:
    flow = Flow(32)
    flow.restart(5.0)
    assert flow.width == 8
    # What was under way before says nothing of what it bears now.
    flow.ended(began=4.0, now=19.0, strained=True, full=True)
    assert flow.width == 8


@given(
    most=st.integers(1, 100),
    ends=st.lists(
        st.tuples(st.floats(0, 30), st.floats(0, 5), st.booleans(), st.booleans())
    ),
)
def test_whatever_happens_it_stays_between_one_and_what_was_configured(
    most: int, ends: list[tuple[float, float, bool, bool]]
) -> None:
    flow, now = Flow(most), 0.0
    for took, passed, strained, full in ends:
        now += passed
        flow.ended(began=now - took, now=now, strained=strained, full=full)
        assert 1 <= flow.width <= most
