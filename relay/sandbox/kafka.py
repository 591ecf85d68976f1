"""A local Apache Kafka: the real broker, as one child process that can be killed and hung at will.

Owns the process, its ports and its data directory: Kafka 4.1.1, one node that is broker and
controller, listening on 127.0.0.1 only. Must not know what is sent through it. Imports nothing of
the relay, never prints, and uses no network but for the first download of Kafka's jars.

Every method that waits for the process blocks; from an event loop call it as
``await asyncio.to_thread(broker.start)``.
"""

import asyncio
import base64
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from relay.sandbox.kafka_jars import KafkaUnavailableError, class_path, java
from relay.sandbox.kafka_settings import (
    CONTROLLER,
    INTERNAL,
    Listener,
    Node,
    properties,
)

__all__ = ["FAST_START", "KafkaUnavailableError", "Listener", "LocalKafka"]

#: Java options for a broker that starts soon and stays small. For throughput leave the last one out.
FAST_START: Final = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
#: What Java would otherwise warn about in the broker's log.
_QUIET: Final = (
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
)
# Below every usual ephemeral range, so that no outgoing connection can take a port
# between two starts of the broker.
_PORTS: Final = range(20_000, 30_000)
_HOST: Final = "127.0.0.1"
_ANSWER_LIMIT_S: Final = 10.0
_EXISTS: Final = 36
#: INVALID_REPLICATION_FACTOR: no broker is there to hold the topic.
_FENCED: Final = 38


class LocalKafka:
    """One broker. Data and ports stay the same from one start to the next.

    Args:
        directory: where its data, configuration and log (``broker.log``) live; without one a
            temporary directory, which `close` removes.
        listeners: the doors for clients, the first being the usual one.
        users: name and password of each SASL user; letters and digits only.
        key_store: PEM file with the broker's PKCS#8 key and certificate chain, for TLS.
        trust_store: PEM file with the CA of client certificates.
        java_options: of the broker's Java.
        start_limit_s: how long a start may take, in seconds.
    """

    def __init__(
        self,
        *,
        directory: Path | None = None,
        listeners: Sequence[Listener] = (Listener(),),
        users: Mapping[str, str] | None = None,
        key_store: Path | None = None,
        trust_store: Path | None = None,
        java_options: Sequence[str] = FAST_START,
        start_limit_s: float = 60.0,
    ) -> None:
        users = dict(users or {})
        if not all(f"{name}{word}".isalnum() for name, word in users.items()):
            raise ValueError("names and passwords may hold letters and digits only")
        self._temporary = directory is None
        self._directory = directory or Path(tempfile.mkdtemp(prefix="kafka-"))
        self._ports = _free_ports(
            [*(it.name for it in listeners), INTERNAL, CONTROLLER]
        )
        self._node = Node(
            data=self._directory / "data",
            listeners=tuple(listeners),
            addresses={name: f"{_HOST}:{port}" for name, port in self._ports.items()},
            users=users,
            key_store=key_store,
            trust_store=trust_store,
        )
        self._java_options = tuple(java_options)
        self._start_limit_s = start_limit_s
        self._process: subprocess.Popen[bytes] | None = None
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
    def bootstrap_servers(self) -> str:
        """``host:port`` of the first listener."""
        return self.address(self._node.listeners[0].name)

    def address(self, listener: str) -> str:
        """``host:port`` of a listener by its name; ``INTERNAL`` is plain and for administration."""
        return self._node.addresses[listener]

    @property
    def log(self) -> Path:
        """What the broker has to say; errors only."""
        return self._directory / "broker.log"

    def start(self) -> None:
        """Start the process and wait until it serves clients. Does nothing when it runs.

        Raises:
            KafkaUnavailableError: packages are missing, or the broker does not come up.
        """
        if self._process is not None and self._process.poll() is None:
            return
        configuration = self._configure()
        self._log_read = self.log.stat().st_size if self.log.exists() else 0
        self._format(configuration)
        self._process = self._spawn("kafka.Kafka", str(configuration))
        try:
            self._await_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self, limit_s: float = 10.0) -> None:
        """Ask the process to end, wait for it, and kill it when it takes too long."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(limit_s)
        self.kill()

    def kill(self) -> None:
        """SIGKILL: end at once, with nothing flushed and nobody told."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stop if it runs, then start on the same data and ports."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: it hangs, with its connections open, until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop, and remove the directory if it was a temporary one."""
        self.stop()
        if self._temporary:
            shutil.rmtree(self._directory, ignore_errors=True)

    async def serving(self) -> None:
        """Wait until it serves clients: after a long `pause` it answers, and names no broker.

        Raises:
            KafkaUnavailableError: not within 10 s.
        """
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                while not await self._is_unfenced():
                    pass
        except TimeoutError as error:
            raise KafkaUnavailableError("the local Kafka does not serve") from error

    async def create_topic(
        self,
        name: str,
        *,
        partitions: int = 1,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Create a topic if it does not exist, and wait until each partition has a leader.

        Raises:
            KafkaUnavailableError: the broker refuses, or takes more than 10 s.
        """
        topic = NewTopic(name, partitions, 1, topic_configs=dict(settings or {}))
        await self.serving()
        admin = self._admin()
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                await admin.start()
                code, reason = await self._create(admin, topic)
                if code not in (0, _EXISTS):
                    raise KafkaUnavailableError(f"cannot create {name}: {reason}")
                while not await _has_leaders(admin, name, partitions):
                    pass
        except (KafkaError, TimeoutError) as error:
            raise KafkaUnavailableError(f"cannot create {name}: {error}") from error
        finally:
            await admin.close()

    async def _create(
        self, admin: AIOKafkaAdminClient, topic: NewTopic
    ) -> tuple[int, str | None]:
        """Ask the controller, once one is known; gives Kafka's code, and its words for it."""
        while True:
            try:
                answer = await admin.create_topics([topic])
                code, reason = answer.topic_errors[0][1:3]
                if code != _FENCED:
                    return code, reason
            except AttributeError:
                # What aiokafka makes of metadata without brokers.
                pass
            # One that has slept is fenced, and may be once more after it has served.
            await self.serving()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _admin(self) -> AIOKafkaAdminClient:
        return AIOKafkaAdminClient(bootstrap_servers=self.address(INTERNAL))

    def _configure(self) -> Path:
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / "server.properties"
        lines = (f"{name}={value}\n" for name, value in properties(self._node).items())
        path.write_text("".join(lines))
        return path

    def _format(self, configuration: Path) -> None:
        """Give the data directory its identity and SCRAM users, once."""
        if (self._node.data / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        process = self._spawn(
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster}",
            f"--config={configuration}",
            *(f"--add-scram={user}" for user in self._node.scram_users),
        )
        try:
            if process.wait(self._start_limit_s) != 0:
                raise self._unavailable("cannot format its data directory")
        except subprocess.TimeoutExpired as error:
            raise self._unavailable("takes too long to format") from error
        finally:
            process.kill()
            process.wait()

    def _spawn(self, main: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [str(java()), *self._java_options, *_QUIET]
        command += ["-cp", ":".join(map(str, class_path())), main, *arguments]
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C is for the owner, who stops the broker in order.
            return subprocess.Popen(  # noqa: S603 - our own program and arguments
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._start_limit_s
        while not self._serves():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.05)
            if process.returncode is not None:
                raise self._unavailable(f"ended with code {process.returncode}")
            if time.monotonic() > deadline:
                raise self._unavailable(f"not ready after {self._start_limit_s:g} s")
        if self._errors():
            # One door may stand open for a moment when another could not be opened.
            raise self._unavailable("did not start whole")

    def _serves(self) -> bool:
        try:
            socket.create_connection((_HOST, self._ports[INTERNAL]), 1).close()
        except OSError:
            return False
        return asyncio.run(self._is_unfenced())

    async def _is_unfenced(self) -> bool:
        """Whether the broker counts itself among those that serve."""
        admin = self._admin()
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                await admin.start()
                return bool((await admin.describe_cluster())["brokers"])
        except (KafkaError, TimeoutError):
            return False
        finally:
            await admin.close()

    def _unavailable(self, what: str) -> KafkaUnavailableError:
        said = " / ".join(self._errors())[:1000] or "it said nothing"
        return KafkaUnavailableError(f"the local Kafka {what}: {said}")

    def _errors(self) -> list[str]:
        """Error lines of the log since the last start."""
        said = self.log.read_bytes()[self._log_read :].decode(errors="replace")
        return [line for line in said.splitlines() if " ERROR " in line]


async def _has_leaders(admin: AIOKafkaAdminClient, name: str, partitions: int) -> bool:
    (topic,) = await admin.describe_topics([name])
    leaders = [it["leader"] for it in topic["partitions"] if not it["error_code"]]
    return len(leaders) == partitions and min(leaders) >= 0


def _free_ports(names: Sequence[str]) -> dict[str, int]:
    """One port for each name that nothing listens on, each kept until all are found."""
    ports: dict[str, int] = {}
    held: list[socket.socket] = []
    try:
        while len(ports) < len(names):
            candidate = secrets.choice(_PORTS)
            probe = socket.socket()
            held.append(probe)
            with suppress(OSError):
                probe.bind((_HOST, candidate))
                ports[names[len(ports)]] = candidate
    finally:
        for probe in held:
            probe.close()
    return ports
