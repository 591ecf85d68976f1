"""What every simulated history has: a room for its files, silence, and a loop that may block.

The store's calls run on the virtual loop itself, where they take virtual time.
"""

from collections.abc import Iterator

import pytest

from tests.simulator.disk import Room
from tests.simulator.lines import unheard


@pytest.fixture(autouse=True)
def blockbuster() -> None:
    """Nobody waits for real time here, and nobody is kept waiting."""


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    with unheard():
        yield


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    found = Room()
    yield found
    found.close()
