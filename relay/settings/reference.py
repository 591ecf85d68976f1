"""Reference: the settings as a page for people.

Owns ``docs/settings.md``, written from the models so that it cannot say anything else than they do.
Knows nothing of how settings are loaded.
"""

from collections.abc import Iterator
from typing import Final, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from relay.settings.forms import Form
from relay.settings.root import Settings
from relay.settings.secret import Secret
from relay.settings.section import Section
from relay.settings.shape import is_list, sections_in, tag_of

__all__ = ["reference"]

_INTRODUCTION: Final = """\
# Settings

<!-- Written by docs/generate_settings.py from relay/settings. Change it there. -->

The relay reads one YAML 1.2 file (`--config FILE` or `RELAY_CONFIG`). Every mistake in it is reported
at once, with its line; a setting that is not on this page is one of them.

- `${NAME}` inside a text becomes the environment variable's value, always as text; `$$` is a plain `$`.
- `RELAY__SECTION__KEY` sets a value over the file, such as `RELAY__LIMITS__BODY_BYTES=8MiB`. Lists,
  and what is in them, are set in the file.
- A secret is text, or `{file: PATH}`; one newline at the file's end is left off. `secret: X` is short
  for `secrets: [{id: default, secret: X}]`.
- Relative paths begin at `data_dir`.
- Times are whole numbers with `ms`, `s`, `m`, `h`, `d` or `y` (365 days); sizes have `B`, `KiB`, `MiB`,
  `GiB`, `TiB` (powers of 1024) or `kB`, `MB`, `GB`, `TB` (of 1000).
- *Reloads* says whether a running relay takes a change over; otherwise it needs a restart.
"""

_HEAD: Final = (
    "| Setting | Form | Default | Reloads | Meaning |\n| --- | --- | --- | --- | --- |"
)


def reference() -> str:
    """Write the page, in Markdown."""
    return "\n".join([_INTRODUCTION, *_section("", Settings)]).rstrip() + "\n"


def _section(path: str, section: type[Section], within: str = "") -> Iterator[str]:
    """Write a section's own settings as a table, then the sections inside it.

    ``within`` says which of several sections this one is, or stands in.
    """
    within = _choice(section) or within
    if path:
        yield f"## `{path}`{within}\n"
        yield f"{(section.__doc__ or '').strip()}\n"
    yield _HEAD
    fields = section.model_fields.items()
    yield from (_row(*item) for item in sorted(fields, key=_rank))
    yield ""
    for name, field in fields:
        below = f"{path}.{name}" if path else name
        suffix = "[]" if is_list(field.annotation) else ""
        for inner in sections_in(field.annotation):
            yield from _section(below + suffix, inner, within)


def _rank(item: tuple[str, FieldInfo]) -> bool:
    """Required settings come first; otherwise the models' order holds."""
    return not item[1].is_required()


def _choice(section: type[Section]) -> str:
    tag = tag_of(section)
    return f" with `{tag[0]}: {tag[1]}`" if tag else ""


def _row(name: str, field: FieldInfo) -> str:
    extra = field.json_schema_extra
    reloads = "yes" if isinstance(extra, dict) and extra["reload"] else "no"
    cells = (f"`{name}`", _form(field), _default(field), reloads, field.description)
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _form(field: FieldInfo) -> str:
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


def _default(field: FieldInfo) -> str:
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
