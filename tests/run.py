"""Every test, in the order in which failures are cheapest, and then what they covered.

One door for people and CI. The in-process tests run in Python's development mode and under coverage, those
with Kafka or PostgreSQL under coverage alone, those that start processes under neither: both change timing.
The simulator's have virtual time and a core of their own beside the first of these.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: What must be covered, in percent: what decides must be whole.
OVERALL = 95
WHOLE = ("relay/core/*", "relay/supervise.py")
#: No part takes longer, in seconds, on a slow machine. One that stands still says where, and fails.
PART_S_MAX = 2400
ALONE = "not process and not kafka and not postgres and not long"


class Part:
    """One part of the tests, as a process; what it says is kept where another one speaks meanwhile."""

    def __init__(self, words: Sequence[str], *, aloud: bool = True) -> None:
        self._words = words
        self._said = None if aloud else tempfile.TemporaryFile()  # noqa: SIM115 - as long as the part
        environ = {**os.environ, "PYTHONHASHSEED": "0"}
        environ.setdefault("HYPOTHESIS_PROFILE", "ci")
        self._began = time.monotonic()
        if aloud:
            self._announce()
        self._process = subprocess.Popen(
            [sys.executable, *words], env=environ, stdout=self._said, stderr=self._said
        )

    def end(self) -> int:
        """Wait for it; its exit code."""
        left = self._began + PART_S_MAX - time.monotonic()
        try:
            code = self._process.wait(max(0.0, left))
        except subprocess.TimeoutExpired:
            # pytest answers with every thread's stack.
            self._process.send_signal(signal.SIGABRT)
            code = self._process.wait()
        if self._said is not None:
            self._announce()
            self._said.seek(0)
            sys.stdout.write(self._said.read().decode(errors="replace"))
            self._said.close()
        print(f"= {time.monotonic() - self._began:.0f} s", flush=True)  # noqa: T201 - says what it does
        return code

    def _announce(self) -> None:
        print("+", " ".join(self._words), flush=True)  # noqa: T201 - says what it does


def main() -> int:
    """Run all of it; the exit code is that of the first part that failed."""
    os.chdir(ROOT)
    for old in ROOT.glob(".coverage*"):
        old.unlink()
    covered = ("-m", "coverage", "run", "-m", "pytest", "-q")
    report = ("-m", "coverage", "report")
    return (
        Part(["tests/install_tools.py"]).end()
        or _side_by_side(
            ["-X", "dev", *covered, "-m", ALONE, "--ignore=tests/simulator"],
            ["-m", "pytest", "-q", "tests/simulator", "-p", "no:cacheprovider"],
        )
        or Part([*covered, "-m", "(kafka or postgres) and not process and not long"]).end()
        or Part(
            ["-m", "pytest", "-q", "-m", "process and not long", "--ignore=tests/simulator"]
        ).end()
        or Part(["-m", "coverage", "combine", "--quiet"]).end()
        or Part([*report, f"--fail-under={OVERALL}"]).end()
        or Part([*report, "--fail-under=100", f"--include={','.join(WHOLE)}"]).end()
    )  # fmt: skip


def _side_by_side(one: Sequence[str], other: Sequence[str]) -> int:
    quiet = Part(other, aloud=False)
    codes = [Part(one).end(), quiet.end()]
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
