"""Wall time for scheduling, whatever is done to the machine's clock."""

import pytest

from relay.core.steady import SteadyClock

HOUR = 3_600_000_000


class Machine:
    """A wall clock and a monotonic one, set by hand."""

    def __init__(self) -> None:
        self.wall = 1_000 * HOUR
        self.seconds = 50.0

    def now_us(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def passes(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += round(seconds * 1_000_000)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def clock(machine: Machine) -> SteadyClock:
    return SteadyClock(machine, machine.monotonic)


def test_it_is_the_wall_clock_as_long_as_that_one_goes_on(
    machine: Machine, clock: SteadyClock
) -> None:
    machine.passes(90)
    assert clock.now_us() == machine.wall


def test_a_clock_set_back_does_not_stop_time(
    machine: Machine, clock: SteadyClock
) -> None:
    before = clock.now_us()
    machine.wall -= HOUR
    assert clock.now_us() == before
    machine.passes(60)
    assert clock.now_us() == before + 60_000_000


def test_once_the_clock_has_caught_up_it_is_believed_again(
    machine: Machine, clock: SteadyClock
) -> None:
    machine.wall -= HOUR
    machine.passes(10)
    assert clock.now_us() > machine.wall
    machine.wall += HOUR
    assert clock.now_us() == machine.wall


def test_a_clock_set_forward_is_believed_at_once(
    machine: Machine, clock: SteadyClock
) -> None:
    machine.wall += HOUR
    assert clock.now_us() == machine.wall


def test_small_corrections_are_followed(machine: Machine, clock: SteadyClock) -> None:
    machine.wall -= 4_000_000
    assert clock.now_us() == machine.wall
