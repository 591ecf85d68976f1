"""Section: the base of every group of settings.

Owns what all have in common: frozen, nothing unknown, defaults held to their own limits, input never
in an error's text. Knows nothing of any particular setting.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue

__all__ = ["FIXED", "RELOADS", "Section", "fixed_changes"]

#: For a setting that a running relay takes over when its configuration is read again.
RELOADS: Final[dict[str, JsonValue]] = {"reload": True}

#: For a setting that needs a restart.
FIXED: Final[dict[str, JsonValue]] = {"reload": False}


def fixed_changes(old: "Section", new: "Section", path: str = "") -> list[str]:
    """Names of the settings that differ and that a running relay does not take over."""
    found: list[str] = []
    for name, field in type(old).model_fields.items():
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, Section) and isinstance(after, Section):
            found += fixed_changes(before, after, f"{path}{name}.")
        elif field.json_schema_extra == FIXED and before != after:
            found.append(path + name)
    return found


class Section(BaseModel):
    """A group of settings, read once and never changed."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        hide_input_in_errors=True,
    )
