"""Status: the words for where a run stands, and which of them are the end.

``queued``, ``dispatching``, ``running``, then ``succeeded``, ``failed``, ``cancelled`` or
``partial_succeeded`` (get-run). Both spellings of cancelled are documented: two l's in the schemas,
one in a newer "concepts/runs". A word that nobody documented is kept, and is not an end.
"""

from typing import Final, Literal, TypeAlias

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

__all__ = ["Outcome", "RunStatus"]

#: How something ended, in one spelling each.
Outcome: TypeAlias = Literal["succeeded", "failed", "cancelled", "partial_succeeded"]

_OUTCOMES: Final[dict[str, Outcome]] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "partial_succeeded": "partial_succeeded",
}


class RunStatus(str):
    """The word of a status, verbatim: it is a ``str`` and compares as one."""

    __slots__ = ()

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None while it has not, and for a word that nobody knows."""
        return _OUTCOMES.get(self)

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended."""
        return self in _OUTCOMES

    @property
    def is_success(self) -> bool:
        """Whether it has ended with all of its output."""
        return self == "succeeded"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Any text; written as text."""
        del source, handler
        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema()
        )
