"""Paging: lists that come in pages, walked to either end.

Owns both documented forms of a page and the walk. Must not know what is listed, or how it is asked.

``{items, first, next, previous}`` is in search-runs and run-logs; ``next_pq`` and ``prev_pq`` in
"concepts/requests". Whether ``next`` is a cursor or an address is not stated: of an address only its
``pq`` is taken, so that no answer can send the token to another host. ``from_prev=true`` walks back.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Final, Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

from relay.runflow.answers import Answer
from relay.runflow.errors import PagingError

__all__ = ["PAGES_MAX", "Listing", "Page", "page_of"]

T = TypeVar("T")

#: A walk that is longer than this is taken for one without an end.
PAGES_MAX: Final = 100_000

_CURSOR_MAX: Final = 8192


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        answer: The exact answer it was read from.
        rows: The items as JSON, for who does not want them typed.
        first: The cursor of the first page; None where the answer has none.
        next: The cursor of the page after this one; None at the end.
        previous: The cursor of the page before; None at the beginning.
    """

    answer: Answer
    rows: tuple[object, ...] = field(repr=False)
    first: str | None
    next: str | None
    previous: str | None
    kind: type[T] = field(repr=False)

    @cached_property
    def items(self) -> tuple[T, ...]:
        """The items, typed when first asked for.

        Raises:
            UnexpectedShapeError: One of them is of another form; `rows` still has all.
        """
        return tuple(self.answer.read(row, self.kind) for row in self.rows)


def page_of(answer: Answer, kind: type[T]) -> Page[T]:
    """Read the frame of a page, of either form.

    Raises:
        TruncatedError, NotJsonError: The body is not whole, or not JSON.
        UnexpectedShapeError: It is no page.
    """
    document = answer.document
    if not isinstance(document, dict):
        raise answer.misshapen("a page is an object")
    rows = document.get("items")
    if not isinstance(rows, list):
        raise answer.misshapen("items is not a list")
    return Page(
        answer=answer,
        rows=tuple(rows),
        first=_cursor(answer, document, "first", "first_pq"),
        next=_cursor(answer, document, "next", "next_pq"),
        previous=_cursor(answer, document, "previous", "prev_pq"),
        kind=kind,
    )


def _cursor(answer: Answer, document: Mapping[str, object], *names: str) -> str | None:
    for name in names:
        found = document.get(name)
        if found is None or found == "":
            continue
        # A lone surrogate is text to JSON and to no address.
        if (
            not isinstance(found, str)
            or not found.isascii()
            or len(found) > _CURSOR_MAX
        ):
            raise answer.misshapen(f"{name} is no cursor")
        return _bare(answer, found)
    return None


def _bare(answer: Answer, found: str) -> str:
    """The cursor in ``found``, which may be an address. A cursor may begin with a slash, too."""
    is_address = found.startswith(("https://", "http://"))
    if not is_address and not found.startswith(("/", "?")):
        return found
    cursors = parse_qs(urlsplit(found).query).get("pq")
    if cursors:
        return cursors[0]
    if is_address:
        raise answer.misshapen("the address of a page without pq")
    return found


@dataclass(frozen=True, kw_only=True)
class Listing(Generic[T]):
    """A list that is asked for page by page, while it is iterated.

    ``async for item in listing`` gives the items of all pages, ``listing.pages()`` the pages, and
    ``await listing.page()`` only the first of them. Each walk asks anew.

    Attributes:
        ask: Gives the page at a cursor; None is where the walk begins.
        kind: What the items are.
        cursor: Where to begin; None for the beginning (or, backward, as the API sees it, the end).
        backward: Whether to go by ``previous``. Within a page the order is the API's.
        pages_max: After so many pages the walk ends with an error.
    """

    ask: Callable[[str | None], Awaitable[Answer]] = field(repr=False)
    kind: type[T]
    cursor: str | None = None
    backward: bool = False
    pages_max: int = PAGES_MAX

    async def page(self) -> Page[T]:
        """The page at which the walk begins.

        Raises:
            RunflowError: It cannot be had, or is no page.
        """
        return page_of(await self.ask(self.cursor), self.kind)

    async def pages(self) -> AsyncIterator[Page[T]]:
        """Each page, until there is none further.

        Raises:
            PagingError: A cursor came a second time, or there are more than ``pages_max`` pages.
            RunflowError: A page cannot be had, or is none.
        """
        cursor = self.cursor
        # Digests, so that a long walk remembers little.
        seen = set() if cursor is None else {_digest(cursor)}
        for _ in range(self.pages_max):
            page = page_of(await self.ask(cursor), self.kind)
            yield page
            cursor = page.previous if self.backward else page.next
            if cursor is None:
                return
            if _digest(cursor) in seen:
                raise PagingError(
                    f"{page.answer.request}: the pages go round in a circle"
                )
            seen.add(_digest(cursor))
        raise PagingError(f"more than {self.pages_max} pages")

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item


def _digest(cursor: str) -> bytes:
    return blake2b(cursor.encode("utf-8", "surrogatepass"), digest_size=16).digest()
