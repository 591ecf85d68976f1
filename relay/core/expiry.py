"""Expiry: when the first presigned link inside an output dies.

Owns reading the expiry out of the query strings that object stores sign: AWS Signature Version 4
(``X-Amz-Date`` + ``X-Amz-Expires``), Google's V4 (``X-Goog-*``), the older ``Expires`` (seconds since
the epoch; also CloudFront) and Azure's ``se``. Links are read, never followed.
"""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Final
from urllib.parse import unquote

from relay.core.moment import read_moment

__all__ = ["earliest_expiry"]

#: Without any of these there is nothing to be found.
_HINTS: Final = (b"xpires", b"se=")
_LINK: Final = re.compile(r'https?://[^\s"\\]{1,8192}')
_VALUE_MAX: Final = 64
_STAMP: Final = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_SECONDS: Final = re.compile(r"\d{1,12}", re.ASCII)
_SPANS: Final = (("X-Amz-Date", "X-Amz-Expires"), ("X-Goog-Date", "X-Goog-Expires"))
_NAMES: Final = frozenset({"Expires", "se", *chain.from_iterable(_SPANS)})
LINKS_MAX: Final = 1000


def earliest_expiry(output: bytes) -> str | None:
    """The earliest expiry among the first 1,000 links, as a moment's text; None where none is signed.

    ``output`` is the JSON of the output as received.
    """
    if not any(hint in output for hint in _HINTS):
        return None
    plain = output.decode(errors="replace")
    if "\\" in plain:
        # JSON may write & as \u0026 and / as \/ inside strings.
        plain = plain.replace("\\u0026", "&").replace("\\/", "/")
    moments = (
        _expiry_of(link.group())
        for link, _ in zip(_LINK.finditer(plain), range(LINKS_MAX), strict=False)
    )
    return min((moment for moment in moments if moment), default=None)


def _expiry_of(link: str) -> str | None:
    query = link.partition("#")[0].partition("?")[2]
    fields = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name in _NAMES and len(value) <= _VALUE_MAX:
            fields[name] = unquote(value) if "%" in value else value
    for date, span in _SPANS:
        if date in fields and _SECONDS.fullmatch(fields.get(span, "")):
            return _after(fields[date], int(fields[span]))
    if _SECONDS.fullmatch(fields.get("Expires", "")):
        return _after("19700101T000000Z", int(fields["Expires"]))
    return read_moment(fields.get("se"))


# The links of one event, and of those made in one second, mostly die together.
@lru_cache(maxsize=1024)
def _after(stamp: str, seconds: int) -> str | None:
    parts = _STAMP.fullmatch(stamp)
    if parts is None:
        return None
    try:
        # Spelled out: strptime costs ten times as much, for every link of every event.
        start = datetime(*map(int, parts.groups()))  # type: ignore[arg-type]  # noqa: DTZ001
        moment = start + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return None
    return f"{moment.isoformat(timespec='microseconds')}Z"
