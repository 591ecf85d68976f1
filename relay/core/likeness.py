"""Likeness: whether two accounts of a run say the same, however they are written.

Owns the comparisons that decide whether an answer is news: moments of different precision, and outputs
whose links were signed anew. Links are read, never followed.
"""

import re
from typing import Final

import msgspec

__all__ = ["same_moment", "same_output"]

_LINK: Final = re.compile(r"https?://", re.IGNORECASE)
#: Whoever has one of these in its query string was signed, and is signed anew with each answer.
_SIGNED: Final = re.compile(
    r"(?:^|[?&])(?:X-Amz-Signature|X-Goog-Signature|Signature|sig|Key-Pair-Id|Expires)=",
    re.IGNORECASE,
)
#: Where the fraction begins in ``YYYY-MM-DDTHH:MM:SS.ffffffZ``.
_FRACTION: Final = 20


def same_moment(told: str | None, last: str | None) -> bool:
    """Whether two moments (as :func:`relay.core.moment.read_moment` gives them) are one.

    Callbacks print six digits of a second, answers of the API may print three or none: what is written
    less exactly is not another moment. What is not told is no change.
    """
    if told is None or told == last:
        return True
    if last is None or told[:_FRACTION] != last[:_FRACTION]:
        return False
    return any(
        one[_FRACTION:-1].rstrip("0")
        == other[_FRACTION : _FRACTION + digits].rstrip("0")
        for one, other in ((told, last), (last, told))
        for digits in (0, 3)
    )


def same_output(told: bytes | None, last: bytes | None) -> bool:
    """Whether two outputs (JSON as received) are one, but for the signatures of their links."""
    if told is None or told == last:
        return True
    if last is None:
        return False
    return _plain(told) == _plain(last)


def _plain(output: bytes) -> object:
    """The JSON with every signed link cut before its query. Numbers stay as they are written."""
    try:
        return _unsigned(msgspec.json.decode(output, type=object))
    except (msgspec.DecodeError, RecursionError):
        return output


def _unsigned(value: object) -> object:
    match value:
        case str():
            return _without_signature(value)
        case list():
            return [_unsigned(item) for item in value]
        case dict():
            return {key: _unsigned(item) for key, item in value.items()}
        case _:
            return value


def _without_signature(text: str) -> str:
    if not _LINK.match(text):
        return text
    head, _, query = text.partition("?")
    return head if _SIGNED.search(query) else text
