"""Reading what a caller asks for: the body of "create and dispatch a model run".

Owns its validation and the messages that come of it. `input` and `metadata` are kept as
the very text that was sent, for they are echoed. Knows nothing of runs or answers.
"""

from dataclasses import dataclass

import msgspec
from yarl import URL

from relay.sandbox.wire import Raw

__all__ = ["CLIENT_REF_CHARS_MAX", "InvalidOrderError", "Order", "read_order"]

#: The only length that the reference page states.
CLIENT_REF_CHARS_MAX = 255


class InvalidOrderError(ValueError):
    """The body cannot be taken: a 422. `errors` has one entry for each mistake."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("the request body is not valid")
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A body that is valid.

    Attributes:
        input: The raw text of an object.
        metadata: The raw text of an object, or None.
        callback_url: Where the callback goes; None means that none is sent.
        client_ref: The caller's label, at most 255 characters.
    """

    input: Raw
    metadata: Raw | None
    callback_url: str | None
    client_ref: str | None


def read_order(body: bytes) -> Order:
    """Read and check a request body; fields that are not known are passed over.

    Raises:
        InvalidOrderError: It is not a JSON object, or a field is missing or wrong.
    """
    try:
        given = msgspec.json.decode(body.decode(), type=dict[str, msgspec.Raw])
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise InvalidOrderError(
            [_mistake("body", f"not a JSON object: {error}")]
        ) from None
    errors: list[dict[str, str]] = []
    order = Order(
        input=_object(given, "input", errors) or Raw("{}"),
        metadata=_object(given, "metadata", errors),
        callback_url=_text(given, "callback_url", errors),
        client_ref=_text(given, "client_ref", errors),
    )
    if not errors and given.get("input", _NULL) == _NULL:
        errors.append(_mistake("input", "this field is required"))
    if len(order.client_ref or "") > CLIENT_REF_CHARS_MAX:
        errors.append(_mistake("client_ref", "longer than 255 characters"))
    if order.callback_url is not None and not _is_web_address(order.callback_url):
        errors.append(_mistake("callback_url", "not an absolute http or https URL"))
    if errors:
        raise InvalidOrderError(errors)
    return order


_NULL = msgspec.Raw(b"null")


def _mistake(field: str, message: str) -> dict[str, str]:
    return {"field": field, "message": message}


def _object(
    given: dict[str, msgspec.Raw], field: str, errors: list[dict[str, str]]
) -> Raw | None:
    text = bytes(given.get(field, _NULL)).decode()
    if text == "null":
        return None
    if not text.startswith("{"):
        errors.append(_mistake(field, "not an object"))
        return None
    return Raw(text)


def _text(
    given: dict[str, msgspec.Raw], field: str, errors: list[dict[str, str]]
) -> str | None:
    try:
        return msgspec.json.decode(given.get(field, _NULL), type=str | None)
    except msgspec.DecodeError:
        errors.append(_mistake(field, "neither a string nor null"))
        return None


def _is_web_address(text: str) -> bool:
    try:
        url = URL(text)
        return url.scheme in {"http", "https"} and bool(url.host)
    except ValueError:
        return False
