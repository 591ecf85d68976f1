"""Reading what a caller asks for: the bodies of requests.

Owns their validation and the messages that come of it. `input` and `metadata` are kept as the very text
that was sent, for they are echoed. Knows nothing of runs or answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from yarl import URL

from relay.sandbox.wire import Raw

__all__ = [
    "BATCH_ITEMS_MAX",
    "CLIENT_REF_CHARS_MAX",
    "LABEL_CHARS_MAX",
    "BatchOrder",
    "InvalidOrderError",
    "Order",
    "Reading",
    "read_batch_order",
    "read_label",
    "read_order",
    "read_reason",
]

#: The only length that the reference page of a single run states.
CLIENT_REF_CHARS_MAX: Final = 255
LABEL_CHARS_MAX: Final = 255
BATCH_ITEMS_MAX: Final = 100
BATCH_URL_CHARS_MAX: Final = 2048


class InvalidOrderError(ValueError):
    """The request cannot be taken: a 422. `errors` has one entry for each mistake."""

    def __init__(self, errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__("the request is not valid")
        self.errors = list(errors)


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
    metadata: Raw | None = None
    callback_url: str | None = None
    client_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOrder:
    """A batch that is valid: `input` has one entry for each item, its ``client_ref`` taken out."""

    input: tuple[Raw, ...]
    client_refs: tuple[str | None, ...]
    metadata: Raw | None
    callback_url: str | None


_NULL: Final = msgspec.Raw(b"null")


class Reading:
    """One JSON object being read: its fields are taken one by one, mistakes are gathered."""

    def __init__(self, body: bytes, *, where: str = "") -> None:
        self.errors: list[dict[str, str]] = []
        self._where = where
        try:
            self.given = msgspec.json.decode(body.decode(), type=dict[str, msgspec.Raw])
        except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
            self.given = {}
            self.mistake("body", f"not a JSON object: {error}")

    def mistake(self, field: str, message: str) -> None:
        """Note what is wrong with a field."""
        self.errors.append({"field": self._where + field, "message": message})

    def text(self, field: str, *, chars: tuple[int, int] | None = None) -> str | None:
        """A string or null, of so many characters at least and at most."""
        try:
            found = msgspec.json.decode(self.given.get(field, _NULL), type=str | None)
        except msgspec.DecodeError:
            self.mistake(field, "neither a string nor null")
            return None
        if found is not None and chars and not chars[0] <= len(found) <= chars[1]:
            said = f"shorter than {chars[0]}" if len(found) < chars[0] else ""
            self.mistake(field, f"{said or f'longer than {chars[1]}'} characters")
        return found

    def object(self, field: str, *, required: bool = False) -> Raw | None:
        """The raw text of an object, or null."""
        text = bytes(self.given.get(field, _NULL)).decode()
        if text.startswith("{"):
            return Raw(text)
        if text != "null":
            self.mistake(field, "not an object")
        elif required:
            self.mistake(field, "this field is required")
        return None

    def switch(self, field: str) -> bool | None:
        """True, false or null."""
        try:
            return msgspec.json.decode(self.given.get(field, _NULL), type=bool | None)
        except msgspec.DecodeError:
            self.mistake(field, "neither true, false nor null")
            return None

    def web_address(self, field: str, *, chars_max: int | None = None) -> str | None:
        """An absolute http or https URL, or null."""
        found = self.text(field, chars=(0, chars_max) if chars_max else None)
        if found is not None and not _is_web_address(found):
            self.mistake(field, "not an absolute http or https URL")
        return found

    def done(self) -> None:
        """All has been read.

        Raises:
            InvalidOrderError: Something was wrong.
        """
        if self.errors:
            raise InvalidOrderError(self.errors)


def read_order(body: bytes) -> Order:
    """Read and check the body of "create a run"; fields that are not known are passed over.

    Raises:
        InvalidOrderError: It is not a JSON object, or a field is missing or wrong.
    """
    reading = Reading(body)
    reading.done()
    order = Order(
        input=reading.object("input", required=True) or Raw("{}"),
        metadata=reading.object("metadata"),
        callback_url=reading.web_address("callback_url"),
        client_ref=reading.text("client_ref", chars=(0, CLIENT_REF_CHARS_MAX)),
    )
    reading.done()
    return order


def read_batch_order(body: bytes) -> BatchOrder:
    """Read and check the body of "create a batch": ``input`` is a list of 1 to 100 objects.

    An item's ``client_ref`` stands inside it and is taken out before the model sees it.

    Raises:
        InvalidOrderError: It is not a JSON object, or a field is missing or wrong.
    """
    reading = Reading(body)
    reading.done()
    inputs: list[Raw] = []
    refs: list[str | None] = []
    for index, item in enumerate(_items(reading)):
        within = Reading(bytes(item), where=f"input[{index}].")
        refs.append(within.text("client_ref", chars=(0, CLIENT_REF_CHARS_MAX)))
        inputs.append(_without_client_ref(item, within))
        reading.errors += within.errors
    order = BatchOrder(
        input=tuple(inputs),
        client_refs=tuple(refs),
        metadata=reading.object("metadata"),
        callback_url=reading.web_address("callback_url", chars_max=BATCH_URL_CHARS_MAX),
    )
    reading.done()
    return order


def read_label(body: bytes) -> str | None:
    """The label of a new callback secret.

    Raises:
        InvalidOrderError: It is not a JSON object, or the label is too long.
    """
    reading = Reading(body)
    label = reading.text("label", chars=(0, LABEL_CHARS_MAX))
    reading.done()
    return label


def read_reason(body: bytes) -> str | None:
    """Why a run is cancelled: 3 to 500 characters, or nothing. The body may be empty.

    Raises:
        InvalidOrderError: It is not a JSON object, or the reason is too short or too long.
    """
    reading = Reading(body or b"{}")
    reason = reading.text("reason", chars=(3, 500))
    reading.done()
    return reason


def _items(reading: Reading) -> list[msgspec.Raw]:
    try:
        found = msgspec.json.decode(
            reading.given.get("input", _NULL), type=list[msgspec.Raw]
        )
    except msgspec.DecodeError:
        reading.mistake("input", "not a list of objects")
        return []
    if not 1 <= len(found) <= BATCH_ITEMS_MAX:
        reading.mistake("input", f"must have 1 to {BATCH_ITEMS_MAX} items")
        return []
    return found


def _without_client_ref(item: msgspec.Raw, within: Reading) -> Raw:
    if "client_ref" not in within.given:
        return Raw(bytes(item).decode())
    rest = (
        f"{msgspec.json.encode(name).decode()}:{bytes(value).decode()}"
        for name, value in within.given.items()
        if name != "client_ref"
    )
    return Raw("{" + ",".join(rest) + "}")


def _is_web_address(text: str) -> bool:
    try:
        url = URL(text)
        return url.scheme in {"http", "https"} and bool(url.host)
    except ValueError:
        return False
