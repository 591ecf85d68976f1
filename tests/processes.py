"""Processes seen from outside: whose they are, whether they stand still, that they are gone.

Owns the look into ``/proc``, the account that servers run under, and a free port. Must not know
which program it watches.

No loop here waits longer than it was told to: a test that hangs says nothing.
"""

import ctypes
import os
import pwd
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = [
    "Account",
    "account",
    "end",
    "forget_memory",
    "freeze",
    "thaw",
]

_LIMIT_S: Final = 10.0
#: From ``linux/prctl.h``.
_SET_SUBREAPER: Final = 36
#: From ``linux/ipc.h``.
_REMOVE: Final = 0
_STANDING_STILL: Final = frozenset("TtZX")
# Whether orphans come to this process is one switch for all its threads.
_ADOPTING: Final = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom a server runs as."""

    uid: int
    gid: int

    def give(self, path: Path) -> None:
        """Make a file or an empty directory the account's own."""
        os.chown(path, self.uid, self.gid)


def account() -> Account | None:
    """Somebody without rights when we are root, whom PostgreSQL refuses; else ourselves."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def freeze(process: subprocess.Popen[bytes]) -> None:
    """Stop a process and its children where they are; the parent first, so that it has no more."""
    process.send_signal(signal.SIGSTOP)
    _await_still(process, [process.pid])
    # A parent that stands still reaps nobody: these numbers stay theirs.
    children = _children(process.pid)
    for child in children:
        os.kill(child, signal.SIGSTOP)
    _await_still(process, children)


def thaw(process: subprocess.Popen[bytes]) -> None:
    """Let those go on whom `freeze` stopped; the parent last, so that it reaps nobody before."""
    for child in _children(process.pid):
        os.kill(child, signal.SIGCONT)
    process.send_signal(signal.SIGCONT)


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL a process and its children at one moment, and wait until none is left.

    Orphans are adopted for as long as it takes: the first process of a container may leave them
    as zombies for ever.
    """
    if process.poll() is not None:
        return
    with _adopting_orphans():
        # One that waits for a disk does not stand still, and ends all the same.
        with suppress(TimeoutError):
            freeze(process)
        handles = [os.pidfd_open(child) for child in _children(process.pid)]
        try:
            for handle in handles:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            process.kill()
            # Once the parent is gone, the children are ours.
            process.wait(_LIMIT_S)
            for handle in handles:
                _reap(handle)
        finally:
            for handle in handles:
                os.close(handle)


def forget_memory(identifier: int) -> None:
    """Remove a System V segment, which outlives those who shared it."""
    ctypes.CDLL(None).shmctl(identifier, _REMOVE, None)


def _reap(handle: int) -> None:
    ended = select.poll()
    ended.register(handle, select.POLLIN)
    if not ended.poll(_LIMIT_S * 1000):
        raise TimeoutError("a killed process does not end")
    # Somebody nearer may have adopted it.
    with suppress(ChildProcessError):
        os.waitid(os.P_PIDFD, handle, os.WEXITED)


@contextmanager
def _adopting_orphans() -> Iterator[None]:
    libc = ctypes.CDLL(None)
    with _ADOPTING:
        libc.prctl(_SET_SUBREAPER, 1, 0, 0, 0)
        try:
            yield
        finally:
            libc.prctl(_SET_SUBREAPER, 0, 0, 0, 0)


def _await_still(process: subprocess.Popen[bytes], pids: Iterable[int]) -> None:
    """Signals arrive when they do; what follows relies on their having arrived."""
    deadline = time.monotonic() + _LIMIT_S
    while not all(_state(pid) in _STANDING_STILL for pid in pids):
        if time.monotonic() > deadline:
            raise TimeoutError("a stopped process does not stand still")
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.001)


def _state(pid: int) -> str:
    stat = _stat(pid)
    return stat[0] if stat else "X"


def _children(parent: int) -> list[int]:
    pids = [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()
    ]
    return [pid for pid in pids if (stat := _stat(pid)) and int(stat[1]) == parent]


def _stat(pid: int) -> list[str]:
    """State, parent and what follows them; nothing when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    # The name before them may hold blanks and brackets.
    return text.rpartition(")")[2].split()
