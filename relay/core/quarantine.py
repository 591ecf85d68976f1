"""Quarantine: verified bytes that became no event, and reading them once more.

Owns the shapes in which they are told of, and the faces of whoever looks and of whoever reads them again. What
is read once more goes through the same door as when it came: it is judged, and becomes what it would have
become then, or stays. Knows no database.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from relay.core.audit import Entry
from relay.core.ports import Recorded
from relay.core.receipt import Receipt

__all__ = ["DIGEST_HEX", "GONE", "Group", "Kept", "Quarantine", "Readmitting"]

#: Digits of a whole digest.
DIGEST_HEX: Final = 32
#: Why nothing was read once more: it is not in quarantine any more.
GONE: Final = "gone"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One body in quarantine."""

    number: int
    source: str
    channel: str
    #: Id of the secret that matched.
    secret: str
    reason: str
    #: First half of its SHA-256, in hexadecimal.
    digest: str
    #: How often it came.
    count: int
    #: Wall microseconds.
    first_seen: int
    last_seen: int
    size: int


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """How many of one source are there for one reason."""

    source: str
    reason: str
    bodies: int
    receipts: int
    first_seen: int
    last_seen: int


class Quarantine(Protocol):
    """Looks into quarantine, whether or not a relay serves the store. Changes nothing.

    All of it may raise MisconfiguredError (there is no store, or it cannot be read) and StoreBusyError.
    """

    async def groups(self, source: str | None, reason: str | None) -> list[Group]:
        """How many there are, by source and reason."""
        ...

    async def kept(
        self,
        source: str | None,
        reason: str | None,
        *,
        digest: str = "",
        limit: int,
        before: int | None = None,
        after: int | None = None,
    ) -> list[Kept]:
        """Some of those whose digest begins so: newest first, of numbers below ``before``.

        With ``after`` in the order in which they came, of numbers above it.
        """
        ...

    async def contents(self, number: int) -> tuple[bytes, bytes] | None:
        """Kept headers (a JSON object) and body; None where it is not there any more."""
        ...


class Readmitting(Protocol):
    """Where what lies in quarantine is read once more."""

    async def readmit(
        self, receipts: Sequence[Receipt], /, *, entry: Entry
    ) -> Sequence[Recorded]:
        """Judge receipts that lie there (``quarantined_at``); ``entry`` is written in the same commit.

        Of one that does not lie there any more the only reason is :data:`GONE`.

        Raises:
            UnstorableError: one of them can never be stored as a run's; nothing has changed.
            StoreFullError: the store or its disk is at its limit.
            StoreBusyError: no commit in time.
        """
        ...
