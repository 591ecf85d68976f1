"""Receipt: a callback that verified, on its way to the store.

Owns what is kept of a request, and opening it: reading the body, its digest, the headers worth keeping.
Opening is left to the commit that stores it, which opens a whole group in one go: the same work costs
a third of what it costs in between two requests.
"""

import hashlib
from typing import Final

import msgspec

from relay.core.callback import DEFAULT_REQUIRE, Field, Reading, Unreadable, read
from relay.core.event import Origin
from relay.core.route import Router
from relay.core.run import NOT_ENRICHED

__all__ = ["KEPT_HEADERS", "Opened", "Receipt", "open_receipt"]

#: What a later dispute needs, and nothing that opens a door.
KEPT_HEADERS: Final = frozenset(
    {
        b"content-type",
        b"user-agent",
        b"runflow-signature",
        b"runflow-request-id",
        b"webhook-id",
        b"webhook-timestamp",
        b"webhook-signature",
    }
)
KEPT_HEADER_BYTES: Final = 512
_encode: Final = msgspec.json.encode


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A verified callback, exactly as it came."""

    source: str
    channel: str
    #: ``callback`` or ``webhook``; the run's first receipt fixes its events' origin.
    origin: Origin
    body: bytes
    #: Every header as received; a few of them are kept.
    headers: tuple[tuple[bytes, bytes], ...]
    #: Which of the source's secrets matched.
    secret: str
    received_at: int
    #: The routes in force when it came.
    router: Router
    require: tuple[Field, ...] = DEFAULT_REQUIRE
    #: Whether the API is asked for more, also where nothing is missing.
    always_asked: bool = False
    #: Whether it stands back behind an earlier success under its ``client_ref``.
    collapses: bool = False
    #: Set when the store has refused it once: it goes to quarantine as bytes.
    unstorable: bool = False
    #: When it was first received, where it lies in quarantine and is read once more; wall microseconds.
    quarantined_at: int | None = None

    @property
    def heard_at(self) -> int:
        """When it was first received, wall microseconds."""
        if self.quarantined_at is None:
            return self.received_at
        return self.quarantined_at


class Opened(msgspec.Struct, frozen=True):
    """A receipt and what is in it."""

    receipt: Receipt
    reading: Reading | Unreadable
    #: First 16 bytes of the body's SHA-256.
    digest: bytes
    #: Kept headers as a JSON object, bounded and without credentials.
    headers: bytes


def open_receipt(receipt: Receipt, *, forgotten_since: str = "") -> Opened:
    """Read the body and sum up the rest. Never raises for anything a request can hold.

    A run that ended (or, where it does not say so, was created) before ``forgotten_since``, a moment's text,
    may be a repeat of one that nobody remembers: it is not taken for new.
    """
    reading = (
        Unreadable("unstorable")
        if receipt.unstorable
        else read(receipt.body, source=receipt.source, require=receipt.require)
    )
    if isinstance(reading, Reading):
        at = reading.completed_at or reading.created_at
        if at is not None and at < forgotten_since:
            reading = Unreadable("too_old")
        elif receipt.always_asked:
            reading = msgspec.structs.replace(
                reading, problems=(*reading.problems, NOT_ENRICHED)
            )
    digest = hashlib.sha256(receipt.body).digest()[:16]
    return Opened(receipt, reading, digest, _kept(receipt.headers))


def _kept(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Headers worth keeping; what is no UTF-8 is written with escapes."""
    return _encode(
        {
            name.decode(): value[:KEPT_HEADER_BYTES].decode(errors="backslashreplace")
            for name, value in headers
            if name.lower() in KEPT_HEADERS
        }
    )
