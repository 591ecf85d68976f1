"""A run with everything in it: the story that a timeline has to tell, on any store.

Owns one history at fixed times: a partial callback, asks that fail in several ways, an answer, a repeat, a
stale callback, a contradiction and its answer, two revisions, tries that fail, one dead delivery.
"""

import json

from relay.core.delivery import Delivered, Failed, Fault, Outcome, Refused
from relay.core.inquiry import Asked, Inquiry, Lesson, Postpone
from tests.fakes import NOW_US
from tests.record.answers import told
from tests.record.harness import StoreHarness
from tests.record.receipts import EVERYWHERE, callback

__all__ = ["REF", "RUN", "tell_everything"]

RUN = "019a8c3e-5b10-7c44-9f21-3d5e8a7b6c01"
REF = "order-1001"
SECOND = 1_000_000


class _Teller:
    """Lets time pass, and things happen in it."""

    def __init__(self, harness: StoreHarness) -> None:
        self.harness = harness

    def at(self, seconds: float) -> int:
        """From now on it is so many seconds after the beginning."""
        self.harness.clock.time_us = NOW_US + round(seconds * SECOND)
        return self.harness.clock.time_us

    async def called(self, seconds: float, **said: object) -> None:
        """A callback comes."""
        at = self.at(seconds)
        await self.harness.one(callback(RUN, at=at, client_ref=REF, **said))  # type: ignore[arg-type]

    async def asked(
        self,
        seconds: float,
        answer: str,
        *,
        took: float = 0.2,
        status: int | None = 200,
        document: bytes | None = None,
        again: float = 0.0,
    ) -> None:
        """The API is asked, and says this after a while."""
        asked_at = self.at(seconds)
        [inquiry] = await self.harness.store.inquire("acme", limit=10, now=asked_at)
        assert isinstance(inquiry, Inquiry)
        at = self.at(seconds + took)
        detail = json.loads(document)["status_code"] if document else ""
        asked = Asked(
            at=asked_at,
            duration_us=round(took * SECOND),
            answer=answer,
            status=status,
            detail=detail,
        )
        move = Postpone(NOW_US + round(again * SECOND))
        lesson = Lesson(
            inquiry=inquiry,
            asked=asked,
            document=document,
            move=move,
            router=EVERYWHERE,
            at=at,
        )
        await self.harness.store.learn([lesson])

    async def tried(self, seconds: float, destination: str, outcome: Outcome) -> None:
        """What is due there is tried."""
        self.at(seconds)
        parcels = await self.harness.claim(destination)
        assert len(parcels) == 1
        await self.harness.settle(*parcels, outcome=outcome)


async def tell_everything(harness: StoreHarness) -> None:
    """Let it all happen to `RUN`; afterwards orders has its second event still to come."""
    teller = _Teller(harness)
    await teller.called(0.1, completed_at=None)
    await teller.asked(0.2, "timeout", took=10, status=None, again=12)
    await teller.asked(12, "wrong_content", again=15)
    await teller.asked(15, "unauthorized", status=401, again=20)
    await teller.asked(20, "told", document=told(run=RUN, client_ref=REF))
    await teller.tried(20.5, "lake", Delivered(status=None))
    await teller.tried(21, "orders", _unavailable())
    await teller.called(25, note="again")
    await teller.called(25.5, note="again")
    await teller.called(26, status="running", completed_at=None)
    await teller.tried(30, "orders", _refused())
    await teller.called(40, status="failed")
    await teller.asked(41, "told", document=told("failed", run=RUN, client_ref=REF))
    await teller.tried(41.5, "lake", Delivered(status=None))
    await teller.tried(42, "orders", _unavailable())
    teller.at(44)


def _unavailable() -> Outcome:
    return Failed(
        reason="status_503",
        fault=Fault.DESTINATION,
        status=503,
        duration_us=12_000,
        excerpt=b"busy\x1b[31m",
    )


def _refused() -> Outcome:
    return Refused(reason="blocked_address", detail="10.0.0.7 is private")
