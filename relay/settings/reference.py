"""Reference: the settings as a page for people.

Owns ``docs/settings.md``, written from the models so that it cannot say anything else than they do.
Knows nothing of how settings are loaded.
"""

from collections.abc import Iterator
from typing import Final

from pydantic.fields import FieldInfo

from relay.settings.described import default_of, form_of, reloads
from relay.settings.root import Settings
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
- [config/production.yaml](../config/production.yaml) is a file to begin with that has every one of them.
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
    again = "yes" if reloads(field) else "no"
    cells = (f"`{name}`", form_of(field), default_of(field), again, field.description)
    return f"| {' | '.join(str(cell) for cell in cells)} |"
