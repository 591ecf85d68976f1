"""Recount: what is really in the store after a leg.

Owns counting the rows by statements of its own, reading the ids of all events, and asking
``relay ledger --verify``. A rate is worth nothing while the rows behind it have not been counted.
"""

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Final

import msgspec

from bench.child import ROOT
from bench.load import Load
from bench.shelf import Shelf

__all__ = ["Rows", "event_ids", "ledger_faults", "rows_of"]

#: relay/record/codes.py and the states of ``deliveries``: 0 pending, 1 delivered.
_COUNT: Final = """
SELECT (SELECT COUNT(*) FROM receipts),
       (SELECT COALESCE(SUM(count - 1), 0) FROM receipts),
       (SELECT COUNT(*) FROM events),
       (SELECT COUNT(DISTINCT event) FROM deliveries),
       (SELECT COUNT(*) FROM deliveries WHERE state = 1),
       (SELECT COUNT(*) FROM deliveries WHERE state = 0),
       (SELECT COUNT(*) FROM inquiries WHERE state = 1),
       (SELECT COALESCE(SUM(count), 0) FROM refusals)
"""


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """How many there are of each."""

    receipts: int
    #: Callbacks whose equal bytes had been seen before.
    repeats: int
    events: int
    #: Events that have a delivery.
    deliveries: int
    delivered: int
    pending: int
    waiting: int
    #: Requests whose signature was refused.
    refused: int

    def faults(self, loads: list[Load]) -> list[str]:
        """Where the rows and what wrk was answered disagree.

        Every answer is a row. A request under way when wrk stopped may be one too, but nothing is a row
        that was never made.
        """
        answered = sum(load.answered for load in loads)
        made = sum(load.made for load in loads)
        found = []
        if not answered <= self.receipts <= made:
            found.append(
                f"{self.receipts} receipts for {answered} answers of {made} requests"
            )
        if self.repeats or self.refused:
            found.append(f"{self.repeats} repeats and {self.refused} refusals stored")
        if not self.receipts == self.events == self.deliveries:
            found.append(
                f"{self.receipts} receipts, {self.events} events, "
                f"{self.deliveries} with a delivery, {self.waiting} waiting"
            )
        return found


def rows_of(shelf: Shelf) -> Rows:
    """Count the rows of a store that nothing serves any more."""
    [counts] = shelf.rows(_COUNT)
    return Rows(**dict(zip(Rows.__struct_fields__, map(int, counts), strict=True)))


def event_ids(shelf: Shelf) -> set[str]:
    """Give the id of every event."""
    found = shelf.rows("SELECT id FROM events")
    return {str(uuid.UUID(bytes=bytes(identifier))) for (identifier,) in found}


def ledger_faults(config: Path) -> list[str]:
    """Ask the relay's own account whether it balances and agrees with the rows."""
    command = [sys.executable, "-m", "relay", "ledger", "--verify", "--json"]
    done = subprocess.run(
        [*command, "--config", str(config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return [f"relay ledger ended with code {done.returncode}: {done.stderr[-500:]}"]
    if done.returncode == 0 and answer["balanced"] is True:
        return []
    return [f"the ledger does not balance: {answer['faults']}"]
