"""Load: wrk, and what it says.

Owns the command line of wrk and reading its answer. What is posted is ``load.lua``'s.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

import msgspec

__all__ = ["SECRET", "Load", "LoadError", "is_installed", "run_load"]

#: The key of every signature: the whole text, prefix included.
SECRET: Final = "whsec_bench_5f1c2a9e7d3b4a60"  # noqa: S105 - opens nothing
_SCRIPT: Final = Path(__file__).with_name("load.lua")
_MARK: Final = "BENCH "


class LoadError(RuntimeError):
    """wrk did not do its work."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """One run of wrk; times in microseconds."""

    #: Answers that arrived; the server has seen at least these.
    answered: int
    #: Requests made; the server has seen at most these. Up to one a connection is cut off at the end.
    made: int
    duration_us: int
    #: When the first request was made, by the monotonic and by the wall clock.
    first_monotonic_us: int
    first_wall_us: int
    p50_us: int
    p99_us: int
    max_us: int
    #: Answers outside 2xx and 3xx.
    refused: int
    #: Connections refused or broken, and answers that took too long.
    broken: int

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / (self.duration_us / 1e6)

    @property
    def faults(self) -> list[str]:
        """Why the run proves nothing, if so."""
        found = []
        if self.refused:
            found.append(f"{self.refused} answers were not 2xx")
        if self.broken:
            found.append(f"{self.broken} requests failed")
        if not self.answered:
            found.append("nothing was answered")
        return found


def is_installed() -> bool:
    """Whether wrk is there."""
    return shutil.which("wrk") is not None


def run_load(
    port: int, path: str, *, seconds: int, connections: int, core: int, seed: int
) -> Load:
    """Post signed callbacks to ``127.0.0.1:port`` from one thread on ``core``.

    Raises:
        LoadError: wrk failed.
    """
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}"]
    command += [f"-d{seconds}s", "--timeout", "20s", "--latency", "-s", str(_SCRIPT)]
    command += [f"http://127.0.0.1:{port}", "--", path, SECRET, str(seed)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=seconds + 60
    )
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            return msgspec.convert(json.loads(line.removeprefix(_MARK)), Load)
    said = (done.stderr or done.stdout).strip()
    raise LoadError(f"wrk ended with code {done.returncode}: {said}")
