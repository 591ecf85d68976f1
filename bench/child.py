"""Child: a process of ours on one core, from its start to its end.

Owns starting it pinned (``taskset``), waiting until it says that it is ready, and ending it. Must not
know what it serves.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["ROOT", "Child", "ChildError", "relay_serve", "running", "small_server"]

ROOT: Final = Path(__file__).resolve().parent.parent
_START_LIMIT_S: Final = 20.0
_STOP_LIMIT_S: Final = 60.0
_TICK_S: Final = 0.02


class ChildError(RuntimeError):
    """A process did not start, or ended when it should not have."""


class Child:
    """One process; its two outputs are the file ``log``."""

    def __init__(self, arguments: list[str], *, core: int, log: Path) -> None:
        self.log = log
        self.arguments = arguments
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), sys.executable, *arguments],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.port = 0

    @property
    def pid(self) -> int:
        """Its id; taskset becomes the program, so it is the program's own."""
        return self._process.pid

    def lines(self) -> list[str]:
        """Everything it has said so far, whole lines only."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return text[: text.rfind("\n") + 1].splitlines()

    def wait_until(self, ready: Callable[[], bool], *, limit_s: float) -> bool:
        """Look until ``ready``; False when it took longer than ``limit_s``.

        Raises:
            ChildError: the process ended meanwhile.
        """
        deadline = time.monotonic() + limit_s
        while not ready():
            if time.monotonic() > deadline:
                return False
            self.pause(_TICK_S)
        return True

    def pause(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ChildError: the process ended meanwhile.
        """
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        said = "\n".join(self.lines()[-10:])
        raise ChildError(f"{' '.join(self.arguments)} ended with code {code}:\n{said}")

    def stop(self) -> int:
        """SIGTERM, then wait; gives the exit code. Idempotent."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return self._process.returncode


@contextmanager
def running(
    arguments: list[str], port_of: Callable[[str], int | None], *, core: int, log: Path
) -> Iterator[Child]:
    """Start, wait until a line of its log gives a port, and stop at the end.

    Raises:
        ChildError: it did not get ready.
    """
    child = Child(arguments, core=core, log=log)

    def ready() -> bool:
        ports = (port_of(line) for line in child.lines())
        child.port = next((port for port in ports if port), 0)
        return child.port > 0

    try:
        if not child.wait_until(ready, limit_s=_START_LIMIT_S):
            raise ChildError(f"{' '.join(arguments)} did not get ready; see {log}")
        yield child
    finally:
        child.stop()


@contextmanager
def small_server(module: str, *, core: int, log: Path) -> Iterator[Child]:
    """Run one of the bench's own servers."""

    def port_of(line: str) -> int | None:
        word, _, port = line.partition(" ")
        return int(port) if word == "READY" else None

    with running(["-m", module], port_of, core=core, log=log) as child:
        yield child


@contextmanager
def relay_serve(
    config: Path, *, core: int, log: Path, launcher: tuple[str, ...] = ("-m", "relay")
) -> Iterator[Child]:
    """Run the relay on a configuration whose ports are 0."""

    def port_of(line: str) -> int | None:
        if '"relay.ready"' not in line:
            return None
        return int(str(json.loads(line)["public"]).rpartition(":")[2])

    arguments = [*launcher, "serve", "--config", str(config)]
    with running(arguments, port_of, core=core, log=log) as child:
        yield child
