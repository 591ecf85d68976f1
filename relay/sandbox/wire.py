"""JSON as the sandbox writes it: keys in the order given, some values already text.

Owns the writer, the two ways of printing a moment, and UUIDv7. Knows nothing of what is
written. A value that must stay byte for byte as it was (``1.10``, a 40-digit integer, an
escape) is carried as `Raw` and never goes through a number or a string again.
"""

import json
import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from json.encoder import encode_basestring

__all__ = ["Raw", "dump", "exact", "offset_time", "uuid7", "z_time"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Raw:
    """A JSON value as the text that stands for it."""

    text: str


def dump(value: object) -> str:
    """The JSON text of a value: compact, in the order given, non-ASCII as it is."""
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        pairs = (f"{encode_basestring(k)}:{dump(item)}" for k, item in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([dump(item) for item in value]) + "]"
    return json.dumps(value)


def z_time(moment: datetime | None) -> str | None:
    """A moment as the API's answers print it: the offset is ``Z``."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def offset_time(moment: datetime) -> str:
    """A moment as callbacks print it: ``.isoformat()``, whose offset is ``+00:00``.

    It has six digits of a second, or none at all where the microseconds are zero.
    """
    return moment.isoformat()


def uuid7(moment: datetime, dice: random.Random) -> uuid.UUID:
    """A UUIDv7 (RFC 9562, 5.7): milliseconds of the moment, then 74 bits of chance."""
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    high = (milliseconds << 16) | (0x7 << 12) | dice.getrandbits(12)
    low = (0b10 << 62) | dice.getrandbits(62)
    return uuid.UUID(int=(high << 64) | low)


def exact(value: str | Decimal | datetime) -> str:
    """A value as text that sorts as the value does, among values of its kind from zero up."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return f"{value:040.10f}" if isinstance(value, Decimal) else value
