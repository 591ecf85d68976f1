"""Pods: what a manifest says, as processes on loopback.

Owns a pod's files, its ports and its process. Nothing of the manifest is changed but where it lies and where it
listens: mounted paths lie below a directory of the pod's own, ports are free ones of loopback. Must not know who
sends requests to it.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.places import HOST, free_port
from tests.rolling.manifests import PodPlan

__all__ = ["Pod"]

#: What the image's ``relay`` is here.
_PROGRAM: Final = {"relay": (sys.executable, "-m", "relay")}
#: Which setting says where a port of the container listens.
_LISTEN: Final = {
    "public": "RELAY__PUBLIC__LISTEN",
    "operator": "RELAY__OPERATOR__LISTEN",
}


class Pod:
    """One replica. Each start is a new pod at the old address: its volumes begin empty."""

    def __init__(self, plan: PodPlan, directory: Path) -> None:
        self.plan = plan
        self.name = directory.name
        self._root = directory
        self._ports = {name: free_port() for name in plan.ports}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """All that its processes have said."""
        return self._root.with_suffix(".log")

    def port(self, named: str) -> int:
        """A port of the container, by its name or number, as it is found on loopback."""
        numbers = {str(number): name for name, number in self.plan.ports.items()}
        return self._ports[numbers.get(named, named)]

    def start(self) -> None:
        """Start it, and wait for nothing: when it may be sent requests, its probe says."""
        shutil.rmtree(self._root, ignore_errors=True)
        for mount in self.plan.mounts:
            self._placed(mount).mkdir(parents=True)
        for path, content in self.plan.files.items():
            self._write(path, content)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._root,
                env=self.environ(),
                start_new_session=True,
            )

    def run(self) -> int:
        """Start one that ends by itself; its exit code."""
        self.start()
        return self.wait()

    def command(self, verb: str = "serve") -> list[str]:
        """What it starts, here; with another verb, what somebody in the container would type."""
        first, *rest = (verb if w == "serve" else w for w in self.plan.command)
        return [*_PROGRAM[first], *(self._moved(word) for word in rest)]

    def environ(self) -> Mapping[str, str]:
        """What it knows of the world: the manifest's words, and where it listens here."""
        listens = {
            _LISTEN[name]: f"{HOST}:{port}" for name, port in self._ports.items()
        }
        said = {name: self._moved(text) for name, text in self.plan.environ.items()}
        return {"PATH": os.environ.get("PATH", os.defpath), **said, **listens}

    def terminate(self) -> None:
        """Ask it to end, as kubelet does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Its exit code; it is killed when its grace is over, as kubelet does."""
        assert self._process is not None
        try:
            return self._process.wait(self.plan.grace_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _write(self, path: str, content: bytes) -> None:
        placed = self._placed(path)
        placed.parent.mkdir(parents=True, exist_ok=True)
        if placed.is_dir():
            # A single file is mounted there.
            placed.rmdir()
        placed.write_text(self._moved(content.decode()))
        placed.chmod(0o400)

    def _placed(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def _moved(self, text: str) -> str:
        """The same words, with each mounted path as it is found here."""
        mounts = "|".join(re.escape(mount) for mount in self.plan.mounts)
        found = re.compile(rf"(?<![\w./-])({mounts})(?![\w.-])")
        return found.sub(lambda path: str(self._placed(path[0])), text)
