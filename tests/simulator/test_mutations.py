"""A relay with one thing wrong is found out."""

from dataclasses import replace

import pytest

import relay.deliver.polling
from relay.deliver.worker import Courier
from tests.simulator.disk import Room
from tests.simulator.draw import draw
from tests.simulator.mutations import MUTATIONS
from tests.simulator.script import Script
from tests.simulator.world import play

#: Histories in which a mistake has to show.
WITHIN = 1000
#: Where the search begins for what shows seldom; what others are drawn from zero on is long to play.
FROM = {
    "fresh behind what has failed": 270,
    "survives what nobody expected": 320,
    "reload forgets what is pending": 260,
    "leaves without a word": 350,
    "handed to nobody": 90,
    "forgets what is in hand": 260,
    "forgets uncounted": 60,
    "bears it for ever": 80,
    "a success changes nothing": 150,
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mistake_is_found_within_a_thousand_histories(
    name: str, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate, promises = MUTATIONS[name]
    mutate(monkeypatch)
    seeds = range(FROM.get(name, 0), WITHIN)
    found = (play(draw(seed), room).failure for seed in seeds)
    assert any(failure and failure.promise in promises for failure in found)


@pytest.mark.timeout(240)
def test_a_wake_up_is_lost_by_nobody_but_who_loses_it(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing fails, nobody needs the poll of a courier."""
    monkeypatch.setattr(relay.deliver.polling, "POLL_S", 1e6)
    calm = [_calm(draw(seed)) for seed in range(WITHIN)]
    assert [play(script, room).failure for script in calm[:40]] == [None] * 40
    monkeypatch.setattr(Courier, "_written", lambda _: None)
    assert any(play(script, room).failure for script in calm)


def _calm(script: Script) -> Script:
    """The same without a fault, and with room for everything."""
    return replace(
        script,
        faults=(),
        places=tuple(
            replace(place, ready_bytes=1 << 20, ready_max=100)
            for place in script.places
        ),
    )
