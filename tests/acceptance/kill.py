"""The tests' own launcher: `relay serve` that kills itself, or hangs, at a named point.

Usage: ``python kill.py CONFIG [CHECKPOINT COUNT] [--hang] [--synchronous=NORMAL]``. The product has no switch for
this: it is handed another Checkpoints, as it is handed a clock.
"""

import asyncio
import itertools
import os
import signal
import sys
import threading
from pathlib import Path

import uvloop

from relay.app.service import Service, ServiceOptions
from relay.app.system import System, SystemClock, SystemDice
from relay.cli.serve import serve_until_stopped
from relay.core.ports import Checkpoint
from relay.observe.logs import configure
from relay.settings import Settings, load

HANG = "--hang"
#: Said when it hangs.
HANGING = b"hanging\n"
SYNCHRONOUS = "--synchronous="


class Killer:
    """Ends the process, without a word, when it comes to a point for the n-th time."""

    def __init__(self, where: str, count: int) -> None:
        self._where = where
        self._count = count
        self._passed = itertools.count(1)

    def reach(self, name: Checkpoint, /) -> None:
        if name == self._where and next(self._passed) == self._count:
            os.kill(os.getpid(), signal.SIGKILL)


class Hanger:
    """Never comes back from a point, as a call to a disk that has gone does not.

    The first callback arms it: starting commits as well.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._armed = False

    def reach(self, name: Checkpoint, /) -> None:
        self._armed = self._armed or name == "after-verify"
        if self._armed and name == self._where:
            os.write(2, HANGING)
            threading.Event().wait()


def main() -> int:
    given = [word for word in sys.argv[1:] if not word.startswith("--")]
    modes = [word for word in sys.argv[1:] if word.startswith(SYNCHRONOUS)]
    config, where, count = [*given, "", "0"][:3]
    hangs = HANG in sys.argv
    checkpoints = Hanger(where) if hangs else Killer(where, int(count))
    options = ServiceOptions(
        synchronous=modes[0].removeprefix(SYNCHRONOUS) if modes else "FULL"
    )

    class Doomed(Service):
        def __init__(self, settings: Settings) -> None:
            system = System(
                clock=SystemClock(), dice=SystemDice(), checkpoints=checkpoints
            )
            super().__init__(settings, system=system, options=options)

    settings = load(Path(config), os.environ)
    configure(level="warning", form="json")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve_until_stopped(Doomed, settings))


if __name__ == "__main__":
    sys.exit(main())
