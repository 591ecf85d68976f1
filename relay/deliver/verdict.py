"""Verdict: what an HTTP answer, or the lack of one, means for the delivery.

Owns the table from status and fault to outcome, ``Retry-After``, and what is kept of an answer. Does
no I/O and must not know how the request was made or what the relay does with the outcome.

Sources: Standard Webhooks 1.0.0 ("2xx is success, everything else, redirects included, is failure"; 410
disables; 429, 502 and 504 are to be throttled); RFC 9110, 10.2.3 (``Retry-After``), 15 (an invalid status is
treated as 5xx), 15.5.9 (408), 15.5.14 (a 413 that is temporary has a ``Retry-After``); RFC 8470, 5.2 (425).
"""

import errno
import re
import ssl
from collections.abc import Callable, Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

import aiohttp

from relay.core.delivery import Delivered, Failed, Fault, Outcome, Refused
from relay.deliver.egress import BlockedAddressError
from relay.deliver.hiding import hide
from relay.deliver.tunnel import ProxyError

__all__ = [
    "FAULTS",
    "Answer",
    "fault_of",
    "outcome_of_answer",
    "outcome_of_fault",
    "retry_after_us",
]

#: What a try may raise; all of it becomes an outcome. uvloop raises ``RuntimeError`` for some dials
#: that fail in an unlucky moment.
FAULTS: Final = (aiohttp.ClientError, OSError, RuntimeError)

_GONE: Final = 410
_TOO_LARGE: Final = 413
#: The client errors that say nothing of the event: too slow, too early, too often.
_BUSY: Final = (408, 425, 429)

_SECOND_US: Final = 1_000_000
_DETAIL_MAX: Final = 200
_DELTA: Final = re.compile("[0-9]{1,10}")


class Answer(NamedTuple):
    """What is kept of an answer."""

    status: int
    #: The beginning of the body, as much as was read.
    excerpt: bytes
    #: The ``Retry-After`` header as it came.
    retry_after: str | None


def fault_of(status: int) -> Fault | None:
    """Say whose fault a status is; None for the only success there is, 2xx."""
    if 200 <= status <= 299:
        return None
    if status == _GONE:
        return Fault.GONE
    if status in _BUSY or status >= 500:
        return Fault.DESTINATION
    return Fault.EVENT


def _may_postpone(status: int) -> bool:
    """Whether a ``Retry-After`` beside this status is about a later try of the same."""
    return status == _TOO_LARGE or fault_of(status) is Fault.DESTINATION


def retry_after_us(text: str, *, now_us: int) -> int | None:
    """Read ``Retry-After``: seconds, or a date, which is compared with ``now_us`` (epoch, UTC).

    Gives microseconds from now, 0 for a date that has passed, None for what is neither. How long a
    wait is obeyed is not decided here.
    """
    text = text.strip()
    if _DELTA.fullmatch(text):
        return int(text) * _SECOND_US
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        # RFC 5322's "-0000": UTC, of unknown local offset.
        date = date.replace(tzinfo=UTC)
    return max(0, int(date.timestamp()) * _SECOND_US - now_us)


def outcome_of_answer(
    answer: Answer,
    *,
    now_us: Callable[[], int],
    duration_us: int,
    hidden: Callable[[], Iterable[bytes]],
) -> Outcome:
    """Give the outcome of a try that was answered.

    ``now_us`` is asked only where a ``Retry-After`` counts, ``hidden`` only after a failure: each of
    its texts is taken out of the excerpt.
    """
    status = answer.status
    fault = fault_of(status)
    if fault is None:
        return Delivered(status=status, duration_us=duration_us)
    wait = None
    if answer.retry_after is not None and _may_postpone(status):
        wait = retry_after_us(answer.retry_after, now_us=now_us())
    return Failed(
        reason=_word_of(status),
        fault=fault,
        status=status,
        retry_after_us=wait,
        duration_us=duration_us,
        excerpt=hide(hidden(), answer.excerpt),
    )


def _word_of(status: int) -> str:
    if status == _GONE:
        return "gone"
    return f"status_{status}" if status <= 599 else "status_unknown"


def outcome_of_fault(error: Exception, *, duration_us: int) -> Outcome:
    """Give the outcome of a try that ended without an answer."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, BlockedAddressError):
        return Refused(
            reason="blocked_address", detail=str(cause), duration_us=duration_us
        )
    if isinstance(error, (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)):
        return Refused(reason="bad_url", duration_us=duration_us)
    if isinstance(cause, ProxyError):
        reason = "proxy"
    elif isinstance(_root(error), ssl.SSLError):
        reason = "tls"
    else:
        reason = _reason_of(error)
    return Failed(
        reason=reason,
        fault=Fault.DESTINATION,
        detail=_detail_of(cause)[:_DETAIL_MAX],
        duration_us=duration_us,
    )


# The first class that fits gives the reason.
_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ConnectionTimeoutError, "connect_timeout"),
    (TimeoutError, "timeout"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (aiohttp.ClientSSLError, "tls"),
    (aiohttp.ClientConnectorError, "connect"),
    (aiohttp.ClientResponseError, "malformed_response"),
    (aiohttp.ClientError, "reset"),
    (OSError, "reset"),
    (RuntimeError, "connect"),
)


def _reason_of(error: Exception) -> str:
    return next(reason for kind, reason in _REASONS if isinstance(error, kind))


def _root(error: BaseException) -> BaseException:
    """What a fault came from: the library wraps some of TLS in words of its own."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _detail_of(error: Exception) -> str:
    """Describe a fault without the texts of the library, which carry URLs and headers."""
    name = type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{name}: {error.verify_message}"
    if isinstance(error, ProxyError):
        return str(error)
    root = _root(error)
    if isinstance(root, ssl.SSLError):
        return f"{type(root).__name__}: {root.reason or 'failed'}"
    if isinstance(error, OSError) and error.errno is not None:
        symbol = errno.errorcode.get(error.errno, str(error.errno))
        return f"{name}: {symbol} {error.strerror or ''}".rstrip()
    return name
