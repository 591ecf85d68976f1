"""What the compose file starts, started here: the same commands, configuration and environment, on free ports of loopback.

Owns the mapping of the names and ports of containers to those of this machine.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from relay.sandbox.kafka import Listener, LocalKafka
from relay.sandbox.kafka_settings import CONTROLLER, INTERNAL
from tests.places import free_port

__all__ = ["COMPOSE", "FILE", "ComposedKafka", "Ground"]

FILE: Final = Path(__file__).parents[2] / "config" / "compose.yaml"
COMPOSE: Final[Mapping[str, Any]] = YAML(typ="safe").load(FILE.read_text())
READY_S: Final = 30.0


def kafka_properties() -> dict[str, str]:
    """The environment as the image makes properties of it: three underscores are a dash, two one, one a dot."""
    given = COMPOSE["services"]["kafka"]["environment"]
    found = {}
    for name, value in given.items():
        if name.startswith("KAFKA_"):
            words = name.removeprefix("KAFKA_").lower()
            dotted = re.sub("___|__|_", lambda it: "-_."[3 - len(it[0])], words)
            found[dotted] = str(value)
    return found


class ComposedKafka(LocalKafka):
    """A broker that is told what the compose file tells the image, and nothing else."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, listeners=(Listener(),))

    def _configure(self) -> Path:
        ports = {
            "29093": self.address(CONTROLLER),
            "19092": self.address(INTERNAL),
            "9092": self.address("CLIENT"),
        }
        text = "".join(f"{k}={v}\n" for k, v in kafka_properties().items())
        for port, address in ports.items():
            text = re.sub(rf"(?<=[/@])[a-z0-9.]*:{port}\b", address, text)
        text = text.replace("/var/lib/kafka/data", str(self._node.data))
        path = super()._configure()
        path.write_text(text)
        return path


class Ground:
    """The containers' names, as they are on this machine."""

    def __init__(self, directory: Path, *, kafka: str, store: str) -> None:
        self.directory = directory
        self.ports = {port: free_port() for port in ("8080", "8081", "8090")}
        self._hosts = {"kafka:19092": kafka}
        self._processes: list[subprocess.Popen[bytes]] = []
        secrets = directory / "secrets"
        secrets.mkdir()
        for name, secret in COMPOSE["secrets"].items():
            (secrets / name).write_bytes((FILE.parent / secret["file"]).read_bytes())
        (secrets / "store_url").write_text(store)

    def here(self, text: str) -> str:
        """The text with addresses and paths of this machine."""
        for inside, outside in self._hosts.items():
            text = text.replace(inside, outside)
        for port, ours in self.ports.items():
            text = re.sub(rf"\b(?:relay|sandbox):{port}\b", f"127.0.0.1:{ours}", text)
            text = re.sub(rf"\b(127\.0\.0\.1|0\.0\.0\.0):{port}\b", rf"\1:{ours}", text)
            text = re.sub(rf"^{port}$", str(ours), text)
        text = text.replace("/run/secrets", str(self.directory / "secrets"))
        return text.replace("/var/lib/relay", str(self.directory / "data"))

    def start(self, service: str) -> None:
        """Start a service by its own command, and wait until its own health check is content."""
        about = COMPOSE["services"][service]
        config = self.directory / "relay.yaml"
        mounted = (FILE.parent / COMPOSE["configs"]["relay"]["file"]).read_text()
        config.write_text(self.here(mounted))
        words = [self.here(str(word)) for word in about["command"]]
        with (self.directory / f"{service}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "relay", *words],
                env={**os.environ, "RELAY_CONFIG": str(config)},
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        deadline = time.monotonic() + READY_S
        while not self._is_healthy(about):
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
            if process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError((self.directory / f"{service}.log").read_text())

    def _is_healthy(self, about: Mapping[str, Any]) -> bool:
        how, _, *rest = about["healthcheck"]["test"]
        assert how == "CMD"
        command = [sys.executable, *(self.here(word) for word in rest)]
        asked = subprocess.run(command, check=False, stderr=subprocess.DEVNULL)
        return asked.returncode == 0

    def run(self, *words: str) -> str:
        """What a verb says, asked as in the relay's container."""
        config = self.directory / "relay.yaml"
        said = subprocess.run(
            [sys.executable, "-m", "relay", *words],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "RELAY_CONFIG": str(config)},
        )
        assert said.returncode == 0, said.stdout + said.stderr
        return said.stdout

    def stop(self) -> list[int]:
        """Stop the services as compose does, the last one first; their exit codes."""
        codes = []
        for process in reversed(self._processes):
            process.terminate()
            codes.append(process.wait(READY_S))
        self._processes.clear()
        return codes
