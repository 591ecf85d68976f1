"""Window: the stretch of time that somebody asks about, as people write it.

Owns ``24h`` (so long before now) and ISO 8601 times. Pure. Never asks what time it is.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from relay.core.errors import RelayError
from relay.core.moment import read_moment

__all__ = ["Window", "WindowError", "window"]

#: From and until when, wall microseconds; None where nothing was said.
Window = tuple[int | None, int | None]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AGO: Final = re.compile(r"([0-9]{1,9})(s|m|h|d|y)")
#: Microseconds. The units are those of the configuration; a year is 365 days.
_UNITS: Final = {
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "y": 31_536_000_000_000,
}
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class WindowError(RelayError):
    """A time that cannot be read, or a window without anything in it.

    Attributes:
        field: Whose fault it is: ``since`` or ``until``.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


def window(since: str | None, until: str | None, *, now: int) -> Window:
    """Read a window. A day stands for its beginning; a time without an offset is UTC.

    Raises:
        WindowError: one of them is no time, or nothing lies between them.
    """
    begin = None if since is None else _moment("since", since, now)
    end = None if until is None else _moment("until", until, now)
    if begin is not None and begin >= now:
        raise WindowError("since", "lies in the future")
    if begin is not None and end is not None and begin >= end:
        raise WindowError("until", "is not later than since")
    return begin, end


def _moment(field: str, text: str, now: int) -> int:
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return max(0, now - int(ago[1]) * _UNITS[ago[2]])
    moment = read_moment(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
    if moment is None:
        raise WindowError(
            field,
            "not a time: write how long ago (30m, 24h, 7d) or when (2026-03-01T12:00:00Z)",
        )
    since_epoch = datetime.fromisoformat(f"{moment[:-1]}+00:00") - _EPOCH
    return max(0, since_epoch // timedelta(microseconds=1))
