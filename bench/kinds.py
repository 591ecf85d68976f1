"""Kinds: the three things measured, each as the destination that it gives the relay.

Owns what stands at the other end of the relay, and how arrivals there are recounted by id: nothing at
all (acks), the sink (http), a real Kafka (kafka). Must not know of rates.
"""

import asyncio
import http.client
import itertools
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import msgspec
from aiokafka import AIOKafkaConsumer

from bench.child import Child, small_server
from relay.sandbox.kafka import LocalKafka

__all__ = ["GOALS", "Arrivals", "Kind", "Site", "nowhere", "open_kinds"]

#: The goal of each kind, as a share of the echo beside it.
GOALS: Final = {"acks": 0.45, "http": 0.18, "kafka": 0.28}

_SIGNING_KEY: Final = "whsec_YmVuY2gtc2lnbmluZy1rZXktb2YtMzItYnl0ZXMtISE="
_CONCURRENCY: Final = 64
_PARTITIONS: Final = 3
#: A broker for throughput, with both compilers; that of demo and tests has one.
_JAVA: Final = ("-Xms256m", "-Xmx256m", "-XX:+UseSerialGC")
_READ_LIMIT_S: Final = 60.0


class Arrivals(msgspec.Struct, frozen=True, kw_only=True):
    """What came to the other end."""

    ids: set[str]
    repeats: int
    #: When the last new one came, in microseconds.
    last_us: int
    #: Whether that is wall time; else it is the machine's monotonic clock.
    wall: bool


class Site(Protocol):
    """The other end of one leg."""

    @property
    def destination(self) -> dict[str, object]:
        """The relay's configuration of it, but for the name."""
        ...

    def arrivals(self) -> Arrivals | None:
        """Recount what came; None where nothing ever does."""
        ...


#: Opens the other end for one leg; its log goes into the directory.
Kind = Callable[[Path], AbstractContextManager[Site]]


@contextmanager
def open_kinds(names: list[str], *, load_core: int) -> Iterator[dict[str, Kind]]:
    """Get ready what several legs share.

    Raises:
        KafkaUnavailableError: kafka is asked for and does not start.
    """
    with ExitStack() as stack:
        kinds: dict[str, Kind] = {}
        for name in names:
            if name == "acks":
                kinds[name] = nowhere
            elif name == "http":
                kinds[name] = partial(_sink, core=load_core)
            else:
                # It inherits our own core.
                broker = stack.enter_context(LocalKafka(java_options=_JAVA))
                kinds[name] = partial(_topic, broker=broker, numbers=itertools.count())
        yield kinds


class _Nowhere:
    """A port that nothing listens at: after ten tries the relay only probes, and rows are all it makes."""

    def __init__(self, port: int) -> None:
        self.destination: dict[str, object] = _http_destination(port)

    def arrivals(self) -> None:
        """Nothing comes."""


@contextmanager
def nowhere(_: Path) -> Iterator[Site]:
    """Hold a port that refuses connections."""
    with socket.socket() as held:
        # Bound, so that nobody else listens there, and never listening.
        held.bind(("127.0.0.1", 0))
        yield _Nowhere(held.getsockname()[1])


class _Sink:
    def __init__(self, child: Child) -> None:
        self._child = child
        self.destination: dict[str, object] = _http_destination(child.port)

    def arrivals(self) -> Arrivals:
        """Ask the sink."""
        counts = json.loads(self._get("/"))
        ids = self._get("/ids").decode().split()
        return Arrivals(
            ids=set(ids),
            repeats=counts["repeats"] + counts["malformed"],
            last_us=counts["last_us"],
            wall=False,
        )

    def _get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._child.port)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()


@contextmanager
def _sink(directory: Path, *, core: int) -> Iterator[Site]:
    with small_server("bench.sink", core=core, log=directory / "sink.log") as child:
        yield _Sink(child)


class _Topic:
    def __init__(self, broker: LocalKafka, name: str) -> None:
        self._broker = broker
        self._name = name
        self.destination: dict[str, object] = {
            "kind": "kafka",
            "bootstrap_servers": broker.bootstrap_servers,
            "topic": name,
        }

    def arrivals(self) -> Arrivals:
        """Read the topic whole; the broker has stamped each record with the time of its coming."""
        return asyncio.run(self._read())

    async def _read(self) -> Arrivals:
        ids: list[str] = []
        last_ms = 0
        reader = AIOKafkaConsumer(
            self._name,
            bootstrap_servers=self._broker.bootstrap_servers,
            auto_offset_reset="earliest",
        )
        async with asyncio.timeout(_READ_LIMIT_S), reader:
            ends = await reader.end_offsets(reader.assignment())
            while any([await reader.position(tp) < end for tp, end in ends.items()]):
                found = await reader.getmany(timeout_ms=1000)
                for record in itertools.chain.from_iterable(found.values()):
                    ids.append(dict(record.headers)["ce_id"].decode())
                    last_ms = max(last_ms, record.timestamp)
        unique = set(ids)
        return Arrivals(
            ids=unique,
            repeats=len(ids) - len(unique),
            last_us=last_ms * 1000,
            wall=True,
        )


@contextmanager
def _topic(
    _: Path, *, broker: LocalKafka, numbers: "itertools.count[int]"
) -> Iterator[Site]:
    name = f"bench-{next(numbers)}"
    settings = {"message.timestamp.type": "LogAppendTime"}
    asyncio.run(broker.create_topic(name, partitions=_PARTITIONS, settings=settings))
    yield _Topic(broker, name)


def _http_destination(port: int) -> dict[str, object]:
    return {
        "kind": "http",
        "url": f"http://127.0.0.1:{port}/events",
        "private": True,
        "secret": _SIGNING_KEY,
        "concurrency": _CONCURRENCY,
    }
