"""Shape: which sections stand where.

Owns finding the models behind a place of the configuration, for messages, for the environment and
for the reference. Knows the models' annotations and nothing of their meaning.
"""

import difflib
from collections.abc import Iterable
from typing import Literal, get_args, get_origin

from relay.settings.document import Data
from relay.settings.mistakes import Where
from relay.settings.section import Section

__all__ = ["TAGS", "is_list", "keys_at", "near", "sections_in", "tag_of"]

#: The settings by which one of several sections is chosen.
TAGS = ("kind", "scheme")


def sections_in(annotation: object) -> list[type[Section]]:
    """Give the sections that an annotation speaks of, in their order."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [
        section
        for argument in get_args(annotation)
        if not isinstance(argument, str)
        for section in sections_in(argument)
    ]


def is_list(annotation: object) -> bool:
    """Whether a setting is a list."""
    return get_origin(annotation) is tuple


def tag_of(section: type[Section]) -> tuple[str, str] | None:
    """Give the setting and the word that choose this section, if it is one of several."""
    for name in TAGS:
        field = section.model_fields.get(name)
        if field is not None and get_origin(field.annotation) is Literal:
            return name, str(get_args(field.annotation)[0])
    return None


def keys_at(root: type[Section], data: Data, where: Where) -> list[str]:
    """Name the settings that may stand in the mapping at a place."""
    sections, node = [root], data
    for step in where:
        if isinstance(step, str):
            fields = [section.model_fields.get(step) for section in sections]
            annotation = next((field.annotation for field in fields if field), None)
            sections = sections_in(annotation)
            node = node.get(step) if isinstance(node, dict) else None
        else:
            node = node[step] if isinstance(node, list) else None
            sections = [section for section in sections if _fits(section, node)]
    return [name for section in sections for name in section.model_fields]


def _fits(section: type[Section], node: Data) -> bool:
    tag = tag_of(section)
    return tag is None or (isinstance(node, dict) and node.get(tag[0]) == tag[1])


def near(word: str, words: Iterable[str]) -> str:
    """Give the word that was probably meant, or ''."""
    return next(
        iter(difflib.get_close_matches(word, list(words), n=1, cutoff=0.75)), ""
    )
