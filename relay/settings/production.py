"""Production: every setting as a file that a deployment begins with.

Owns ``config/production.yaml``, written from the models so that it cannot say anything else than they do:
what stands in it, in which order, and which settings are live. Values are in
:mod:`relay.settings.production_values`. Knows nothing of how settings are loaded.
"""

import textwrap
from collections.abc import Iterator
from typing import Final, NamedTuple

from pydantic.fields import FieldInfo

from relay.settings.described import default_of, form_of, reloads
from relay.settings.production_values import EXAMPLES, LIVE, NOTES
from relay.settings.root import Settings
from relay.settings.section import Section
from relay.settings.shape import is_list, sections_in, tag_of

__all__ = ["production"]

_HEAD: Final = """\
# A production configuration, with every setting there is.
#
# Written by `make docs` from relay/settings: each setting with its meaning, its form and limits, its default, and
# whether a running relay takes a change over ("reloads") or needs a restart.
#
# A line `#name: value` is a setting that is left at its default, or not set; take the # away to set it. Above it
# stands what it means. The smallest useful configuration is config/relay.yaml; the same settings as tables are
# docs/settings.md; what to think of when deploying is docs/deploying.md.
#
# ${NAME} is a variable of the environment. Any secret may be {file: PATH} instead, as Kubernetes and compose mount it.
# Before a start and after a change: relay check --config FILE, and with --online whether all that it names works.
"""
_WIDTH: Final = 110
_STEP: Final = "  "


class _Place(NamedTuple):
    """Where a section stands."""

    path: str
    indent: str
    #: Whether it is commented out as a whole.
    off: bool

    def named(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


def production() -> str:
    """Write the file, in YAML."""
    lines = list(_section(Settings, _Place("", "", off=False), first=""))
    return "\n".join([_HEAD, *lines]).rstrip() + "\n"


def _section(section: type[Section], place: _Place, *, first: str) -> Iterator[str]:
    """Write the settings of a section. ``first`` stands before the first one: the dash of a list."""
    fields = section.model_fields.items()
    ranked = sorted(fields, key=_rank) if place.path else fields
    for number, (name, field) in enumerate(ranked):
        lead = first if number == 0 else ""
        yield from _setting(name, field, place, lead=lead)
        if not place.path:
            yield ""


def _rank(item: tuple[str, FieldInfo]) -> tuple[bool, bool]:
    """Required settings come first and sections last; otherwise the models' order holds."""
    return not item[1].is_required(), bool(sections_in(item[1].annotation))


def _setting(name: str, field: FieldInfo, place: _Place, *, lead: str) -> Iterator[str]:
    path = place.named(name)
    inner = sections_in(field.annotation)
    off = place.off or not any(
        live == path or live.startswith((f"{path}.", f"{path}[")) for live in LIVE
    )
    # The dash stands where the comment does; what follows it is further in.
    outer = place.indent.removesuffix(" " * len(lead)) if lead else place.indent
    yield from _comment(path, field, outer)
    mark = "#" if off else ""
    if inner:
        yield f"{outer}{mark}{lead}{name}:"
        yield from _inner(inner, field, _Place(path, place.indent + _STEP, off))
    else:
        yield f"{outer}{mark}{lead}{name}: {_value(path, field, off=off)}"


def _inner(
    sections: list[type[Section]], field: FieldInfo, place: _Place
) -> Iterator[str]:
    if not is_list(field.annotation):
        yield from _section(sections[0], place, first="")
        return
    for number, section in enumerate(sections):
        tag = tag_of(section)
        path = f"{place.path}[{tag[1] if tag else ''}]"
        off = place.off or not any(live.startswith(f"{path}.") for live in LIVE)
        if len(sections) > 1:
            yield from [""] if number else []
            heading = f"{_said(section.__doc__)} {NOTES.get(path, '')}"
            yield from _wrapped(f"--- {heading}", place.indent)
        entry = _Place(path, place.indent + _STEP, off)
        yield from _section(section, entry, first="- ")


def _value(path: str, field: FieldInfo, *, off: bool) -> str:
    value = EXAMPLES.get(path) if off else LIVE[path]
    return value or default_of(field).strip("`")


def _comment(path: str, field: FieldInfo, indent: str) -> Iterator[str]:
    words = [_said(field.description), *([NOTES[path]] if path in NOTES else [])]
    facts = ["reloads" if reloads(field) else "restart"]
    if not sections_in(field.annotation):
        default = default_of(field).replace("`", "").replace("*", "")
        stated = f"default {default}" if default not in ("", "required") else default
        facts = [form_of(field).replace("`", ""), stated or "not set", *facts]
    yield from _wrapped(f"{' '.join(words)} ({'; '.join(facts)})", indent)


def _said(text: str | None) -> str:
    return " ".join((text or "").split())


def _wrapped(text: str, indent: str) -> list[str]:
    lead = f"{indent}# "
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=lead,
        subsequent_indent=lead,
        break_long_words=False,
        break_on_hyphens=False,
    )
