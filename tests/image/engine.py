"""An engine of containers for the tests: buildah and podman on a storage of their own.

Owns finding out whether containers can run here, and that neither an image nor a container of anybody else is
seen or touched. Knows nothing of the relay.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Final

from tests.install_tools import find

__all__ = ["CACHE", "OURS", "RUN", "Engine", "NoContainersError", "open_engine"]

CACHE: Final = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "runflow-relay"
)
TOOLS: Final = ("buildah", "podman", "runc")
#: Says which process's tests a container belongs to.
OWNER: Final = "runflow-relay.tests"
#: What every container has. By itself podman asks for more than some machines grant.
OURS: Final = (
    "--ulimit=nofile=4096:4096",
    "--ulimit=nproc=4096:4096",
    f"--label={OWNER}={os.getpid()}",
)
#: How one is run that ends by itself.
RUN: Final = ("podman", "run", "--rm", *OURS)
#: A build from nothing takes a minute; a slow machine gets ten.
BUILD_S_MAX: Final = 600
CALL_S_MAX: Final = 60


class NoContainersError(Exception):
    """No container can run on this machine; says why."""


@dataclass(frozen=True, slots=True)
class Engine:
    """buildah and podman, both told where their storage lies."""

    directory: Path
    environ: Mapping[str, str]

    def call(
        self,
        *words: str,
        check: bool = True,
        within_s: float = CALL_S_MAX,
        **environ: str,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command of theirs; what it said is part of its failure."""
        done = subprocess.run(
            words,
            check=False,
            capture_output=True,
            text=True,
            timeout=within_s,
            env={**self.environ, **environ},
            cwd="/",
        )
        if check and done.returncode:
            said = done.stdout[-1000:] + done.stderr
            raise AssertionError(f"{' '.join(words)}: {said}")
        return done

    def say(self, *words: str) -> str:
        """What a command says."""
        return self.call(*words).stdout.strip()

    def end_forsaken(self) -> None:
        """Remove the containers of runs of tests that were killed: nobody else would."""
        listed = self.say(
            "podman", "ps", "--all", f"--filter=label={OWNER}",
            f'--format={{{{.ID}}}} {{{{index .Labels "{OWNER}"}}}}',
        )  # fmt: skip
        for line in listed.splitlines():
            container, owner = line.split()
            if not Path("/proc", owner).exists():
                self.call("podman", "rm", "--force", "--volumes", "--time=0", container)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Only one at a time changes what is kept for later."""
        with (self.directory / "lock").open("w") as lock:
            flock(lock, LOCK_EX)
            yield

    @contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """The files of an image, to look at."""
        made = self.say("buildah", "from", "--pull-never", image)
        try:
            yield Path(self.say("buildah", "mount", made))
        finally:
            self.call("buildah", "rm", made)


def open_engine() -> Engine:
    """The engine.

    Raises:
        NoContainersError: there is none, or it does not work here.
    """
    lacking = [tool for tool in TOOLS if find(tool) is None]
    if lacking:
        raise NoContainersError(f"{', '.join(lacking)} could not be installed")
    if os.geteuid() != 0:
        raise NoContainersError("only root starts containers in the tests")
    directory = CACHE / "containers"
    directory.mkdir(parents=True, exist_ok=True)
    engine = Engine(directory, _environ(directory))
    asked = engine.call("podman", "info", check=False)
    if asked.returncode:
        raise NoContainersError(f"podman does not work: {asked.stderr.strip()[-300:]}")
    return engine


def _environ(directory: Path) -> dict[str, str]:
    """What leads both to a storage of the tests' own, and to a runtime that needs no init system."""
    # What runs must be forgotten with the machine's restart, and its sockets need a short path.
    running = Path(
        "/run/relay-tests-" + hashlib.sha256(bytes(directory)).hexdigest()[:12]
    )
    storage, settings = directory / "storage.conf", directory / "containers.conf"
    storage.write_text(
        f'[storage]\ndriver = "{_driver(directory)}"\n'
        f'graphroot = "{directory / "storage"}"\nrunroot = "{running / "storage"}"\n'
    )
    settings.write_text(
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        f'tmp_dir = "{running / "libpod"}"\n'
        '[containers]\nlog_driver = "k8s-file"\n'
    )
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RELAY", "CONTAINERS_", "BUILDAH_"))
    }
    return {
        **kept,
        "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin",
        "CONTAINERS_STORAGE_CONF": str(storage),
        "CONTAINERS_CONF": str(settings),
    }


def _driver(directory: Path) -> str:
    """Layers as the kernel has them; as copies where the folder itself lies on such layers."""
    kind = subprocess.run(
        [shutil.which("stat") or "stat", "-f", "-c", "%T", str(directory)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    return "vfs" if kind in {"overlay", "overlayfs", "tmpfs"} else "overlay"
