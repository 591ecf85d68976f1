"""Telling: what has happened to a destination becomes an event of the relay's own, whatever the store.

Owns the rows of one such event: the run that all events about one destination hang on, in order, a receipt
with the document, the event and its deliveries. They are written in the transaction of what they tell of.
Knows no database, and decides neither what is told nor whom.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

from relay.core.event import NOTICE_BUILDER
from relay.core.identity import RunKey
from relay.core.moment import moment_us
from relay.core.notice import ORIGIN, RELAY_SOURCE, Notice
from relay.core.run import Known, Publication, Verdict
from relay.record.accounts import Accounts
from relay.record.codes import VERDICT_CODES
from relay.record.jobs import Telling
from relay.record.numbers import Numbers
from relay.record.publishing import Edition, Publisher
from relay.record.runs import Identity, RunRows

__all__ = ["Announcement"]

Columns = tuple[object, ...]

_NO_HEADERS: Final = b"{}"


class Announcement:
    """One event about a destination.

    A store asks for :attr:`identities`, looks them up, says what it found, lets it :meth:`publish`, and writes
    the rows.
    """

    def __init__(
        self, notice: Notice, telling: Telling, numbers: Numbers, accounts: Accounts
    ) -> None:
        self._notice = notice
        self._telling = telling
        self._numbers = numbers
        self._accounts = accounts
        self._key: RunKey = notice.key(telling.installation)
        self._runs = RunRows([self._key], numbers.source)
        # What has no room is left to be claimed: nobody waits for such an event as for a run's.
        self._publisher = Publisher(numbers, accounts=accounts, room={}, lease=0)
        self.receipts: list[Columns] = []

    @property
    def identities(self) -> Sequence[Identity]:
        """The run that it hangs on."""
        return self._runs.identities

    def know_runs(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take it, where it is stored; see :meth:`RunRows.know`."""
        self._runs.know(rows)

    def publish(self) -> tuple[str, ...]:
        """Make the rows; gives the destinations whose deliveries wait in the store then."""
        notice, at = self._notice, moment_us(self._notice.at) or 0
        source = self._numbers.source(RELAY_SOURCE)
        row = self._runs.of(
            self._key, origin=ORIGIN, at=at, number=lambda: self._numbers.take("runs")
        )
        revision = row.known.revision + 1
        row.known = Known(outcome=notice.outcome, revision=revision)
        body, receipt = notice.body, self._numbers.take("receipts")
        digest = hashlib.sha256(body).digest()[:16]
        self.receipts.append(
            (
                receipt,
                source,
                row.number,
                VERDICT_CODES[Verdict.FIRST],
                None,
                ORIGIN,
                "",
                digest,
                at,
                at,
                _NO_HEADERS,
                body,
            )
        )
        counts = self._accounts.sources[source]
        counts["receipts"] += 1
        counts["first"] += 1
        counts["opened"] += 1
        recorded = self._publisher.publish(
            row,
            Edition(
                key=self._key,
                reading=notice,
                publication=Publication(notice.outcome, revision, confirmed=True),
                receipt=receipt,
                size=len(body),
                source=source,
                router=self._telling.router,
                at=at,
                verdict=Verdict.FIRST,
                builder=NOTICE_BUILDER,
            ),
        )
        return recorded.stored_for

    @property
    def rows(self) -> Sequence[tuple[str, Sequence[Columns]]]:
        """Statements and what each has to write, in this order."""
        return (
            ("insert_run", self._runs.new()),
            ("insert_receipt", self.receipts),
            ("insert_event", self._publisher.events),
            ("insert_delivery", self._publisher.deliveries),
            ("update_run", self._runs.changed()),
        )
