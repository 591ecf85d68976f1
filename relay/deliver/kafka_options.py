"""Kafka options: one Kafka destination as configured, and what a client is told of it.

Owns the shape of the options and the TLS context made from files. Must not know of producers,
records or outcomes.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypedDict

from relay.core.shape import WHOLE, Shape

__all__ = ["Access", "KafkaOptions", "KafkaSasl", "KafkaTls", "access_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaTls:
    """TLS to the brokers. Files are PEM, and are read again for each new producer."""

    #: Who may have signed the brokers' certificates; without it, whom the system trusts.
    ca_file: Path | None = None
    #: Our own certificate chain, where brokers ask for one, and its key without a passphrase.
    certificate_file: Path | None = None
    key_file: Path | None = None
    check_hostname: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSasl:
    """Name and password for the brokers."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaOptions:
    """One Kafka destination."""

    #: ``host:port`` of some brokers; the others are learned from them.
    bootstrap_servers: tuple[str, ...]
    topic: str
    client_id: str = "runflow-relay"
    tls: KafkaTls | None = None
    sasl: KafkaSasl | None = None
    #: Records in one call of the sender.
    batch: int = 500
    #: For one call as a whole, a new producer's start included.
    limit_s: float = 10.0
    #: For one request to one broker; also how long a hung partition leader goes unnoticed.
    request_timeout_s: float = 5.0
    #: How long a batch waits for company. Records of one call are batched without it.
    linger_ms: int = 0
    #: Records that wait for one partition go out together up to this size, before compression.
    batch_bytes: int = 64 * 1024
    #: Our own limit for one record, before compression; the topic's may be lower.
    record_bytes_max: int = 16 * 1024 * 1024
    #: How much of each event; its limit counts the whole record, headers and key included.
    shape: Shape = WHOLE


class Access(TypedDict):
    """What every client needs, producer or admin, in aiokafka's words."""

    bootstrap_servers: list[str]
    client_id: str
    request_timeout_ms: int
    security_protocol: str
    ssl_context: ssl.SSLContext | None
    sasl_mechanism: str
    sasl_plain_username: str | None
    sasl_plain_password: str | None


async def access_of(options: KafkaOptions) -> Access:
    """What clients of this destination are told.

    Raises:
        OSError: a TLS file cannot be read or used (``ssl.SSLError`` is one).
    """
    tls, sasl = options.tls, options.sasl
    kind = "PLAINTEXT" if tls is None else "SSL"
    return Access(
        bootstrap_servers=list(options.bootstrap_servers),
        client_id=options.client_id,
        request_timeout_ms=round(options.request_timeout_s * 1000),
        security_protocol=kind if sasl is None else f"SASL_{kind}",
        ssl_context=None if tls is None else await asyncio.to_thread(_context_of, tls),
        sasl_mechanism="PLAIN" if sasl is None else sasl.mechanism,
        sasl_plain_username=None if sasl is None else sasl.username,
        sasl_plain_password=None if sasl is None else sasl.password,
    )


def _context_of(tls: KafkaTls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file)
    context.check_hostname = tls.check_hostname
    if tls.certificate_file is not None:
        # An empty passphrase, or OpenSSL would ask at the terminal for that of an encrypted key.
        context.load_cert_chain(tls.certificate_file, tls.key_file, password="")
    return context
