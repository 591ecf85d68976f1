"""Every test, in the order in which failures are cheapest, and then what they covered.

One door for people and CI. The in-process tests run in Python's development mode and under coverage,
those with Kafka or PostgreSQL under coverage alone, those that start processes under neither: both
change timing.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: What must be covered, in percent: what decides must be whole.
OVERALL = 95
#: No part takes longer, in seconds, on a slow machine. One that stands still says where, and fails.
PART_S_MAX = 1800
WHOLE = ("relay/core/*", "relay/supervise.py")


def main() -> int:
    """Run all of it; the exit code is that of the first part that failed."""
    os.chdir(ROOT)
    for old in ROOT.glob(".coverage*"):
        old.unlink()
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    environ.setdefault("HYPOTHESIS_PROFILE", "ci")
    python = sys.executable
    for command in (
        [python, "tests/install_tools.py"],
        [python, "-X", "dev", "-m", "coverage", "run", "-m", "pytest", "-q",
         "-m", "not process and not kafka and not postgres and not long"],
        [python, "-m", "coverage", "run", "-m", "pytest", "-q",
         "-m", "(kafka or postgres) and not process and not long"],
        [python, "-m", "pytest", "-q", "-m", "process and not long"],
        [python, "-m", "coverage", "combine", "--quiet"],
        [python, "-m", "coverage", "report", f"--fail-under={OVERALL}"],
        [python, "-m", "coverage", "report", "--fail-under=100", f"--include={','.join(WHOLE)}"],
    ):  # fmt: skip
        code = _run(command, environ)
        if code != 0:
            return code
    return 0


def _run(command: Sequence[str], environ: dict[str, str]) -> int:
    print("+", " ".join(command[1:]), flush=True)  # noqa: T201 - a script that says what it does
    began = time.monotonic()
    with subprocess.Popen(command, env=environ) as part:
        try:
            code = part.wait(PART_S_MAX)
        except subprocess.TimeoutExpired:
            # pytest answers with every thread's stack.
            part.send_signal(signal.SIGABRT)
            code = part.wait()
    print(f"= {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201 - a script that says what it does
    return code


if __name__ == "__main__":
    sys.exit(main())
