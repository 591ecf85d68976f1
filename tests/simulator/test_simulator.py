"""The relay keeps its promises in every history; a history is the same whenever it is played."""

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, get_args

import pytest

from tests.simulator.__main__ import main
from tests.simulator.disk import Room
from tests.simulator.draw import draw
from tests.simulator.mutations import MUTATIONS
from tests.simulator.script import (
    PLACES,
    Again,
    Blackout,
    BlackoutAt,
    Crash,
    CrashAt,
    Forget,
    Full,
    Jump,
    Outage,
    Pause,
    Reask,
    Rehire,
    Remove,
    Reroute,
    Rotate,
    Slow,
    Stop,
    StoreFault,
    Stuck,
    Stumble,
)
from tests.simulator.shrink import shrink
from tests.simulator.story import FOR_EVER, SOURCES, ApiFault, ApiWay, Lack
from tests.simulator.world import play

ROOT = Path(__file__).parent.parent.parent

T = TypeVar("T")


@pytest.mark.timeout(120)
def test_every_promise_is_kept_in_many_histories(room: Room) -> None:
    """Under coverage; many more are played by themselves."""
    failures = [play(draw(seed), room).failure for seed in range(60)]
    assert [failure.why for failure in failures if failure] == []


@pytest.mark.process
@pytest.mark.timeout(120)
def test_every_promise_is_kept_for_half_a_minute() -> None:
    """At full speed, without coverage. The command line says what broke, and how to see it again."""
    command = [
        sys.executable,
        "-m",
        "tests.simulator",
        "--minutes",
        "0.4",
        "--seed",
        "1000",
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_same_seed_gives_the_same_history_byte_for_byte(room: Room) -> None:
    for seed in range(12):
        assert play(draw(seed), room).text == play(draw(seed), room).text


@pytest.mark.process
def test_a_history_is_the_same_in_every_process() -> None:
    command = [sys.executable, "-m", "tests.simulator", "--replay", "4"]
    first, second = (
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
        for _ in range(2)
    )
    assert first == second
    assert b"every promise was kept" in first


def test_everything_that_can_go_wrong_is_drawn() -> None:
    drawn = Counter(type(fault) for seed in range(300) for fault in draw(seed).faults)
    kinds = (
        Again, ApiFault, Blackout, BlackoutAt, Crash, CrashAt, Forget, Full, Jump, Outage, Pause, Reask, Rehire, Remove, Reroute,
        Rotate, Slow, Stop, StoreFault, Stuck, Stumble,
    )  # fmt: skip
    assert set(kinds) == set(drawn)
    scripts = [draw(seed) for seed in range(300)]
    calls = [call for script in scripts for call in script.calls]
    assert {(c.subject.source, c.subject.kind) for c in calls} == {
        (source, kind) for source in SOURCES for kind in ("run", "batch")
    }
    assert {call.key for call in calls} == {"now", "before", "foreign"}
    assert any(script.rules for script in scripts)
    assert {script.backlog for script in scripts} == {3, 5, 1000}
    assert {place.rate for script in scripts for place in script.places} == {
        None, 5.0, 20.0,
    }  # fmt: skip
    assert {script.listener for script in scripts} == {None, *PLACES}
    days = [script.days for script in scripts if script.days is not None]
    assert {found.relapses for found in days} == {False, True}
    jumps = [f for s in scripts for f in s.faults if isinstance(f, Jump)]
    assert {found.right is None for found in jumps} == {False, True}
    told = [f for script in scripts for f in script.faults if isinstance(f, ApiFault)]
    assert {fault.how for fault in told} == set(get_args(ApiWay))
    assert {(f.subject is None, f.until == FOR_EVER) for f in told} == {
        (True, False), (False, False), (False, True),
    }  # fmt: skip
    assert {call.lack for call in calls} == set(get_args(Lack))
    courses = [course for script in scripts for course in script.courses]
    assert {(c.ours, c.patched is None) for c in courses} >= {
        (True, True), (True, False), (False, True),
    }  # fmt: skip


def test_histories_are_not_empty(room: Room) -> None:
    """Most of what is said is taken over, arrives, dies with a process and comes again."""
    text = "".join(play(draw(seed), room).text for seed in range(50))
    for happened in (
        ": 202",
        ": 200",
        ": 503",
        ": 401",
        "hung up",
        "revision 2",
        "dies",
        "configuration 2",
        "globex/batch/",
        "running",
        "another run",
        "429",
        "sent again",
        "a page of 2, then 1",
        "relay.destination",
    ):
        assert text.count(happened) > 3, happened
    for seldom in ("Full(", "Blackout", "Rotate(", "stumble", "power", "forgotten"):
        assert seldom in text, seldom
    arrived = [
        line.split(maxsplit=1)[1] for line in text.splitlines() if " has " in line
    ]
    assert len(set(arrived)) < len(arrived)


def test_what_breaks_is_cut_down_to_what_it_takes(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate, _ = MUTATIONS["rebuilt from the latest callback"]
    mutate(monkeypatch)
    script = next(
        found for seed in range(1000) if play(found := draw(seed), room).failure
    )
    small = shrink(script, lambda some: play(some, room).failure is not None)
    assert play(small, room).failure
    assert len(small.calls) < len(script.calls) / 2
    for needless in (
        *(replace(small, calls=_without(small.calls, it)) for it in small.calls),
        *(replace(small, faults=_without(small.faults, it)) for it in small.faults),
    ):
        assert play(needless, room).failure is None


def _without(some: Sequence[T], one: T) -> tuple[T, ...]:
    return tuple(it for it in some if it is not one)


def test_the_command_line_shows_what_broke(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mutate, _ = MUTATIONS["answer before commit"]
    mutate(monkeypatch)
    assert main(["--histories", "1", "--seed", "3"]) == 1
    shown = capsys.readouterr().out
    assert "seed 3: P1: answered 1 times, stored 0 times" in shown
    assert "1 histories from seed 3" in shown
    assert "upstream  call 0" in shown


def test_the_command_line_counts_what_was_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--histories", "2"]) == 0
    assert "2 histories from seed 0" in capsys.readouterr().out
    assert main(["--replay", "1"]) == 0
    assert "every promise was kept" in capsys.readouterr().out
