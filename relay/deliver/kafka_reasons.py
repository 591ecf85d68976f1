"""Reasons: why no broker can be reached, which aiokafka says in its log and never in what it raises.

Owns listening to that log while a client starts, and the words for what was heard. Must not know of
producers or records. Each task hears only what was said on its own behalf.
"""

import logging
import os
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from aiokafka.errors import KafkaConnectionError, UnsupportedSaslMechanismError

__all__ = ["Heard", "cannot_connect", "listening", "why"]

#: Addresses that could not be used, and why. No errors: they would keep what they met alive.
Heard = dict[str, str]

_HEARD: Final[ContextVar[Heard | None]] = ContextVar("relay_kafka_heard", default=None)

# The first class that fits gives the words.
_WORDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (TimeoutError, "timed out"),
    (KafkaConnectionError, "closed by the broker"),
    (UnsupportedSaslMechanismError, "does not offer this SASL mechanism"),
)


class _Ear(logging.Handler):
    """Keeps what is logged as ``host, port, error``; prints nothing."""

    def emit(self, record: logging.LogRecord) -> None:
        heard = _HEARD.get()
        match record.args:
            case (host, port, BaseException() as error) if heard is not None:
                heard[f"{host}:{port}"] = why(error)


_EAR: Final = _Ear(logging.WARNING)


@contextmanager
def listening() -> Iterator[Heard]:
    """Collect what aiokafka's client says of addresses that it could not use."""
    logging.getLogger("aiokafka").addHandler(_EAR)
    heard: Heard = {}
    token = _HEARD.set(heard)
    try:
        yield heard
    finally:
        _HEARD.reset(token)


def cannot_connect(servers: Sequence[str], heard: Heard) -> str:
    """Say that none of the brokers can be reached, and why each cannot as far as it is known."""
    shown = [
        f"{server} ({heard[server]})" if server in heard else server
        for server in servers
    ]
    return f"cannot connect to {', '.join(shown)}"


def why(error: BaseException) -> str:
    """Say in a few words what went wrong."""
    words = [words for kind, words in _WORDS if isinstance(error, kind)]
    if words:
        return words[0]
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ConnectionError) and error.errno:
        # An event loop's own words for it repeat the address.
        return os.strerror(error.errno)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
