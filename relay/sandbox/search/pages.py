"""Pages of a list: sorted, cut, and a cursor that says where a page ended.

Owns the order, the cursors and their forms. A cursor names a place in the order, not a count: what is added
meanwhile moves nothing. It holds for the same list, filter and order only. Their form is not documented;
the default page is ours, too.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from yarl import URL

from relay.sandbox.search.query import Record, Value
from relay.sandbox.wire import exact

__all__ = [
    "LIMIT",
    "LIMIT_MAX",
    "InvalidPageError",
    "Page",
    "Wanted",
    "cut",
    "links",
    "sorting",
]

LIMIT: Final = 50
LIMIT_MAX: Final = 500
SORT_KEYS_MAX: Final = 8

_T = TypeVar("_T")
#: A value of each key, then the number in the order of creation.
_Place = tuple[tuple[tuple[int, str], ...], int]
#: The name of a field, and whether it descends.
Sorting = tuple[tuple[str, bool], ...]


class InvalidPageError(ValueError):
    """A parameter of paging is wrong; `field` is its name."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which page is asked for.

    Attributes:
        sorting: The order; the order of creation decides between equals.
        limit: Its length at most.
        cursor: Where it begins (or, backwards, ends); None is the first page.
        backward: Whether what stands before the cursor is asked for.
        about: What else decides the list, so that a cursor is not used for another.
    """

    sorting: Sorting
    limit: int
    cursor: str | None
    backward: bool
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[_T]):
    """One page, and the cursors of those around it."""

    items: list[_T]
    first: str | None
    next: str | None
    previous: str | None


def sorting(text: str, known: Mapping[str, object]) -> Sorting:
    """Read ``created_at:desc,id``.

    Raises:
        InvalidPageError: A field or direction is not known.
    """
    found = []
    for part in text.split(","):
        name, _, direction = part.strip().partition(":")
        if name not in known:
            raise InvalidPageError(
                "sort_by", f"{name or 'nothing'} cannot be sorted by"
            )
        if direction not in {"", "asc", "desc"}:
            raise InvalidPageError("sort_by", f"{direction} is neither asc nor desc")
        found.append((name, direction == "desc"))
    if len(found) > SORT_KEYS_MAX:
        raise InvalidPageError("sort_by", f"more than {SORT_KEYS_MAX} fields")
    return tuple(found)


def cut(items: Sequence[tuple[int, Record, _T]], wanted: Wanted) -> Page[_T]:
    """The page that is asked for.

    Args:
        items: Each with its number in the order of creation and its record.
        wanted: Which page.

    Raises:
        InvalidPageError: The cursor is not one of this list's.
    """
    digest = _digest(wanted)
    ordered = _ordered(items, wanted.sorting)
    begin, end = 0, wanted.limit
    if wanted.cursor is not None:
        mark = _read(wanted.cursor, digest)
        order = [_compare(place, mark, wanted.sorting) for place, _ in ordered]
        if wanted.backward:
            end = sum(each < 0 for each in order)
            begin = max(0, end - wanted.limit)
        else:
            begin = sum(each <= 0 for each in order)
            end = begin + wanted.limit
    shown = ordered[begin:end]
    return Page(
        items=[item for _, item in shown],
        first=_cursor(_BEFORE_ALL, digest) if ordered else None,
        next=_cursor(shown[-1][0], digest) if shown and end < len(ordered) else None,
        previous=_cursor(shown[0][0], digest) if shown and begin > 0 else None,
    )


def _ordered(
    items: Sequence[tuple[int, Record, _T]], order: Sorting
) -> list[tuple[_Place, _T]]:
    """Sorted by the last key first: a sort leaves equals as they were."""
    placed = [(_place(number, record, order), item) for number, record, item in items]
    placed.sort(key=lambda it: it[0][1], reverse=bool(order) and order[0][1])
    for index in reversed(range(len(order))):
        placed.sort(key=lambda it, at=index: it[0][0][at], reverse=order[index][1])  # type: ignore[misc]
    return placed


def links(
    page: Page[_T], form: Literal["bare", "url", "next_pq"], url: URL
) -> dict[str, object]:
    """The cursors of a page as an answer has them, in one of their three forms."""
    if form == "next_pq":
        return {"next_pq": page.next, "prev_pq": page.previous}

    def show(cursor: str | None, back: str = "false") -> str | None:
        if cursor is None or form == "bare":
            return cursor
        return str(url.update_query({"pq": cursor, "from_prev": back}))

    return {
        "first": show(page.first),
        "next": show(page.next),
        "previous": show(page.previous, "true"),
    }


_BEFORE_ALL: Final[_Place] = ((), -1)


def _place(number: int, record: Record, order: Sorting) -> _Place:
    return tuple(_key(record[name]) for name, _ in order), number


def _key(value: Value) -> tuple[int, str]:
    """A value as text that sorts as it does; null before all others."""
    return (0, "") if value is None else (1, exact(value))


def _compare(a: _Place, b: _Place, order: Sorting) -> int:
    if -1 in {a[1], b[1]}:
        return (a[1] != -1) - (b[1] != -1)
    pairs = zip(a[0], b[0], strict=False)
    for (left, right), (_, descends) in zip(pairs, order, strict=False):
        if left != right:
            return (1 if left > right else -1) * (-1 if descends else 1)
    down = bool(order) and order[0][1]
    return ((a[1] > b[1]) - (a[1] < b[1])) * (-1 if down else 1)


def _digest(wanted: Wanted) -> str:
    said = f"{wanted.sorting}\n{wanted.about}"
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _cursor(place: _Place, digest: str) -> str:
    text = json.dumps([digest, place[1], place[0]], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str, digest: str) -> _Place:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.urlsafe_b64decode(padded.encode()).decode()
        given, number, keys = json.loads(text)
        place = tuple((int(rank), str(key)) for rank, key in keys), int(number)
    except (ValueError, TypeError, RecursionError):
        raise InvalidPageError("pq", "is no cursor") from None
    if given != digest:
        raise InvalidPageError("pq", "is a cursor of another list, filter or order")
    return place
