"""Shape: how much of an event a destination is sent.

Owns which parts of ``data`` may be left out, how an event looks without them, and whether what is left
is too large. Pure: the same event and the same shape give the same bytes. The event's id and all of its
attributes stay, and so does every key of ``data``: what was left out is null and named in ``omitted``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from msgspec import Raw

from relay.core.delivery import Refused
from relay.core.event import Event

__all__ = ["WHOLE", "Omittable", "Shape"]

#: What may be left out: all that neither says which run ended how, nor is an attribute as well.
Omittable = Literal[
    "org_id",
    "created_at",
    "started_at",
    "duration_ms",
    "cost",
    "output",
    "output_expires_at",
    "failure",
    "nodes",
    "target",
    "metadata",
]

_NULL: Final = Raw(b"null")
_encode: Final[Callable[[object], bytes]] = msgspec.json.encode
_decoder: Final = msgspec.json.Decoder(dict[str, Raw])


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one destination wants of each event."""

    omit: tuple[Omittable, ...] = ()
    #: The largest body, line or record, in bytes; None: no limit of its own.
    max_bytes: int | None = None

    def of(self, event: Event) -> Event:
        """Give the event without what is to be left out."""
        if not self.omit:
            return event
        # Each value is its own bytes, so that nothing else of the event is written anew.
        fields = _decoder.decode(event.data)
        left_out = [name for name in fields if name in self.omit]
        fields |= dict.fromkeys(left_out, _NULL)
        fields["omitted"] = Raw(_encode(left_out))
        return Event(attributes=event.attributes, data=_encode(fields))

    def refusal(self, size: int) -> Refused | None:
        """Give the end of a delivery that is larger than the destination takes; None if it fits."""
        if self.max_bytes is None or size <= self.max_bytes:
            return None
        return Refused(
            reason="too_large", detail=f"{size} bytes, of {self.max_bytes} at the most"
        )


#: All of every event, whatever its size.
WHOLE: Final = Shape()
