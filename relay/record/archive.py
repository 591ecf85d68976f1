"""Archive: what the recount would have counted of rows that go.

Owns adding them up, so that the archive is written in the transaction that forgets them: rows and archive
together are what they were. Knows no database.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from relay.core.delivery import State
from relay.core.run import Verdict
from relay.record.accounts import Accounts
from relay.record.codes import VERDICTS
from relay.record.outgoing import COUNTERS

__all__ = ["Archive"]


class Archive:
    """What one step forgets, in the ledger's terms."""

    def __init__(self) -> None:
        self._accounts = Accounts()

    def receipts(self, rows: Iterable[Sequence[Any]]) -> int:
        """Columns: source, verdict, how many rows, how many receipts those counted. Gives the rows."""
        forgotten = 0
        for source, code, kept, counted in rows:
            verdict = VERDICTS[code]
            forgotten += kept
            if verdict is Verdict.TOLD:
                # What the upstream answered is no receipt of the ledger.
                continue
            counts = self._accounts.sources[source]
            counts["receipts"] += counted
            if verdict is Verdict.FIRST:
                # Its equal repeats were duplicates of it.
                counts["first"] += kept
                counts["duplicate"] += counted - kept
            else:
                counts[verdict.value] += counted
        return forgotten

    def events(self, rows: Iterable[Sequence[Any]]) -> list[tuple[int]]:
        """Columns: number, source, whether no route took it. Gives the numbers, one a row."""
        numbers = []
        for number, source, unrouted in rows:
            counts = self._accounts.sources[source]
            counts["opened"] += 1
            counts["events"] += 1
            counts["unrouted"] += unrouted
            numbers.append((number,))
        return numbers

    def deliveries(self, rows: Iterable[Sequence[Any]]) -> list[tuple[int]]:
        """Columns: number, destination, state. Gives the numbers, one a row."""
        numbers = []
        for number, destination, state in rows:
            counts = self._accounts.destinations[destination]
            counts["created"] += 1
            counts[COUNTERS[State(state)]] += 1
            numbers.append((number,))
        return numbers

    def runs(self, rows: Iterable[Sequence[Any]]) -> list[tuple[int]]:
        """Columns: number, source, outcomes that ended without an event, whether it stands back.

        Gives the numbers, one a row.
        """
        numbers = []
        for number, source, closed, collapsed in rows:
            if closed or collapsed:
                counts = self._accounts.sources[source]
                counts["opened"] += closed + collapsed
                counts["closed"] += closed
                counts["collapsed"] += collapsed
            numbers.append((number,))
        return numbers

    def source_rows(self) -> list[tuple[int, ...]]:
        """Columns of the sources' archive: the counters' but for the incarnation."""
        return [row[1:] for row in self._accounts.source_rows(0)]

    def destination_rows(self) -> list[tuple[int, ...]]:
        """Columns of the destinations' archive: the counters' but for the incarnation."""
        return [row[1:] for row in self._accounts.destination_rows(0)]
