"""The configuration of a local Kafka: what a broker is told before it starts.

Owns the properties of one node that is broker and controller, and what its listeners ask of
clients. Pure: no process, no file. Imports nothing of the relay.

Source: Kafka 4.1, "Broker Configs" and "Security"
(https://kafka.apache.org/41/documentation.html).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

__all__ = ["CONTROLLER", "INTERNAL", "Listener", "Mechanism", "Node", "properties"]

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

#: The listener for administration and for the broker itself: plain, open, on loopback.
INTERNAL: Final = "INTERNAL"
CONTROLLER: Final = "CONTROLLER"

_SETTINGS: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": CONTROLLER,
    "inter.broker.listener.name": INTERNAL,
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    # A test's consumer need not wait for others that never come.
    "group.initial.rebalance.delay.ms": "0",
    # A killed broker is taken back when its old session has ended.
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "300",
    # The least that Kafka takes; its default is 128 MiB of heap.
    "log.cleaner.dedupe.buffer.size": "1048577",
}
_MODULES: Final[Mapping[Mechanism, str]] = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One door for clients and what it asks of them."""

    #: Upper-case letters; what its address is asked by.
    name: str = "CLIENT"
    tls: bool = False
    #: Whether a client must show a certificate that the trust store's CA has signed.
    client_certificate: bool = False
    sasl: Mechanism | None = None

    @property
    def protocol(self) -> str:
        """Kafka's word for the combination."""
        kind = "SSL" if self.tls else "PLAINTEXT"
        return f"SASL_{kind}" if self.sasl else kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What makes one broker different from another."""

    data: Path
    listeners: Sequence[Listener]
    #: ``host:port`` of each listener, `INTERNAL` and `CONTROLLER` included.
    addresses: Mapping[str, str]
    #: Name and password of each SASL user.
    users: Mapping[str, str]
    #: PEM: the broker's PKCS#8 key and certificate chain.
    key_store: Path | None = None
    #: PEM: the CA of client certificates.
    trust_store: Path | None = None

    @property
    def scram_users(self) -> list[str]:
        """SCRAM users, in the form in which formatting the data directory takes them."""
        mechanisms = {it.sasl for it in self.listeners if it.sasl} - {"PLAIN"}
        return [
            f"{mechanism}=[name={name},password={password}]"
            for mechanism in sorted(mechanisms)
            for name, password in self.users.items()
        ]


def properties(node: Node) -> dict[str, str]:
    """Every setting of the node, by its name in ``server.properties``."""
    protocols = {it.name: it.protocol for it in node.listeners}
    doors = [f"{name}://{node.addresses[name]}" for name in (*protocols, INTERNAL)]
    controller = node.addresses[CONTROLLER]
    protocols |= {INTERNAL: "PLAINTEXT", CONTROLLER: "PLAINTEXT"}
    settings = {
        **_SETTINGS,
        "log.dirs": str(node.data),
        "listeners": ",".join([*doors, f"{CONTROLLER}://{controller}"]),
        "advertised.listeners": ",".join(doors),
        "controller.quorum.voters": f"1@{controller}",
        "listener.security.protocol.map": ",".join(
            f"{name}:{protocol}" for name, protocol in protocols.items()
        ),
    }
    for listener in node.listeners:
        prefix = f"listener.name.{listener.name.lower()}"
        own = _tls_of(node, listener) | _sasl_of(node, listener)
        settings |= {f"{prefix}.{name}": value for name, value in own.items()}
    return settings


def _tls_of(node: Node, listener: Listener) -> dict[str, str]:
    if not listener.tls:
        return {}
    settings = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(node.key_store),
    }
    if listener.client_certificate:
        settings |= {
            "ssl.client.auth": "required",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(node.trust_store),
        }
    return settings


def _sasl_of(node: Node, listener: Listener) -> dict[str, str]:
    if listener.sasl is None:
        return {}
    module = f"{_MODULES[listener.sasl]} required"
    if listener.sasl == "PLAIN":
        # SCRAM's users live in the metadata, PLAIN's in the configuration.
        module += "".join(f' user_{n}="{p}"' for n, p in node.users.items())
    return {
        "sasl.enabled.mechanisms": listener.sasl,
        f"{listener.sasl.lower()}.sasl.jaas.config": f"{module};",
    }
