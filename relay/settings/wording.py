"""Wording: what pydantic found, in words meant for people.

Owns the translation of validation errors into mistakes at places of the file. Knows nothing of how
the file was read. Quotes a value only where the setting is a word from a closed list, and then only
a short one that was written in the file itself: anything else might be a secret.
"""

import re
from collections.abc import Iterable
from typing import Final

from pydantic_core import ErrorDetails

from relay.settings.document import Data, Document
from relay.settings.mistakes import REFUSED, Where
from relay.settings.root import Settings
from relay.settings.shape import TAGS, keys_at, near

__all__ = ["explain"]

_WORD: Final = re.compile(r"[A-Za-z0-9-]{1,24}")
#: What an entry of a list is called, where the list's own name would not say it.
_NOUNS: Final = {"require": "field", "omit": "part"}
_QUOTED: Final = re.compile(r"'([^']*)'")

_PHRASES: Final = {
    "missing": ("required, and missing", ""),
    "union_tag_not_found": ("required, and missing", ""),
    "null": ("has no value: give it one, or leave it out", ""),
    "too_short": ("needs at least one entry", ""),
    "model_type": ("must be a mapping of settings", ""),
    "model_attributes_type": ("must be a mapping of settings", ""),
    "tuple_type": ("must be a list", "[one, two], or one `- item` a line"),
    "bool_type": ("must be `true` or `false`", "without quotes; `yes` is a word"),
}


def explain(document: Document, errors: Iterable[ErrorDetails]) -> None:
    """Note every error as a mistake of the document, unless its cause is already known."""
    for error in errors:
        where = _place(error, document.data)
        if document.is_spoiled(where) or _is_echo(document, where, error):
            continue
        message, hint = _words(document, where, error)
        document.blame(where, message, hint)


def _place(error: ErrorDetails, data: Data) -> Where:
    """Give the place of an error, without the words by which pydantic names a union's members."""
    where: list[str | int] = []
    node = data
    for step in error["loc"]:
        if isinstance(node, dict):
            if step not in node and step in [node.get(tag) for tag in TAGS]:
                continue
            node = node.get(str(step))
        elif isinstance(node, list) and isinstance(step, int):
            node = node[step]
        else:
            node = None
        where.append(step)
    if error["type"].startswith("union_tag"):
        where.append(error["ctx"]["discriminator"].strip("'"))
    return tuple(where)


def _is_echo(document: Document, where: Where, error: ErrorDetails) -> bool:
    """Whether a list is called too short only because its entries were refused."""
    return error["type"] == "too_short" and bool(document.at(where))


def _words(document: Document, where: Where, error: ErrorDetails) -> tuple[str, str]:
    kind = error["type"]
    context = error.get("ctx", {})
    if kind != "extra_forbidden" and _is_null(document, where):
        kind = "null"
    match kind:
        case "extra_forbidden":
            words = _unknown_setting(document, where)
        case "literal_error":
            words = _unknown_word(document, where, context["expected"])
        case "union_tag_invalid":
            words = _unknown_word(document, where, context["expected_tags"])
        case "too_long":
            words = f"has more than {context['max_length']} entries", ""
        case str() if kind == REFUSED:
            words = context["message"], context["hint"]
        case _:
            words = _PHRASES.get(kind, ("cannot be used", kind))
    return words


def _is_null(document: Document, where: Where) -> bool:
    """Whether a value was left out after its colon or dash."""
    parent = document.at(where[:-1])
    if isinstance(parent, dict):
        return where[-1] in parent and document.at(where) is None
    return isinstance(parent, list) and document.at(where) is None


def _unknown_setting(document: Document, where: Where) -> tuple[str, str]:
    key = str(where[-1])
    guess = near(key, keys_at(Settings, document.data, where[:-1]))
    return (
        f"unknown setting; did you mean `{guess}`?" if guess else "unknown setting"
    ), ""


def _unknown_word(document: Document, where: Where, expected: str) -> tuple[str, str]:
    words = _QUOTED.findall(expected)
    choice = f"{', '.join(words[:-1])} or {words[-1]}" if words[1:] else words[0]
    noun = next(str(step) for step in reversed(where) if isinstance(step, str))
    noun = _NOUNS.get(noun, noun)
    value = document.at(where)
    if (
        where in document.filled
        or where in document.variables
        or not isinstance(value, str)
        or not _WORD.fullmatch(value)
    ):
        return f"unknown {noun}: use {choice}", ""
    guess = near(value, words)
    if guess:
        return f"unknown {noun} `{value}`; did you mean `{guess}`?", ""
    return f"unknown {noun} `{value}`: use {choice}", ""
