"""The relay under cProfile: the same command, each of its threads with a profile of its own.

Owns switching the profiler on in every thread and writing what it saw.

``python -m bench.profiled serve --config FILE``. In the environment, ``BENCH_PROFILE`` names the directory
for one file a thread, and ``BENCH_PROFILE_CLOCK=cpu`` takes the thread's CPU time instead of wall time.
"""

import cProfile
import os
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Final

from relay.cli import main

__all__: list[str] = []

_PROFILES: Final[dict[str, cProfile.Profile]] = {}


def _start() -> None:
    """Profile the calling thread from here on."""
    by_cpu = os.environ.get("BENCH_PROFILE_CLOCK") == "cpu"
    profile = cProfile.Profile(time.thread_time) if by_cpu else cProfile.Profile()
    _PROFILES[threading.current_thread().name] = profile
    profile.enable()


def _in_thread(_frame: FrameType, _event: str, _argument: object) -> None:
    """Called at the first event of a new thread; the profile takes this hook's place."""
    _start()


def _run(directory: Path) -> None:
    threading.setprofile(_in_thread)
    sys.argv[0] = "relay"
    _start()
    try:
        main()
    finally:
        _PROFILES[threading.current_thread().name].disable()
        for name, profile in _PROFILES.items():
            profile.dump_stats(directory / f"{name}.prof")


if __name__ == "__main__":
    _run(Path(os.environ["BENCH_PROFILE"]))
