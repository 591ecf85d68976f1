"""Dead letters for the law of replays, orders to send them again, and whoever works at these."""

from collections.abc import Sequence

from relay.core.delivery import Refused
from relay.core.ports import Parcel
from relay.core.replay import (
    RATE_MAX,
    NewReplay,
    ReplayState,
    Resent,
    Selection,
    What,
)
from relay.core.route import Router
from tests.record.harness import StoreHarness
from tests.record.receipts import EVERYWHERE, callback

__all__ = ["REFUSED", "counts_of", "die", "order", "runs_of", "step", "work"]

REFUSED = Refused(reason="status_410", status=410)


async def order(
    harness: StoreHarness,
    selection: Selection | None = None,
    *,
    origin: str | None = None,
    target: str | None = None,
    rate: int = RATE_MAX,
    most: int | None = None,
) -> int:
    """Order whatever is selected, from a destination to the same or another one."""
    chosen = selection or Selection()
    what: What = chosen.what
    until = min(chosen.until, harness.clock.now_us() + 1)
    table = "deliveries" if what == "dead" else "events"
    [(last,)] = await harness.rows(f"SELECT MAX(number) FROM {table}")  # noqa: S608 - one of two names
    source = origin or (target if what == "missing" and target else "lake")
    new = NewReplay(
        by="somebody",
        origin=source,
        target=target or source,
        selection=_until(chosen, until),
        rate=rate,
        most=most,
        expected=0,
        after=0,
        upto=last or 0,
    )
    [number] = await harness.store.order_replays([new])
    return number


def _until(selection: Selection, until: int) -> Selection:
    return Selection(
        what=selection.what,
        source=selection.source,
        reason=selection.reason,
        outcome=selection.outcome,
        since=selection.since,
        until=until,
        events=selection.events,
    )


async def step(harness: StoreHarness, router: Router = EVERYWHERE) -> Resent:
    """One step, which is due."""
    resent = await harness.store.resend(router)
    assert resent is not None
    return resent


async def work(harness: StoreHarness, router: Router = EVERYWHERE) -> int:
    """Step after step, as long as one is due or will be; how many deliveries were made."""
    made = 0
    while True:
        due, _ = await harness.store.next_resend(router)
        if due is None:
            return made
        harness.clock.time_us = max(harness.clock.now_us(), due)
        resent = await step(harness, router)
        made += resent.made
        if resent.state is ReplayState.DONE:
            assert resent.destination


async def die(
    harness: StoreHarness,
    *runs: str,
    status: str = "succeeded",
    source: str = "acme",
    destination: str = "lake",
    also: Sequence[str] = (),
    end: Refused = REFUSED,
) -> list[Parcel]:
    """Events that one destination is sent, maybe with others, and that die there."""
    router = Router(routes=[], destinations=[destination, *also])
    await harness.store.record(
        [
            callback(
                run,
                status=status,
                source=source,
                router=router,
                note=destination,
                at=harness.clock.now_us(),
            )
            for run in runs
        ]
    )
    found: list[Parcel] = []
    while parcels := await harness.claim(destination):
        await harness.settle(*parcels, outcome=end)
        found += parcels
    return found


async def counts_of(harness: StoreHarness) -> tuple[int, int, int, int]:
    [row] = await harness.rows(
        "SELECT created, expired, standing, unrouted FROM replays"
    )
    created, expired, standing, unrouted = row
    return created, expired, standing, unrouted


def runs_of(parcels: Sequence[Parcel]) -> list[str]:
    return [parcel.letter.facts.key.id for parcel in parcels]
