"""Log: how much the relay says about itself, and in which form.

Owns the ``log`` section. Knows nothing of the logging library.
"""

from typing import Literal

from pydantic import Field

from relay.settings.section import FIXED, Section

__all__ = ["Log"]


class Log(Section):
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info",
        description="The least that is said.",
        json_schema_extra=FIXED,
    )
    format: Literal["json", "console", "auto"] = Field(
        "auto",
        description="One JSON object a line, or text for people;"
        " `auto` is `console` on a terminal and `json` elsewhere.",
        json_schema_extra=FIXED,
    )
