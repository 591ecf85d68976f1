"""Every test, and then what they covered.

One door for people and CI. Two lanes side by side, one for each core of a small machine: the in-process
tests and then those that start processes; the simulator's, which have virtual time, then those with Kafka or
PostgreSQL, then image, chart and ingress. In-process tests run in Python's development mode and under coverage,
those with servers under coverage alone, those that start processes under neither: both change timing. A part
that fails ends its lane; the other one ends by itself.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

ROOT = Path(__file__).parent.parent
#: What must be covered, in percent: what decides must be whole.
OVERALL = 95
WHOLE = ("relay/core/*", "relay/supervise.py")
#: No part takes longer, in seconds, on a slow machine. One that stands still says where, and fails.
PART_S_MAX = 2400
ALONE = "not process and not kafka and not postgres and not long"
SERVERS = "(kafka or postgres) and not process and not long"
PROCESS = "process and not long"
#: Image, chart, and relays behind an ingress: processes too, played in the shorter lane.
BOX = ("tests/image", "tests/chart", "tests/rolling")
#: One speaks at a time.
_ALOUD = Lock()


class Part:
    """One part of the tests, as a process. It is heard as a whole when it ends."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def run(self) -> int:
        """Wait for it; its exit code."""
        environ = {**os.environ, "PYTHONHASHSEED": "0"}
        environ.setdefault("HYPOTHESIS_PROFILE", "ci")
        began = time.monotonic()
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [sys.executable, *self._words], env=environ, stdout=said, stderr=said
            )
            try:
                code = process.wait(PART_S_MAX)
            except subprocess.TimeoutExpired:
                # pytest answers with every thread's stack.
                process.send_signal(signal.SIGABRT)
                code = process.wait()
            said.seek(0)
            heard = said.read().decode(errors="replace")
        took = time.monotonic() - began
        with _ALOUD:
            print(f"+ {' '.join(self._words)}\n{heard}= {took:.0f} s", flush=True)  # noqa: T201 - what came of it
        return code


def main() -> int:
    """Run all of it; the exit code is that of a part that failed."""
    os.chdir(ROOT)
    for old in ROOT.glob(".coverage*"):
        old.unlink()
    covered = ("-m", "coverage", "run", "-m", "pytest", "-q")
    report = ("-m", "coverage", "report")
    plain = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
    return (
        Part("tests/install_tools.py").run()
        or Part("-m", "tests.chart.helm").run()
        or _side_by_side(
            [
                Part("-X", "dev", *covered, "-m", ALONE, "--ignore=tests/simulator"),
                Part(*plain, "-m", PROCESS, *_without("tests/simulator", *BOX)),
            ],
            [
                Part(*plain, "tests/simulator"),
                Part(*covered, "-m", SERVERS, "-p", "no:cacheprovider"),
                Part(*plain, "-m", PROCESS, *BOX),
            ],
        )
        or Part("-m", "coverage", "combine", "--quiet").run()
        or Part(*report, f"--fail-under={OVERALL}").run()
        or Part(*report, "--fail-under=100", f"--include={','.join(WHOLE)}").run()
    )


def _without(*places: str) -> list[str]:
    return [f"--ignore={place}" for place in places]


def _side_by_side(*lanes: Sequence[Part]) -> int:
    with ThreadPoolExecutor(len(lanes)) as pool:
        codes = [*pool.map(_in_turn, lanes)]
    return next((code for code in codes if code), 0)


def _in_turn(parts: Sequence[Part]) -> int:
    for part in parts:
        code = part.run()
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
