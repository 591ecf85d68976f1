"""Section: the base of every group of settings.

Owns what all have in common: frozen, nothing unknown, defaults held to their own limits, input never
in an error's text. Knows nothing of any particular setting.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue

__all__ = ["FIXED", "RELOADS", "Section"]

#: For a setting that a running relay takes over when its configuration is read again.
RELOADS: Final[dict[str, JsonValue]] = {"reload": True}

#: For a setting that needs a restart.
FIXED: Final[dict[str, JsonValue]] = {"reload": False}


class Section(BaseModel):
    """A group of settings, read once and never changed."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        hide_input_in_errors=True,
    )
