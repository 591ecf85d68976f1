"""Moments: the texts in which times arrive and leave.

Owns reading any ISO 8601 time that the upstream writes and the one form that leaves the relay: UTC,
six fraction digits, ``Z``. Never asks what time it is.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["moment_us", "read_moment", "text_of"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Callbacks write Python's isoformat() (`+00:00`, no fraction or six digits), their samples three
# digits, the API `Z`; any number of fraction digits is taken, what is finer than 1 us is cut off.
# Hours are bounded here: newer Pythons read 24:00 and older ones do not.
_ISO: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]((?:[01]\d|2[0-3]):\d\d:\d\d)(?:[.,](\d{1,32}))?"
    r"(?:([Zz])|([+-](?:[01]\d|2[0-3])):?([0-5]\d))?",
    re.ASCII,
)


def read_moment(text: object) -> str | None:
    """The same moment as ``YYYY-MM-DDTHH:MM:SS.ffffffZ``; None when it is not a moment.

    A time without an offset is read as UTC: the upstream's clocks are.
    """
    if not isinstance(text, str):
        return None
    return _usual(text) or _any(text)


def _usual(text: str) -> str | None:
    """The forms that Python and the API write, with six digits; they are read in a third of the time."""
    head = text[:26]
    if text[26:] not in ("+00:00", "Z"):
        return None
    try:
        # Only what is written back alike was in this form.
        usual = datetime.fromisoformat(head).isoformat(timespec="microseconds") == head
    except ValueError:
        return None
    return f"{head}Z" if usual else None


def _any(text: str) -> str | None:
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    date, clock, fraction, _, hours, minutes = found.groups()
    digits = (fraction or "")[:6].ljust(6, "0")
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}+00:00")
        if hours is not None:
            moment -= timedelta(hours=int(hours), minutes=int(hours[0] + minutes))
    except (ValueError, OverflowError):
        return None
    # isoformat() keeps the four-digit year that strftime("%Y") loses below 1000.
    return f"{moment.replace(tzinfo=None).isoformat()}.{digits}Z"


def moment_us(text: object) -> int | None:
    """A moment as wall microseconds; None for what is none, and 0 for what lies before the epoch."""
    found = read_moment(text)
    if found is None:
        return None
    moment = datetime.fromisoformat(f"{found[:-1]}+00:00") - _EPOCH
    return max(0, moment // timedelta(microseconds=1))


def text_of(moment_us: int) -> str:
    """Microseconds since the epoch as ``YYYY-MM-DDTHH:MM:SS.ffffffZ``."""
    moment = _EPOCH + timedelta(microseconds=moment_us)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
