"""Query: filters for ``q``, written in either of the two forms that are known.

Owns the forms and how values are quoted. Must not know which fields there are.

The documented form ("concepts/requests") is ``status_code:succeeded AND created_at>2026-04-01`` with
the operators ``:`` ``=`` ``>`` ``<`` ``>=`` ``<=``, ``AND``, ``OR`` and ``NOT``. A tool that Runflow ships
writes ``client_ref.EQ:'token'`` and says that only exact match works. No grammar is published, so how
values are quoted in the documented form, parentheses, and all but ``EQ`` in the other are taken to
follow from what is seen. The documented form is the default: it is what Runflow has promised.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal, TypeAlias
from uuid import UUID

__all__ = ["Dialect", "Q", "Value"]

#: What a field can be compared with. A moment must be aware.
Value: TypeAlias = str | int | float | Decimal | UUID | date

_Operator: TypeAlias = Literal["EQ", "GT", "GTE", "LT", "LTE"]

_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
#: Needs no quotes in the documented form; its examples are ``succeeded`` and ``2026-04-01``.
_BARE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(?:\.[0-9]+)?")
_WORDS: Final = {"and", "or", "not", "true", "false", "null"}
_SIGNS: Final[dict[_Operator, str]] = {
    "EQ": ":",
    "GT": ">",
    "GTE": ">=",
    "LT": "<",
    "LTE": "<=",
}


class Dialect(StrEnum):
    """How a filter is written."""

    DOCUMENTED = "documented"
    DOTTED = "dotted"


class Q(ABC):
    """A filter. Joined by ``&`` and ``|``, turned round by ``~``; ``str`` gives the documented form."""

    @staticmethod
    def eq(field: str, value: Value) -> "Q":
        """``field`` is ``value``; text is compared with regard to case."""
        return _Comparison(field, "EQ", value)

    @staticmethod
    def gt(field: str, value: Value) -> "Q":
        """``field`` is greater or later."""
        return _Comparison(field, "GT", value)

    @staticmethod
    def ge(field: str, value: Value) -> "Q":
        """``field`` is as great or late, or more so."""
        return _Comparison(field, "GTE", value)

    @staticmethod
    def lt(field: str, value: Value) -> "Q":
        """``field`` is smaller or earlier."""
        return _Comparison(field, "LT", value)

    @staticmethod
    def le(field: str, value: Value) -> "Q":
        """``field`` is as small or early, or more so."""
        return _Comparison(field, "LTE", value)

    @staticmethod
    def one_of(field: str, *values: Value) -> "Q":
        """``field`` is any of ``values``.

        Raises:
            ValueError: There is none.
        """
        if not values:
            raise ValueError("one_of needs a value")
        first, *rest = (Q.eq(field, value) for value in values)
        return _Joined("OR", (first, *rest)) if rest else first

    def __and__(self, other: "Q") -> "Q":
        return _Joined("AND", (*self._parts("AND"), *other._parts("AND")))

    def __or__(self, other: "Q") -> "Q":
        return _Joined("OR", (*self._parts("OR"), *other._parts("OR")))

    def __invert__(self) -> "Q":
        return _Not(self)

    def __str__(self) -> str:
        return self.text()

    @abstractmethod
    def text(self, dialect: Dialect = Dialect.DOCUMENTED) -> str:
        """The filter as ``q`` takes it."""

    def _parts(self, word: str) -> "tuple[Q, ...]":
        """What it joins by ``word``, itself if it does not."""
        del word
        return (self,)

    def inner(self, dialect: Dialect) -> str:
        """The same as a part of something larger."""
        return self.text(dialect)


@dataclass(frozen=True, slots=True)
class _Comparison(Q):
    field: str
    operator: _Operator
    value: Value

    def __post_init__(self) -> None:
        if not _FIELD.fullmatch(self.field):
            raise ValueError(f"not the name of a field: {self.field!r}")
        _plain(self.value)

    def text(self, dialect: Dialect = Dialect.DOCUMENTED) -> str:
        plain = _plain(self.value)
        if dialect is Dialect.DOTTED:
            return f"{self.field}.{self.operator}:{_quoted(plain)}"
        is_bare = _BARE.fullmatch(plain) and (
            plain.lower() not in _WORDS or isinstance(self.value, bool)
        )
        return (
            f"{self.field}{_SIGNS[self.operator]}{plain if is_bare else _quoted(plain)}"
        )


@dataclass(frozen=True, slots=True)
class _Joined(Q):
    word: Literal["AND", "OR"]
    parts: tuple[Q, ...]

    def text(self, dialect: Dialect = Dialect.DOCUMENTED) -> str:
        return f" {self.word} ".join(part.inner(dialect) for part in self.parts)

    def _parts(self, word: str) -> tuple[Q, ...]:
        return self.parts if word == self.word else (self,)

    def inner(self, dialect: Dialect) -> str:
        """In parentheses."""
        return f"({self.text(dialect)})"


@dataclass(frozen=True, slots=True)
class _Not(Q):
    part: Q

    def text(self, dialect: Dialect = Dialect.DOCUMENTED) -> str:
        return f"NOT {self.part.inner(dialect)}"


def _plain(value: Value) -> str:
    """A value without quotes.

    Raises:
        ValueError: A moment without an offset, which would mean another one elsewhere.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a moment needs its offset")
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
