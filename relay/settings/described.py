"""Described: what a setting says of itself.

Owns the words for a setting's form, its default and whether it reloads, for every page that is written from
the models. Knows nothing of how a page looks.
"""

from collections.abc import Iterator
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from relay.settings.forms import Form
from relay.settings.secret import Secret
from relay.settings.section import Section
from relay.settings.shape import is_list, sections_in

__all__ = ["default_of", "form_of", "reloads"]


def reloads(field: FieldInfo) -> bool:
    """Whether a running relay takes a change over."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra["reload"])


def form_of(field: FieldInfo) -> str:
    """Say how a value is written and what it may be."""
    annotation = field.annotation
    kind = _kind(annotation, field.metadata)
    if not is_list(annotation) or _forms(field.metadata):
        return kind
    least = next((m.min_length for m in field.metadata if hasattr(m, "min_length")), 0)
    most = next(m.max_length for m in field.metadata if hasattr(m, "max_length"))
    return f"list ({least} to {most}) of {kind}"


def _kind(annotation: object, metadata: list[object]) -> str:
    forms = _forms(metadata) or _forms(list(_inside(annotation)))
    if forms:
        limits = f", {forms[0].limits}" if forms[0].limits else ""
        return f"{forms[0].kind}{limits}"
    parts = list(_inside(annotation))
    words = [
        f"`{word}`"
        for part in parts
        if get_origin(part) is Literal
        for word in get_args(part)
    ]
    if words:
        return ", ".join(words)
    if Secret in parts:
        return f"{Secret.kind}: {Secret.limits}"
    return "section" if sections_in(annotation) else "`true` or `false`"


def _forms(metadata: list[object]) -> list[Form]:
    return [item for item in metadata if isinstance(item, Form)]


def _inside(annotation: object) -> Iterator[object]:
    """Give everything that an annotation is made of."""
    yield annotation
    yield from getattr(annotation, "__metadata__", ())
    if get_origin(annotation) is not Literal:
        for argument in get_args(annotation):
            yield from _inside(argument)


def default_of(field: FieldInfo) -> str:
    """Write the default as it would stand in the file; nothing where there is none to write."""
    value = field.default
    if field.is_required():
        return "*required*"
    if value is None or isinstance(value, Section):
        return ""
    forms = _forms(field.metadata) or _forms(list(_inside(field.annotation)))
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(str(item) for item in value)}]`"
    return f"`{forms[0].show(value) if forms else value}`"
