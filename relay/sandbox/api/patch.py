"""Reading and applying a change of a run's record (partial-update-run).

Owns which fields it may name, what they must be, and what becomes of the run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec

from relay.sandbox.api.answers import Refused
from relay.sandbox.fate import Outcome
from relay.sandbox.orders import Reading
from relay.sandbox.state import Run
from relay.sandbox.wire import Raw

__all__ = ["Patch", "read_patch"]

_FIELDS: Final[tuple[str, ...]] = (
    *("status_code", "output", "duration_ms", "cost", "nodes_total"),
    *("nodes_completed", "started_at", "completed_at", "updated_at"),
)
_WHOLE: Final = ("duration_ms", "nodes_total", "nodes_completed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """What is to change, by name; what is not named stays."""

    changes: Mapping[str, object]
    output: Raw | None
    terminal: bool

    def apply(self, run: Run, now: datetime) -> None:
        """Change the record.

        Raises:
            Refused: 409; the run is over and would go on again.
        """
        status = self.changes.get("status_code")
        if status is not None and run.over and not self.terminal:
            raise Refused(409, "CONFLICT", "A run that is over does not go on.")
        run.touched = True
        for name in ("started_at", "completed_at", "cost", *_WHOLE):
            if name in self.changes:
                setattr(run, name, self.changes[name])
        if "output" in self.changes:
            run.output = self.output
        if isinstance(status, str):
            self._move(run, status, now)
        run.log(now, "The record was changed.", fields=",".join(self.changes))

    def _move(self, run: Run, status: str, now: datetime) -> None:
        run.status = status
        if not self.terminal:
            return
        run.become(Outcome("cancelled" if status == "canceled" else status))
        if run.outcome is not Outcome.FAILED:
            run.failure = None
        if run.completed_at is None:
            run.completed_at = now


def read_patch(body: bytes, statuses: Mapping[str, bool]) -> Patch:
    """Read and check the body; fields that are not known are passed over.

    Args:
        body: As it came.
        statuses: Every status, and whether it is an end.

    Raises:
        InvalidOrderError: It is not a JSON object, or a field is wrong.
    """
    reading = Reading(body)
    reading.done()
    changes = {name: _read(reading, name) for name in _FIELDS if name in reading.given}
    status = changes.get("status_code")
    if status is not None and status not in statuses:
        reading.mistake("status_code", f"is none of {', '.join(statuses)}")
    reading.done()
    output = changes.get("output")
    return Patch(
        changes=changes,
        output=output if isinstance(output, Raw) else None,
        terminal=isinstance(status, str) and statuses[status],
    )


def _read(reading: Reading, name: str) -> object:
    if name == "output":
        return reading.object(name)
    if name == "status_code":
        return reading.text(name)
    if name.endswith("_at"):
        return _moment(reading, name)
    return _cost(reading) if name == "cost" else _whole(reading, name)


def _moment(reading: Reading, name: str) -> datetime | None:
    text = reading.text(name)
    try:
        moment = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        reading.mistake(name, "is no date and time")
        return None
    if moment is None:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _whole(reading: Reading, name: str) -> int | None:
    try:
        return msgspec.json.decode(reading.given[name], type=int | None)
    except msgspec.DecodeError:
        reading.mistake(name, "neither a whole number nor null")
        return None


def _cost(reading: Reading) -> str | None:
    try:
        found = msgspec.json.decode(reading.given["cost"], type=Decimal | None)
    except msgspec.DecodeError:
        reading.mistake("cost", "neither a number nor null")
        return None
    return None if found is None else format(found, "f")
