"""The machine: what it is, and what the kernel says of its cores and processes.

Owns reading ``/proc`` and the cost of an fsync on a given disk. Must not know what is measured.
Linux only, as pinning is.
"""

import os
import platform
import sqlite3
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

__all__ = ["Cores", "Machine", "cpu_seconds", "describe", "disk_of", "peak_mib"]

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_SYNCS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a reader must know to compare figures."""

    cpu: str
    cores: int
    kernel: str
    python: str
    sqlite: str
    #: File system of the store.
    disk: str
    #: Median time of a 4 KiB write and fdatasync there, in microseconds.
    fdatasync_us: int
    #: Runnable tasks over the last minute when the bench began; above 0.3 others were at work.
    load_average: float

    @property
    def line(self) -> str:
        """All of it, for people."""
        return (
            f"{self.cpu}, {self.cores} cores, Linux {self.kernel}, Python {self.python}, "
            f"SQLite {self.sqlite}, {self.disk} (fdatasync {self.fdatasync_us} us), "
            f"load average at the start {self.load_average:.2f}"
        )

    def record(self) -> dict[str, object]:
        """All of it, for JSON."""
        return asdict(self)


def describe(directory: Path) -> Machine:
    """Look at the machine and at the disk of ``directory``."""
    return Machine(
        cpu=_cpu_model(),
        cores=os.cpu_count() or 1,
        kernel=platform.release(),
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        disk=disk_of(directory),
        fdatasync_us=_fdatasync_us(directory),
        load_average=os.getloadavg()[0],
    )


def disk_of(directory: Path) -> str:
    """Type of the file system that holds ``directory``, such as ``ext4`` or ``tmpfs``."""
    path = str(directory.resolve())
    kind, longest = "unknown", -1
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, point, fs_type = line.split(" ")[:3]
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) > longest:
            kind, longest = fs_type, len(point)
    return kind


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used in all its threads, user and system (proc(5), stat 14 and 15)."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    # The command's name is in parentheses and may hold anything.
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_mib(pid: int) -> float:
    """Most memory a process has had resident so far, in MiB (``VmHWM``)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Cores:
    """How busy cores were since this was made."""

    def __init__(self) -> None:
        self._then = _core_times()
        self._since = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self._since

    def busy(self, core: int) -> float:
        """Share of the time since then that ``core`` worked, 0 to 1. Waiting for a disk is idle."""
        idle, total = (
            now - then
            for now, then in zip(_core_times()[core], self._then[core], strict=True)
        )
        return 1 - idle / total if total else 0.0


def _core_times() -> dict[int, tuple[int, int]]:
    """Idle and all ticks of each core (proc(5), stat)."""
    times = {}
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *values = line.split()
        if name.startswith("cpu") and name != "cpu":
            # guest and guest_nice are counted in user and nice already.
            ticks = [int(value) for value in values[:8]]
            times[int(name[3:])] = (ticks[3] + ticks[4], sum(ticks))
    return times


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _fdatasync_us(directory: Path) -> int:
    path = directory / "fdatasync.probe"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    times = []
    try:
        for _ in range(_SYNCS):
            began = time.monotonic_ns()
            os.write(descriptor, b"\0" * 4096)
            os.fdatasync(descriptor)
            times.append((time.monotonic_ns() - began) // 1000)
    finally:
        os.close(descriptor)
        path.unlink()
    return int(statistics.median(times))
