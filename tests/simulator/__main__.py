"""``python -m tests.simulator``: many histories, or one of them again.

Owns the command line, the rate, and showing a history that broke a promise in as few lines as it takes.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from tests.simulator.disk import Room
from tests.simulator.draw import draw
from tests.simulator.lines import unheard
from tests.simulator.script import Script
from tests.simulator.shrink import shrink
from tests.simulator.world import Played, play

#: Failures after which it is plain that something is wrong.
FAILURES_MAX = 5


def main(arguments: Sequence[str]) -> int:
    """Exit code 1 when a promise was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulator", description=__doc__
    )
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the first history")
    parser.add_argument(
        "--minutes", type=float, help="as many as fit, instead of a number"
    )
    parser.add_argument(
        "--replay", type=int, metavar="SEED", help="one history, line by line"
    )
    parser.add_argument(
        "--whole", action="store_true", help="do not shrink what failed"
    )
    chosen = parser.parse_args(arguments)
    room = Room()
    try:
        if chosen.replay is not None:
            return _replay(chosen.replay, room, whole=chosen.whole)
        return _many(chosen, room)
    finally:
        room.close()


def _many(chosen: argparse.Namespace, room: Room) -> int:
    began = time.monotonic()
    number = 0
    failed: list[Played] = []
    while len(failed) < FAILURES_MAX:
        spent = time.monotonic() - began
        if chosen.minutes is not None:
            if spent >= chosen.minutes * 60:
                break
        elif number >= chosen.histories:
            break
        with unheard():
            played = play(draw(chosen.seed + number), room)
        number += 1
        if played.failure is not None:
            failed.append(played)
            _say(f"seed {played.script.seed}: {played.failure.why}")
    spent = time.monotonic() - began
    _say(
        f"{number} histories from seed {chosen.seed} in {spent:.1f} s,"
        f" {number / max(spent, 1e-9) * 60:.0f} a minute: {len(failed)} failed"
    )
    if failed:
        _show(failed[0], room, whole=chosen.whole)
    return 1 if failed else 0


def _replay(seed: int, room: Room, *, whole: bool) -> int:
    with unheard():
        played = play(draw(seed), room)
    _show(played, room, whole=whole)
    return 0 if played.failure is None else 1


def _show(played: Played, room: Room, *, whole: bool) -> None:
    """The history in words; of one that failed, the shortest that fails in the same way."""
    script = played.script
    failure = played.failure
    if failure is not None and not whole:
        promise = failure.promise

        def breaks(candidate: Script) -> bool:
            with unheard():
                found = play(candidate, room).failure
            return found is not None and found.promise == promise

        script = shrink(script, breaks)
    again = play(script, room, aloud=True)
    _say(_described(script))
    _say(again.text)
    _say("every promise was kept" if again.failure is None else again.failure.why)


def _described(script: Script) -> str:
    head = f"seed {script.seed}, shuffled {script.shuffled}, latency {script.latency}"
    return "\n".join(
        [
            head,
            *(
                f"  {part}"
                for part in (
                    *script.places,
                    *script.rules,
                    *script.calls,
                    *script.faults,
                )
            ),
        ]
    )


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets is part of a history.
        same = [sys.executable, "-m", "tests.simulator", *sys.argv[1:]]
        os.execve(sys.executable, same, {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606
    sys.exit(main(sys.argv[1:]))
