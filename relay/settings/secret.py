"""Secret: a text that never prints.

Owns the type, and reading it from a file (``{file: PATH}``). Knows nothing of what a secret is for;
``relay.settings.keys`` checks the forms that the schemes ask for.
"""

import hmac
from pathlib import Path
from typing import Any, Final, Never

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from relay.settings.mistakes import refuse
from relay.settings.shape import near

__all__ = ["Secret", "anchor_of", "text_of_file"]

_HIDDEN: Final = "***"
_FILE_MAX: Final = 65_536


class Secret:
    """Holds a text that only ``reveal`` gives out.

    It prints as ``***`` wherever it is printed, formatted or written as JSON, and refuses to be
    pickled. Two secrets are equal when their texts are.
    """

    __slots__ = ("_text",)

    kind = "secret"
    limits = "text, or `{file: PATH}`"

    def __init__(self, text: str) -> None:
        if not text:
            raise ValueError("a secret must not be empty")
        self._text = text

    def reveal(self) -> str:
        """Give the text itself. Call it where the secret is used, and keep it nowhere."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret('{_HIDDEN}')"

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, spec: str) -> str:
        return format(_HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a secret cannot be pickled")

    @classmethod
    def __get_pydantic_core_schema__(
        cls,
        source: Any,
        handler: GetCoreSchemaHandler,
    ) -> CoreSchema:
        del source, handler
        return core_schema.with_info_plain_validator_function(
            _read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                _hide, when_used="json"
            ),
        )


def _hide(value: object) -> str:
    del value
    return _HIDDEN


def anchor_of(info: ValidationInfo) -> Path:
    """Give the directory that anchors relative paths while a configuration is being read."""
    context = info.context
    return Path(context["anchor"]) if context else Path()


def _read(value: object, info: ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, str):
        text = value
    elif isinstance(value, dict) and set(value) == {"file"}:
        text = text_of_file(value["file"], anchor_of(info))
    else:
        hint = "quote it if it is a number"
        if isinstance(value, dict):
            hint = "did you mean `file`?" if near("".join(value), ["file"]) else ""
        raise refuse("must be text, or {file: PATH}", hint)
    if not text:
        raise refuse("must not be empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise refuse("is not UTF-8") from None
    return Secret(text)


def text_of_file(path: object, anchor: Path) -> str:
    """Read a secret's file; one newline at its end, as editors and ``echo`` leave it, goes.

    No message names the file: a variable that was to hold its path may hold the secret itself.
    """
    if not isinstance(path, str) or not path or not path.isprintable():
        raise refuse("`file` must be a path")
    try:
        with (anchor / path).open("rb") as file:
            content = file.read(_FILE_MAX + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise refuse(
            f"the secret's file cannot be read: {reason}",
            "a relative path begins at data_dir",
        ) from None
    if len(content) > _FILE_MAX:
        raise refuse(f"the secret's file is larger than {_FILE_MAX} bytes")
    if content.endswith(b"\n"):
        content = content[:-1].removesuffix(b"\r")
    if not content:
        raise refuse("the secret's file is empty")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise refuse("the secret's file is not UTF-8") from None
