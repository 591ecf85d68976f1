"""A relay in a container, as strictly kept as a platform team would keep it.

Owns its start, its signals, its end and asking it. Every box is a container of the tests' own storage, on the
network of this machine's loopback, and is removed with its test.
"""

import json
import secrets
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.acceptance.relays import SECRET, SINK_SECRET
from tests.image.engine import OURS, Engine
from tests.places import HOST, free_port

__all__ = ["STRICT", "Box", "any_user"]

#: What is taken away. No folder of memory is given in the place of a root that can be written.
STRICT: Final = (
    "--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL",
    "--security-opt=no-new-privileges", "--pids-limit=64", "--memory=512m",
    "--network=host", *OURS,
)  # fmt: skip
READY_S_MAX: Final = 30.0


def any_user() -> str:
    """A user and a group that nobody has heard of."""
    return f"{20_000 + secrets.randbelow(10**9)}:{20_000 + secrets.randbelow(10**9)}"


@dataclass
class Box:
    """One container, from its first start until it is removed."""

    engine: Engine
    image: str
    directory: Path
    sink_port: int
    user: str = field(default_factory=any_user)
    #: What the relay is told about its listener.
    public: str = "drain_delay: 1s, stop_timeout: 5s"
    name: str = field(default_factory=lambda: f"relay-{secrets.token_hex(6)}")
    port: int = field(default_factory=free_port)
    operator: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/callbacks/acme"

    def configure(self) -> None:
        """Everything by name, but where its data lies."""
        self.directory.mkdir(mode=0o755)
        (self.directory / "relay.yaml").write_text(
            f'public: {{listen: "{HOST}:{self.port}", {self.public}}}\n'
            f'operator: {{listen: "{HOST}:{self.operator}"}}\n'
            "limits: {min_free_disk: 1MiB}\n"
            f'sources: [{{name: acme, secret: "{SECRET}"}}]\n'
            "destinations:\n"
            f'  - {{name: sink, kind: http, url: "http://{HOST}:{self.sink_port}/",'
            f' private: true, secret: "{SINK_SECRET}", ladder: [0s, 200ms]}}\n'
        )

    def create(self, words: Sequence[str] = (), *, options: Sequence[str] = ()) -> None:
        """Make the container with its volume; it does not run yet."""
        self.engine.call(
            "podman", "create", "--name", self.name, *STRICT, "--user", self.user,
            "--volume", f"{self.directory}:/etc/relay:ro",
            "--volume", f"{self.name}:/var/lib/relay",
            *options, self.image, *words,
        )  # fmt: skip

    def start(self) -> float:
        """Start it and wait until it is ready; how long that took from the word, in seconds."""
        began = time.monotonic()
        self.engine.call("podman", "start", self.name)
        self.await_ready()
        return time.monotonic() - began

    def await_ready(self) -> None:
        """Wait until it is ready; it fails when it has ended."""
        began = time.monotonic()
        while not self._is_ready():
            if time.monotonic() - began > READY_S_MAX or not self._runs():
                raise AssertionError(self.logs())

    def _is_ready(self) -> bool:
        url = f"http://{HOST}:{self.operator}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _runs(self) -> bool:
        return self._asked("{{.State.Running}}") == "true"

    def _asked(self, what: str) -> str:
        return self.engine.say("podman", "inspect", "--format", what, self.name)

    def pid(self) -> int:
        """Its first process, as this machine calls it."""
        return int(self._asked("{{.State.Pid}}"))

    def signal(self, name: str) -> None:
        self.engine.call("podman", "kill", "--signal", name, self.name)

    def wait(self) -> int:
        """Its exit code, when it has ended."""
        return int(self.engine.say("podman", "wait", self.name))

    def run(self, *words: str) -> str:
        """What a command says that is run inside, by its user."""
        return self.engine.say("podman", "exec", self.name, *words)

    def is_healthy(self) -> bool:
        """What the engine finds when it asks as the image says."""
        asked = self.engine.call("podman", "healthcheck", "run", self.name, check=False)
        return asked.returncode == 0

    def ledger(self) -> dict[str, dict[str, int]]:
        """What `relay ledger --verify` counts by destination; it must balance."""
        said = json.loads(self.run("relay", "ledger", "--verify", "--json"))
        assert said["faults"] == []
        found: dict[str, dict[str, int]] = said["destinations"]
        return found

    def logs(self) -> str:
        said = self.engine.call("podman", "logs", self.name, check=False)
        return said.stdout + said.stderr

    def remove(self) -> None:
        self.engine.call("podman", "rm", "--force", "--time=0", self.name, check=False)
        self.engine.call("podman", "volume", "rm", "--force", self.name, check=False)
