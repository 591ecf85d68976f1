"""A relay with one thing wrong is found out."""

import pytest

from tests.simulator.disk import Room
from tests.simulator.mutations import MUTATIONS
from tests.simulator.script import draw
from tests.simulator.world import play

#: Histories in which a mistake has to show.
WITHIN = 1000


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mistake_is_found_within_a_thousand_histories(
    name: str, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate, promises = MUTATIONS[name]
    mutate(monkeypatch)
    found = (play(draw(seed), room).failure for seed in range(WITHIN))
    assert any(failure and failure.promise in promises for failure in found)
