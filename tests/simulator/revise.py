"""Revise: a run has its next event, as a confirmed revision would give it one.

Owns the rows of that transaction. No callback alone can bring it about yet, so it stands in for whoever
asks for the truth: on the store's own thread, between two of its commits, with the store's own numbers.
"""

import json
from collections.abc import Sequence

from relay.core.identity import Kind, Outcome, RunKey, event_id_bytes
from relay.record.accounts import Accounts
from relay.record.codes import OUTCOME_CODES
from relay.record.sqlite.writer import Writer
from tests.simulator.disk import bare
from tests.simulator.process import Process
from tests.simulator.script import Subject

__all__ = ["revise"]

_FIND = """
SELECT e.number, r.number, r.revision, r.source, e.receipt, e.routed
FROM runs AS r JOIN events AS e ON e.run = r.number AND e.revision = r.revision
JOIN sources AS s ON s.number = r.source
WHERE s.name = ? AND r.namespace = ? AND r.id = ? AND r.outcome <> ? AND NOT EXISTS (SELECT 1 FROM inquiries WHERE run = r.number)
"""
_EVENT = """
INSERT INTO events SELECT ?, run, ?, ?, ?, confirmed, receipt, builder, client_ref, routed, created_at
FROM events WHERE number = ?
"""
_DELIVERY = """
INSERT INTO deliveries (number, event, run, destination, generation, epoch, state, created_at, due_at)
VALUES (?, ?, ?, ?, 1, ?, 0, ?, ?)
"""


async def revise(
    process: Process, subject: Subject, outcome: Outcome, now: int
) -> Sequence[str]:
    """Give a run its next event; the destinations it goes to, or none where it may not have one."""

    def work() -> Sequence[str]:
        writer = process.store._writer
        if writer is None:
            return ()
        # Faults are for the relay's own statements.
        db = bare(writer)
        try:
            db.execute("BEGIN IMMEDIATE")
            places = _write(writer, subject, outcome, now)
            writer._checkpoints.reach("before-commit")
            db.execute("COMMIT")
            process.disk.sync()
        except Exception as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            writer._numbers.reload()
            raise OSError(str(error)) from error
        return places

    return await process.thread.run(work)


def _write(
    writer: Writer, subject: Subject, outcome: Outcome, now: int
) -> Sequence[str]:
    db, numbers = bare(writer), writer._numbers
    key = RunKey.of(subject.source, Kind(subject.kind), subject.id)
    found = db.execute(
        _FIND, (key.source, key.namespace, key.stored, OUTCOME_CODES[outcome])
    ).fetchone()
    if found is None:
        return ()
    event, number, revision, source, _, routed = found
    new = numbers.take("events")
    identifier = event_id_bytes(key, outcome, revision + 1)
    db.execute(_EVENT, (new, revision + 1, identifier, OUTCOME_CODES[outcome], event))
    db.execute(
        "UPDATE runs SET revision = ?, outcome = ? WHERE number = ?",
        (revision + 1, OUTCOME_CODES[outcome], number),
    )
    accounts = Accounts()
    destinations = json.loads(routed)
    accounts.sources[source].update(opened=1, events=1, unrouted=int(not destinations))
    for destination in destinations:
        epoch = numbers.epoch(destination)
        db.execute(
            _DELIVERY,
            (numbers.take("deliveries"), new, number, destination, epoch, now, now),
        )
        accounts.destinations[destination].update(created=1, pending=1)
    writer._write_counters(accounts)
    return [n for n, at in numbers.destinations.items() if at in destinations]
