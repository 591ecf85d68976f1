"""Audit: who has changed what, and when.

Owns the shape of one entry. Knows nothing of where it is kept; whoever changes something writes the entry
with the change, so that there is never one without the other.
"""

from typing import Final

import msgspec

__all__ = ["KEPT_MAX", "RELAY", "Entry"]

#: The actor of what the relay has changed by itself.
RELAY: Final = "relay"
#: The newest entries that a store keeps.
KEPT_MAX: Final = 100_000


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One change."""

    #: When, wall microseconds.
    at: int
    #: The login of a person, or `RELAY`.
    actor: str
    #: What was done, as the command line has it: ``destinations pause``.
    verb: str
    #: What it was done to: the name of a destination, the id of a replay.
    subject: str
    #: More of it, in words.
    detail: str = ""
