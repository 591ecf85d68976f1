"""Identity: what makes two callbacks speak of the same thing, and the ids that follow from it.

Owns kinds, outcomes, the canonical form of an upstream id, and event ids. Knows nothing of payloads.
"""

import hashlib
import re
import uuid
from enum import Enum, IntEnum
from typing import Final

import msgspec

__all__ = [
    "EVENT_NAMESPACE",
    "ID_BYTES_MAX",
    "Kind",
    "Namespace",
    "Outcome",
    "RunKey",
    "UnusableIdError",
    "canonical",
    "event_id",
    "event_id_bytes",
    "event_id_text",
]

#: The namespace of every event id; part of the public contract, never changed.
EVENT_NAMESPACE: Final = uuid.UUID("8a0def7b-d79e-47aa-8d40-2bccf4a180cb")
_NAMESPACE: Final = EVENT_NAMESPACE.bytes
ID_BYTES_MAX: Final = 255

_UUID: Final = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


class UnusableIdError(ValueError):
    """The upstream id cannot name anything: empty, too long, or with control characters."""


class Kind(Enum):
    """What ended: a single run, or a batch of them. Or a destination, to which something has happened."""

    RUN = "run"
    BATCH = "batch"
    DESTINATION = "relay.destination"


class Outcome(Enum):
    """How it ended. ``cancelled`` and ``canceled`` are one; an unknown terminal word is ``OTHER``."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PARTIAL_SUCCEEDED = "partial_succeeded"
    OTHER = "other"

    # What happens to a destination; no run ends so.
    DISABLED = "disabled"
    PAUSED = "paused"
    RESUMED = "resumed"
    FAILING = "failing"
    BEHIND = "behind"


class Namespace(IntEnum):
    """The kind and the form of an id, as stores keep them beside its bytes."""

    RUN_UUID = 1
    RUN_TEXT = 2
    BATCH_UUID = 3
    BATCH_TEXT = 4
    #: Of the relay itself; never a UUID.
    DESTINATION = 5


class RunKey(msgspec.Struct, frozen=True):
    """One run or batch of one source: the key of everything that is known of it."""

    source: str
    kind: Kind
    #: Canonical text: lower case if and only if it is a UUID in 8-4-4-4-12 form, else verbatim.
    id: str

    @classmethod
    def of(cls, source: str, kind: Kind, upstream_id: str) -> "RunKey":
        """Build the key from an id as received.

        Raises:
            UnusableIdError: the id is empty or nothing but dots, over 255 bytes of UTF-8, or holds control characters.
        """
        if _UUID.fullmatch(upstream_id):
            return cls(source, kind, canonical(upstream_id))
        if not upstream_id.strip("."):
            # Dots alone are a way up in the path of an address: nobody could be asked about them.
            raise UnusableIdError("only_dots" if upstream_id else "empty")
        if _CONTROL.search(upstream_id):
            raise UnusableIdError("control_character")
        try:
            size = len(upstream_id.encode())
        except UnicodeEncodeError as error:
            raise UnusableIdError("lone_surrogate") from error
        if size > ID_BYTES_MAX:
            raise UnusableIdError("too_long")
        return cls(source, kind, upstream_id)

    @classmethod
    def restore(cls, source: str, namespace: int, stored: bytes) -> "RunKey":
        """Build the key from what :attr:`namespace` and :attr:`stored` gave."""
        space = Namespace(namespace)
        if space is Namespace.DESTINATION:
            return cls(source, Kind.DESTINATION, stored.decode())
        kind = (
            Kind.RUN
            if space in (Namespace.RUN_UUID, Namespace.RUN_TEXT)
            else Kind.BATCH
        )
        if space in (Namespace.RUN_UUID, Namespace.BATCH_UUID):
            return cls(source, kind, str(uuid.UUID(bytes=stored)))
        return cls(source, kind, stored.decode())

    @property
    def namespace(self) -> Namespace:
        """The kind and form of the id."""
        if self.kind is Kind.DESTINATION:
            return Namespace.DESTINATION
        is_uuid = len(self.id) == 36 and _UUID.fullmatch(self.id) is not None
        if self.kind is Kind.RUN:
            return Namespace.RUN_UUID if is_uuid else Namespace.RUN_TEXT
        return Namespace.BATCH_UUID if is_uuid else Namespace.BATCH_TEXT

    @property
    def stored(self) -> bytes:
        """The id as stores keep it: 16 bytes for a UUID, else its UTF-8."""
        is_ours = self.kind is Kind.DESTINATION
        if len(self.id) == 36 and not is_ours and _UUID.fullmatch(self.id):
            return bytes.fromhex(self.id.replace("-", ""))
        return self.id.encode()


def canonical(upstream_id: str) -> str:
    """An upstream id in the one spelling that leaves: lower case if and only if it is a UUID."""
    return upstream_id.lower() if _UUID.fullmatch(upstream_id) else upstream_id


def event_id(key: RunKey, outcome: Outcome, revision: int) -> uuid.UUID:
    """The id of the event that says how this run ended: UUID version 5 (RFC 9562).

    The same source, run, outcome and revision give the same id on every machine and for ever.
    """
    return uuid.UUID(bytes=event_id_bytes(key, outcome, revision))


def event_id_text(key: RunKey, outcome: Outcome, revision: int) -> str:
    """The same as it is written: 8-4-4-4-12 hexadecimal digits."""
    # Not by way of a UUID: on the path of every event that costs as much as the hash.
    digits = event_id_bytes(key, outcome, revision).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def event_id_bytes(key: RunKey, outcome: Outcome, revision: int) -> bytes:
    """The same as 16 bytes."""
    name = f"{key.source}\n{key.kind.value}\n{key.id}\n{outcome.value}\n{revision}"
    digest = bytearray(
        hashlib.sha1(_NAMESPACE + name.encode(), usedforsecurity=False).digest()[:16]
    )
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return bytes(digest)
