"""Readmitting: what lies in quarantine goes through its door again.

Owns the verb: what may be ordered, going through it a few at a time, and what it came to. Whether a body can be
read now is for the door to say; nothing is let in here that was not verified when it came.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from relay.core.audit import Entry
from relay.core.errors import MisconfiguredError, UnstorableError
from relay.core.ports import Clock, Recorded
from relay.core.quarantine import DIGEST_HEX, GONE, Kept, Quarantine, Readmitting
from relay.core.receipt import Receipt
from relay.core.run import Verdict

__all__ = ["BadDigestError", "Order", "Readmission", "Report", "check_digest"]

#: What is read and judged together: bodies, and bytes of them (one body in any case).
BATCH_MAX: Final = 32
BYTES_MAX: Final = 8 * 1024 * 1024
#: Digits that a digest may be cut down to.
DIGEST_MIN: Final = 8
_HEX: Final = frozenset("0123456789abcdef")
#: Why a body stays whose source or channel the configuration has no more.
NO_DOOR: Final = "no_such_channel"

Receive = Callable[[Kept, tuple[bytes, bytes], int], Receipt | None]


class BadDigestError(MisconfiguredError):
    """It is no digest, or nothing in quarantine has it."""


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be read once more; everything where nothing is said."""

    #: Their beginnings suffice.
    digests: tuple[str, ...] = ()
    source: str | None = None
    reason: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What it came to, in bodies."""

    looked_at: int
    #: By verdict: first, duplicate, stale, conflict.
    admitted: dict[str, int]
    #: Of these, those that made an event at once; others wait for the truth, or add to one that is there.
    events: int
    #: Still in quarantine, by reason.
    left: dict[str, int]
    #: Not in quarantine any more when it was their turn: somebody else had them read meanwhile, or they were
    #: forgotten.
    gone: int = 0


class Readmission:
    """Takes orders."""

    def __init__(
        self,
        quarantine: Quarantine,
        readmitting: Readmitting,
        *,
        receive: Receive,
        clock: Clock,
    ) -> None:
        """``receive`` makes a receipt as its door would today; None where there is no such door."""
        self._quarantine = quarantine
        self._readmitting = readmitting
        self._receive = receive
        self._clock = clock

    async def readmit(self, order: Order, *, by: str) -> Report:
        """Read once more what is meant.

        Raises:
            BadDigestError: nothing has such a digest.
            RelayError: it cannot be written now; what went before stays.
        """
        tally = _Tally()
        for digest in [check_digest(text) for text in order.digests] or [""]:
            after = 0
            while page := await self._page(order, digest, after):
                after = page[-1].number
                await self._batch(page, tally, by=by)
            if digest and not after:
                raise BadDigestError(f"nothing in quarantine has the digest {digest}")
        return tally.report()

    async def _page(self, order: Order, digest: str, after: int) -> Sequence[Kept]:
        page = await self._quarantine.kept(
            order.source, order.reason, digest=digest, limit=BATCH_MAX, after=after
        )
        weight = 0
        for count, one in enumerate(page):
            weight += one.size
            if count and weight > BYTES_MAX:
                return page[:count]
        return page

    async def _batch(self, page: Iterable[Kept], tally: "_Tally", *, by: str) -> None:
        receipts = []
        for one in page:
            contents = await self._quarantine.contents(one.number)
            if contents is None:
                tally.vanished()
                continue
            receipt = self._receive(one, contents, self._clock.now_us())
            if receipt is None:
                tally.stays(NO_DOOR)
            else:
                receipts.append((one, receipt))
        if receipts:
            await self._write(receipts, tally, by=by)

    async def _write(
        self, receipts: Sequence[tuple[Kept, Receipt]], tally: "_Tally", *, by: str
    ) -> None:
        entry = Entry(
            at=self._clock.now_us(),
            actor=by,
            verb="quarantine replay",
            subject=receipts[0][0].digest,
            detail=f"{len(receipts)} bodies",
        )
        try:
            found = await self._readmitting.readmit(
                [receipt for _, receipt in receipts], entry=entry
            )
        except UnstorableError:
            if len(receipts) == 1:
                tally.stays("unstorable")
                return
            for one in receipts:
                await self._write([one], tally, by=by)
            return
        for recorded in found:
            tally.add(recorded)


class _Tally:
    def __init__(self) -> None:
        self._admitted: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._events = 0
        self._gone = 0

    def vanished(self) -> None:
        """One is not there any more: somebody else has read it, or it has been forgotten."""
        self._gone += 1

    def stays(self, reason: str) -> None:
        self._left[reason] += 1

    def add(self, recorded: Recorded) -> None:
        if recorded.reasons == (GONE,):
            self.vanished()
            return
        if recorded.verdict is Verdict.QUARANTINED:
            self.stays(", ".join(recorded.reasons))
            return
        self._admitted[recorded.verdict.value] += 1
        self._events += recorded.letter is not None

    def report(self) -> Report:
        return Report(
            looked_at=self._admitted.total() + self._left.total() + self._gone,
            admitted=dict(self._admitted),
            events=self._events,
            left=dict(self._left),
            gone=self._gone,
        )


def check_digest(text: str) -> str:
    """A digest, or the beginning of one, as it is kept.

    Raises:
        BadDigestError: it is none.
    """
    digest = text.strip().lower()
    if not DIGEST_MIN <= len(digest) <= DIGEST_HEX or not _HEX.issuperset(digest):
        raise BadDigestError(
            f"{text!r} is no digest: write {DIGEST_MIN} to {DIGEST_HEX} hexadecimal digits"
        )
    return digest
