"""A server as a direct child that can be killed, hung and begun again.

Owns one process, its directory, port and log, and the waiting until it answers. Must not know what
the server serves: which program, how it is prepared and what an answer is, a subclass says.

Every method that waits for the process blocks; from an event loop call it as
``await asyncio.to_thread(server.start)``.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

from tests import processes
from tests.places import free_port, new_directory

__all__ = ["Daemon", "DaemonUnavailableError"]

_STOP_LIMIT_S: Final = 10.0
# Somebody else at our port may take a connection and say nothing, while our process has ended.
_TRY_LIMIT_S: Final = 2.0
_TAIL_BYTES: Final = 2000


class DaemonUnavailableError(Exception):
    """It is not installed, does not come up, or does not do what a test needs."""


class Daemon(ABC):
    """One server. Directory and port stay the same from one start to the next."""

    #: What errors and the directory call it.
    name: ClassVar[str]
    #: Asks it to end without waiting for its clients.
    stop_signal: ClassVar[signal.Signals]
    #: Whether it runs as somebody without rights when we are root.
    drops_rights: ClassVar[bool] = True

    def __init__(self, *, start_limit_s: float) -> None:
        self._start_limit_s = start_limit_s
        self._account = processes.account() if self.drops_rights else None
        self._directory = new_directory(f"{self.name}-")
        if self._account:
            self._account.give(self._directory)
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._paused = False
        self._log_read = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        return self._port

    @property
    def pid(self) -> int:
        """The process itself, for those who trace it; its children have it as their parent."""
        if self._process is None:
            raise DaemonUnavailableError(f"{self.name} is not running")
        return self._process.pid

    @property
    def log(self) -> Path:
        """All that it has said."""
        return self._directory / "server.log"

    @abstractmethod
    def _prepare(self) -> None:
        """Write what the process needs before it starts; called before each start."""

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """The program and its arguments."""

    @abstractmethod
    async def _check(self) -> None:
        """Return if it answers, raise OSError or DaemonUnavailableError if it does not."""

    def start(self) -> None:
        """Start the process unless it runs, and wait until it answers.

        Raises:
            DaemonUnavailableError: it ends or takes too long; the end of its log is in the error.
        """
        self.resume()
        if self._process is None or self._process.poll() is not None:
            self._log_read = self.log.stat().st_size if self.log.exists() else 0
            self._prepare()
            self._process = self._spawn(self._command())
        try:
            self._await_answer(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask the process to end, wait for it, and kill it when it takes too long."""
        if self._process is None:
            return
        self.resume()
        self._process.send_signal(self.stop_signal)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_LIMIT_S)
        self.kill()

    def kill(self) -> None:
        """SIGKILL it and its children: all end at once, nothing flushed and nobody told."""
        if self._process is not None:
            processes.end(self._process)
            self._process, self._paused = None, False

    def pause(self) -> None:
        """SIGSTOP it and its children: they hang, with their connections open, until `resume`."""
        if self._process is not None and not self._paused:
            processes.freeze(self._process)
            self._paused = True

    def resume(self) -> None:
        """Let it go on after `pause`."""
        if self._process is not None and self._paused:
            processes.thaw(self._process)
            self._paused = False

    def close(self) -> None:
        """Stop, and remove the directory."""
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _run(self, command: Sequence[str]) -> None:
        """Run a program of the server's to its end."""
        process = self._spawn(command)
        try:
            if process.wait(self._start_limit_s) != 0:
                raise self._unavailable(
                    f"cannot be prepared by {Path(command[0]).name}"
                )
        except subprocess.TimeoutExpired as error:
            raise self._unavailable("takes too long to prepare") from error
        finally:
            processes.end(process)

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C is for the owner, who stops the server in order.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                env=_environment(),
                start_new_session=True,
                user=self._account.uid if self._account else None,
                group=self._account.gid if self._account else None,
                extra_groups=[] if self._account else None,
            )

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._start_limit_s
        while refusal := self._refusal():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.01)
            if process.returncode is not None:
                raise self._unavailable(f"ended with code {process.returncode}")
            if time.monotonic() > deadline:
                raise self._unavailable(
                    f"not ready after {self._start_limit_s:g} s ({refusal!r})"
                )

    def _refusal(self) -> Exception | None:
        try:
            asyncio.run(asyncio.wait_for(self._check(), _TRY_LIMIT_S))
        except (OSError, DaemonUnavailableError) as error:
            return error
        return None

    def _unavailable(self, what: str) -> DaemonUnavailableError:
        said = self.log.read_bytes()[self._log_read :][-_TAIL_BYTES:]
        tail = said.decode(errors="replace").strip() or "it said nothing"
        return DaemonUnavailableError(f"{self.name} {what}: {tail}")


def _environment() -> Mapping[str, str]:
    """No setting of the machine reaches a server: PostgreSQL reads many."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
