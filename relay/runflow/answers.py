"""Answers: what came back, byte for byte, and how it is read as JSON and as a model.

Owns the exact bytes, strict JSON, and the step from JSON to a model. An answer exists only once it
has passed judgement: its status is 2xx and it is said to be JSON. Must not know of connections.

JSON here is RFC 8259: NaN and Infinity are refused, and a number with a fraction remembers how it was
written, so that a cost of 1.10 stays 1.10.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from relay.runflow.errors import NotJsonError, TruncatedError, UnexpectedShapeError

__all__ = ["Answer", "Number"]

T = TypeVar("T")

#: So many fields are named when an answer has the wrong shape.
_FIELDS_NAMED_MAX: Final = 5

#: What may stand at the end of JSON that was cut inside a word, a number or an escape.
_CUT: Final = re.compile(
    r"t|tr|tru|f|fa|fal|fals|n|nu|nul|-|\.|[eE][+-]?|\\|\\?u[0-9a-fA-F]{0,3}|", re.ASCII
)


class Number(float):
    """A number with a fraction or an exponent, which knows how it was written."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str | float) -> Self:
        """Read ``text``, and keep it."""
        number = super().__new__(cls, text)
        number.text = str(text)
        return number


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer of the API that passed judgement.

    Attributes:
        request: What was asked, as ``GET /v1/runs/…``.
        status: The HTTP status, 200 to 299.
        headers: As they came; names without regard to case.
        body: The exact bytes, inflated where they came compressed.
    """

    request: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @cached_property
    def document(self) -> object:
        """The body as JSON, read once.

        Raises:
            TruncatedError: It ends in the middle.
            NotJsonError: It is not JSON.
        """
        try:
            text = self.body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise self._not_json("is not UTF-8") from None
        try:
            return _DECODER.decode(text)
        except json.JSONDecodeError as error:
            if _is_cut(text, error):
                raise TruncatedError(
                    f"{self.request}: the JSON ends in the middle, after {len(self.body)} bytes",
                    status=self.status,
                ) from None
            raise self._not_json(f"is not JSON at character {error.pos}") from None
        except RecursionError:
            raise self._not_json("is nested too deeply") from None
        except ValueError:
            # An integer of thousands of digits, or a constant that JSON does not have.
            raise self._not_json("has a number that JSON does not have") from None

    def parse(self, kind: type[T], *, required: tuple[str, ...] = ()) -> T:
        """The body as a model.

        Args:
            kind: A model, or anything pydantic can validate.
            required: Fields that must be there and not null; every field of a model is nullable.

        Raises:
            TruncatedError, NotJsonError: The body is not whole, or not JSON.
            UnexpectedShapeError: It is JSON of another form.
        """
        return self.read(self.document, kind, required=required)

    def read(
        self, document: object, kind: type[T], *, required: tuple[str, ...] = ()
    ) -> T:
        """A part of this answer's document as a model; for the rest see `parse`."""
        try:
            found = _adapter(kind).validate_python(document)
        except ValidationError as error:
            raise self.misshapen(_fields_of(error)) from None
        missing = [name for name in required if getattr(found, name) is None]
        if missing:
            raise self.misshapen(f"without {', '.join(missing)}")
        return found

    def misshapen(self, what: str) -> UnexpectedShapeError:
        """The error for JSON of another form than the documented one."""
        return UnexpectedShapeError(
            f"{self.request}: JSON of an unexpected form: {what}", status=self.status
        )

    def _not_json(self, what: str) -> NotJsonError:
        return NotJsonError(f"{self.request}: the body {what}", status=self.status)


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(parse_float=Number, parse_constant=_refuse_constant)


def _is_cut(text: str, error: json.JSONDecodeError) -> bool:
    """Whether more text could have made it whole."""
    if not text.lstrip().startswith(("{", "[")) or error.msg == "Extra data":
        return False
    if error.msg.startswith("Unterminated string"):
        return True
    return _CUT.fullmatch(text[error.pos :].rstrip()) is not None


#: One for each kind that was ever read: as many as the code names.
_ADAPTERS: Final[dict[object, TypeAdapter[Any]]] = {}


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    found = _ADAPTERS.get(kind)
    if found is None:
        found = _ADAPTERS[kind] = TypeAdapter(kind)
    return found


def _fields_of(error: ValidationError) -> str:
    """Which fields are wrong and how; never what they hold."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    named = [
        f"{'.'.join(map(str, item['loc'])) or 'the whole'}: {item['type']}"
        for item in found[:_FIELDS_NAMED_MAX]
    ]
    more = len(found) - len(named)
    return ", ".join([*named, f"and {more} more"] if more else named)
