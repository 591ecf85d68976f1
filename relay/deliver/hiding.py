r"""Hiding: what is secret is taken out of what an endpoint has answered.

Owns the spellings in which an endpoint may say again what it was sent: as it came, escaped as JSON and
JavaScript have it, percent-encoded as in URLs and forms, escaped as HTML has it, in other case, broken into
lines, or with some of it in one spelling and some in another. Must not know what is secret, or of what.

Sources: RFC 8259, 7 (``\u002B``); RFC 3986, 2.1, and the URL Standard's ``x-www-form-urlencoded`` (a ``+`` is
a space); the HTML Standard's character references.
"""

import html
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

__all__ = ["HIDDEN", "WITHHELD", "hide"]

HIDDEN: Final = b"***"
#: What stands for an answer that has a secret in it which cannot be cut out.
WITHHELD: Final = (
    b"(not kept: it may repeat a secret in a spelling that cannot be hidden)"
)

#: So few bytes of a secret tell nothing.
_TRIFLE_MAX: Final = 3
#: Of so many letters and digits nobody writes the same by accident.
_TELLING: Final = 8
#: So many spellings, or so often a secret, and it is not gone through: others wait meanwhile.
_MANY: Final = 65_536
#: How often something may have been escaped that was escaped before.
_ROUNDS: Final = 6

#: One character in one of its spellings; at the very end also what is left of one that was cut off.
_SPELLING: Final = re.compile(
    rb"""
    \\u d[89ab][0-9a-f]{2} \\u d[c-f][0-9a-f]{2} | \\u [0-9a-f]{4} | \\x [0-9a-f]{2}
    | \\ [nrtbf"'\\/]
    | % [0-9a-f]{2}
    | & (?: \# [0-9]{1,7} | \# x [0-9a-f]{1,6} | [a-z]{2,8} ) ;
    | [\r\n]+ [ \t]*
    | (?: \\ (?: u [0-9a-f]{0,3} | x [0-9a-f]? )? | % [0-9a-f]? | & \#? [0-9a-z]{0,8} ) \Z
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SHORT: Final = {b"n": b"", b"r": b"", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
#: Case says nothing, and a space may have become a plus, or a plus a space.
_FOLDED: Final = bytes(bytes([one]).lower()[0] for one in range(256)).replace(
    b" ", b"+"
)
_NOT_TELLING: Final = bytes(
    one for one in range(256) if not chr(one).isalnum()
) + bytes(range(128, 256))


def hide(secrets: Iterable[bytes], excerpt: bytes) -> bytes:
    """Take secrets out, also one of which the excerpt has only the beginning, being cut there.

    Where a secret is still to be made out in the end, or the excerpt is made to be tedious, nothing of
    it is given back but :data:`WITHHELD`.
    """
    raw = {secret for secret in secrets if secret}
    needles = {secret.translate(_FOLDED) for secret in raw}
    meant = {_read(secret) for secret in raw}
    needles |= {one for one in meant if len(one) > _TRIFLE_MAX}
    spelled = list(islice(_SPELLING.finditer(excerpt), _MANY))
    views = (_View(excerpt, ()), _View(excerpt, spelled))
    found = list(
        islice(
            (span for view in views for one in needles for span in view.spans(one)),
            _MANY,
        )
    )
    if _MANY in (len(spelled), len(found)):
        return WITHHELD
    shown = _cut(excerpt, sorted(found))
    return WITHHELD if _is_told(needles, shown) else shown


def _cut(excerpt: bytes, spans: Iterable[tuple[int, int]]) -> bytes:
    """The excerpt without some spans, which are sorted and may overlap."""
    pieces: list[bytes] = []
    at = 0
    for first, last in spans:
        if first >= at:
            pieces += (excerpt[at:first], HIDDEN)
        at = max(at, last)
    return b"".join([*pieces, excerpt[at:]])


def _is_told(needles: Iterable[bytes], shown: bytes) -> bool:
    """Whether a secret stands there all the same, with other things in between."""
    words = {needle.translate(None, _NOT_TELLING) for needle in needles}
    words = {word for word in words if len(word) >= _TELLING}
    for _ in range(_ROUNDS):
        squashed = shown.translate(_FOLDED, _NOT_TELLING)
        if any(word in squashed for word in words):
            return True
        before, shown = shown, _decoded(shown)
        if shown == before:
            return False
    return False


def _read(text: bytes) -> bytes:
    return _decoded(text).translate(_FOLDED)


def _decoded(text: bytes) -> bytes:
    known: dict[bytes, bytes] = {}
    return _SPELLING.sub(lambda found: _character(found[0], known), text)


def _character(spelling: bytes, known: dict[bytes, bytes]) -> bytes:
    """What is spelled so; ``known`` remembers it."""
    meant = known.get(spelling)
    if meant is None:
        meant = known[spelling] = _meaning(spelling)
    return meant


def _meaning(spelling: bytes) -> bytes:
    head, second = spelling[:1], spelling[1:2].lower()
    if head in b"\r\n":
        return b""
    if head == b"&":
        return html.unescape(spelling.decode()).encode(errors="replace").strip(b"\r\n")
    digits = spelling[1:] if head == b"%" else spelling[2:]
    if head == b"\\" and second == b"u" and len(digits) >= 4:
        units = bytes.fromhex(digits.decode().lower().replace("\\u", ""))
        return units.decode("utf-16-be", "replace").encode().strip(b"\r\n")
    if len(digits) == 2 and (head == b"%" or second == b"x"):
        return bytes.fromhex(digits.decode()).strip(b"\r\n")
    if head == b"\\" and len(spelling) == 2 and second not in (b"u", b"x"):
        return _SHORT.get(second, second)
    return b""


class _View:
    """A text as it is meant, folded, and where each of its bytes stood."""

    def __init__(self, text: bytes, spellings: Iterable[re.Match[bytes]]) -> None:
        known: dict[bytes, bytes] = {}
        pieces: list[bytes] = []
        #: Of each piece: where it begins here, and where it began and ended there.
        self._at: list[int] = []
        self._there: list[tuple[int, int]] = []
        size = done = 0
        for found in spellings:
            first, last = found.span()
            for piece, begin, end in (
                (text[done:first], done, first),
                (_character(found[0], known), first, last),
            ):
                pieces.append(piece)
                self._at.append(size)
                self._there.append((begin, end))
                size += len(piece)
            done = last
        pieces.append(text[done:])
        self._at.append(size)
        self._there.append((done, len(text)))
        self._folded = b"".join(pieces).translate(_FOLDED)
        self._size = len(text)

    def spans(self, needle: bytes) -> Iterator[tuple[int, int]]:
        """From where to where it stands there, as often as it does, and its beginning at the end."""
        first = self._folded.find(needle)
        while first >= 0:
            last = first + len(needle)
            yield self._place(first)[0], self._place(last - 1)[1]
            first = self._folded.find(needle, last)
        for size in range(len(needle) - 1, _TRIFLE_MAX, -1):
            if self._folded.endswith(needle[:size]):
                yield self._place(len(self._folded) - size)[0], self._size
                return

    def _place(self, here: int) -> tuple[int, int]:
        """From where to where one byte stood."""
        piece = bisect_right(self._at, here) - 1
        begin, end = self._there[piece]
        after = self._at[piece + 1] if piece + 1 < len(self._at) else len(self._folded)
        if after - self._at[piece] == end - begin:
            begin += here - self._at[piece]
            return begin, begin + 1
        return begin, end
