"""``q``: an expression over the fields of a record, in the two forms that are known.

Owns the grammar. Runflow's own is not published; this is what is documented of it (concepts/requests) and
what a tool of the vendor's sends:

- ``status_code:succeeded AND created_at>2026-04-01``: operators ``=``, ``:``, ``>``, ``<``, ``>=``, ``<=``,
  words ``AND``, ``OR``, ``NOT``, strings case-sensitive. Parentheses are our reading.
- ``client_ref.EQ:'order-1'``: only an exact match.

``NOT`` binds closest, then ``AND``. A bare value ends at a space or a parenthesis; a quoted one has a
backslash before its quotes. A date is its first moment, in UTC. ``null`` is null, which nothing compares to.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

__all__ = ["InvalidQueryError", "Kind", "Match", "Record", "compile_query"]

#: A longer expression is refused, in characters; and one nested deeper.
QUERY_CHARS_MAX: Final = 4096
DEPTH_MAX: Final = 50

Kind = Literal["text", "time", "number"]
Value = str | Decimal | datetime | None
Record = Mapping[str, Value]
Match = Callable[[Record], bool]


class InvalidQueryError(ValueError):
    """The expression cannot be read, or names a field that cannot be asked for."""


_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<open>\() | (?P<close>\))
      | (?P<word>AND|OR|NOT)(?=[\s()]|$)
      | (?P<field>[A-Za-z_]+)(?P<op>\.[A-Z]+:|>=|<=|[:=<>])
        (?P<value>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s()'"]+)
    )""",
    re.VERBOSE,
)
_COMPARE: Final[Mapping[str, Callable[[int], bool]]] = {
    ":": lambda order: order == 0,
    "=": lambda order: order == 0,
    ">": lambda order: order > 0,
    "<": lambda order: order < 0,
    ">=": lambda order: order >= 0,
    "<=": lambda order: order <= 0,
}


def compile_query(
    text: str,
    kinds: Mapping[str, Kind],
    *,
    form: Literal["both", "plain", "eq"] = "both",
) -> Match:
    """What a record must be like.

    Args:
        text: The expression.
        kinds: The fields that can be asked for, and what their values are.
        form: Which of the two forms are understood.

    Raises:
        InvalidQueryError: It cannot be read.
    """
    if len(text) > QUERY_CHARS_MAX:
        raise InvalidQueryError(f"longer than {QUERY_CHARS_MAX} characters")
    reader = _Reader(_tokens(text), kinds, form)
    match = reader.either(0)
    if reader.left:
        raise InvalidQueryError(f"an operator is missing before {reader.left[0]}")
    return match


@dataclass(frozen=True, slots=True)
class _Token:
    """A parenthesis, a word, or a comparison."""

    what: str
    field: str = ""
    op: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.field}{self.op}{self.value}" or self.what


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text.rstrip()):
        token = _TOKEN.match(text, at)
        if token is None:
            raise InvalidQueryError(f"not understood: {text[at:].strip()[:80]}")
        at = token.end()
        if token["field"]:
            found.append(_Token("test", token["field"], token["op"], token["value"]))
        else:
            found.append(_Token(token[0].strip()))
    return found


class _Reader:
    """Reads the tokens from left to right; each method takes one kind of expression."""

    def __init__(
        self, tokens: list[_Token], kinds: Mapping[str, Kind], form: str
    ) -> None:
        self.left = tokens
        self._kinds = kinds
        self._form = form

    def either(self, depth: int) -> Match:
        """``a OR b``."""
        if depth > DEPTH_MAX:
            raise InvalidQueryError(f"nested deeper than {DEPTH_MAX}")
        parts = [self._both(depth)]
        while self._took("OR"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else lambda it: any(p(it) for p in parts)

    def _both(self, depth: int) -> Match:
        parts = [self._single(depth)]
        while self._took("AND"):
            parts.append(self._single(depth))
        return parts[0] if len(parts) == 1 else lambda it: all(p(it) for p in parts)

    def _single(self, depth: int) -> Match:
        negated = False
        while self._took("NOT"):
            negated = not negated
        match = self._plain(depth)
        return (lambda it: not match(it)) if negated else match

    def _plain(self, depth: int) -> Match:
        if self._took("("):
            match = self.either(depth + 1)
            if not self._took(")"):
                raise InvalidQueryError("a parenthesis is not closed")
            return match
        if not self.left or self.left[0].what != "test":
            where = f"before {self.left[0]}" if self.left else "at the end"
            raise InvalidQueryError(f"a comparison is missing {where}")
        return _test(self.left.pop(0), self._kinds, self._form)

    def _took(self, what: str) -> bool:
        if self.left and self.left[0].what == what:
            self.left.pop(0)
            return True
        return False


def _test(token: _Token, kinds: Mapping[str, Kind], form: str) -> Match:
    name = token.field
    if name not in kinds:
        raise InvalidQueryError(f"{name} cannot be asked for")
    op = token.op
    if op.startswith("."):
        if op != ".EQ:" or form == "plain":
            raise InvalidQueryError(f"{name}{op} is no operator")
        op = "="
    elif form == "eq":
        raise InvalidQueryError(f"{name}{op} is no operator; write {name}.EQ:'value'")
    if token.value == "null":
        if op not in {":", "="}:
            raise InvalidQueryError("null has no order")
        return lambda it: it[name] is None
    wanted, holds = _value(token.value, kinds[name], name), _COMPARE[op]

    def match(record: Record) -> bool:
        found = record[name]
        return found is not None and holds(_order(found, wanted))

    return match


def _order(found: Value, wanted: Value) -> int:
    if found == wanted:
        return 0
    return 1 if found > wanted else -1  # type: ignore[operator] # both of one kind


def _value(text: str, kind: Kind, name: str) -> str | Decimal | datetime:
    if text[0] in "'\"":
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    try:
        if kind == "time":
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return Decimal(text) if kind == "number" else text
    except (ValueError, InvalidOperation):
        raise InvalidQueryError(f"{name} is a {kind}, not {text[:80]}") from None
