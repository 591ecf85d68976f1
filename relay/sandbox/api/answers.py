"""Answers of the API: JSON, and errors in the API's envelope.

Owns the envelope ``{code, message, errors}`` (concepts/errors) and how lists are cut into pages. Knows nothing
of what is listed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, TypeVar

from aiohttp import web

from relay.sandbox.orders import InvalidOrderError
from relay.sandbox.search.pages import (
    LIMIT,
    LIMIT_MAX,
    InvalidPageError,
    Wanted,
    cut,
    links,
    sorting,
)
from relay.sandbox.search.query import InvalidQueryError, Kind, Record, compile_query
from relay.sandbox.wire import dump

__all__ = ["Refused", "json_answer", "names", "paged", "project", "refuse"]

_T = TypeVar("_T")


class Refused(Exception):  # noqa: N818 - it is an answer
    """A request that is refused with a status and the envelope."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        errors: Sequence[Mapping[str, str]] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.errors = status, code, errors

    def answer(self) -> web.Response:
        """The same as an answer."""
        envelope = {"code": self.code, "message": str(self), "errors": self.errors}
        return json_answer(envelope, self.status)


def refuse(field: str, message: str) -> InvalidOrderError:
    """A 422 about one field."""
    return InvalidOrderError([{"field": field, "message": message}])


def json_answer(value: object, status: int = 200) -> web.Response:
    """A value as JSON."""
    return web.Response(
        text=dump(value), status=status, content_type="application/json"
    )


def names(request: web.Request, param: str, known: Sequence[str]) -> tuple[str, ...]:
    """A parameter that lists names, with commas between them.

    Raises:
        InvalidOrderError: A name is not known.
    """
    given = [part.strip() for part in request.query.get(param, "").split(",")]
    wanted = tuple(part for part in given if part)
    for name in wanted:
        if name not in known:
            raise refuse(param, f"{name[:80]} is none of {', '.join(known)}")
    return wanted


def project(shown: dict[str, object], fields: Sequence[str]) -> dict[str, object]:
    """Only these fields of it; all of them where none is named."""
    return {name: shown[name] for name in fields} if fields else shown


_DEFAULT_SORT: Final = "created_at:desc"


def paged(
    request: web.Request,
    items: Sequence[tuple[int, Record, _T]],
    kinds: Mapping[str, Kind],
    *,
    show: Callable[[_T], dict[str, object]],
    shown: Sequence[str],
    form: Literal["both", "plain", "eq"],
    paging: Literal["bare", "url", "next_pq"],
    sort_by: str = _DEFAULT_SORT,
    about: str = "",
) -> web.Response:
    """The page of a list that a request asks for.

    Args:
        request: Its query has the parameters that lists share.
        items: Each with its number in the order of creation and the record that is asked and sorted by.
        kinds: The fields of the records.
        show: How an item is shown.
        shown: The fields that it then has.
        form: Which form of ``q`` is understood.
        paging: The form of the cursors.
        sort_by: The order where none is asked for.
        about: What else decides the list.

    Raises:
        InvalidOrderError: A parameter is wrong.
    """
    query = request.query
    fields = names(request, "fields", shown)
    text = query.get("q", "").strip()
    try:
        if text:
            match = compile_query(text, kinds, form=form)
            items = [each for each in items if match(each[1])]
        wanted = Wanted(
            sorting=sorting(query.get("sort_by") or sort_by, kinds),
            limit=_limit(query.get("limit") or str(LIMIT)),
            cursor=query.get("pq") or None,
            backward=_truth(query.get("from_prev") or "false"),
            about=f"{request.path}\n{text}\n{about}",
        )
        page = cut(items, wanted)
    except InvalidQueryError as error:
        raise refuse("q", str(error)) from None
    except InvalidPageError as error:
        raise refuse(error.field, str(error)) from None
    listed = [project(show(item), fields) for item in page.items]
    return json_answer({"items": listed, **links(page, paging, request.url)})


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 4:
        raise InvalidPageError("limit", "is no number")
    if not 1 <= int(text) <= LIMIT_MAX:
        raise InvalidPageError("limit", f"must be from 1 to {LIMIT_MAX}")
    return int(text)


def _truth(text: str) -> bool:
    if text not in {"true", "false", "1", "0"}:
        raise InvalidPageError("from_prev", "is neither true nor false")
    return text in {"true", "1"}
