"""Finding: what one look at the world outside has come to.

Owns the words for a result, and what many of them come to together. Knows nothing of what is looked at.
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

__all__ = ["Finding", "Result", "Sum", "summed"]

#: ``warning``: works, and could be better. ``unknown``: could not be told now. ``skipped``: nobody has asked for it.
Result = Literal["ok", "warning", "failed", "unknown", "skipped"]
Sum = Literal["ok", "failed", "partly"]

_REMEDIED: Final = ("warning", "failed", "unknown")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One row: what was looked at, how it is, and what to do about it."""

    check: str
    #: The source or destination that it is about; empty where it is about the relay.
    about: str = ""
    result: Result
    found: str
    #: One thing to do. There where something is to be done.
    remedy: str = ""

    def __post_init__(self) -> None:
        if (self.result in _REMEDIED) != bool(self.remedy):
            raise ValueError(f"{self.result} and a remedy: {self.remedy!r}")


def summed(findings: Iterable[Finding]) -> Sum:
    """Failed where anything has; partly where nothing has and something could not be told."""
    results = {finding.result for finding in findings}
    if "failed" in results:
        return "failed"
    return "partly" if "unknown" in results else "ok"
