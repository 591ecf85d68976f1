"""Jobs: what can ride with a group commit, whatever the store.

Owns their shapes and which of them make the store grow. Knows no database.
"""

from collections.abc import Sequence

import msgspec

from relay.core.audit import Entry
from relay.core.holding import Alarm, Change, Note
from relay.core.inquiry import Lesson, Sighting
from relay.core.ports import Amendment, Refusal, Settlement, Wish
from relay.core.receipt import Opened, Receipt, open_receipt
from relay.core.replay import NewReplay
from relay.core.retention import Keeping, PassStep, forgotten_since
from relay.core.route import Router

__all__ = [
    "Abandon",
    "Alert",
    "Alter",
    "Amend",
    "Cancel",
    "Claim",
    "Forget",
    "HoldingJob",
    "Inquire",
    "Job",
    "Keep",
    "Learn",
    "Order",
    "Postpone",
    "Record",
    "Register",
    "Remember",
    "Resend",
    "Settle",
    "Telling",
    "Told",
    "Watch",
    "brings_news",
    "cursors_of",
    "entries_of",
    "is_intake",
    "lessons_of",
    "opened_of",
    "sightings_of",
]


class Record(msgspec.Struct, frozen=True):
    """Commit receipts."""

    receipts: Sequence[Receipt]
    #: Written with them, where somebody has ordered it.
    entry: Entry | None = None


class Settle(msgspec.Struct, frozen=True):
    """Write what became of tries."""

    settlements: Sequence[Settlement]


class Amend(msgspec.Struct, frozen=True):
    """Write another word on failed tries."""

    amendments: Sequence[Amendment]


class Claim(msgspec.Struct, frozen=True):
    """Lease due deliveries of a destination."""

    destination: str
    wish: Wish


class Register(msgspec.Struct, frozen=True):
    """Make sure that destinations have numbers (name, kind)."""

    destinations: Sequence[tuple[str, str]]


class Keep(msgspec.Struct, frozen=True):
    """Count requests that failed verification; ``most`` rows are kept."""

    refusals: Sequence[Refusal]
    most: int


class Inquire(msgspec.Struct, frozen=True):
    """Lease due inquiries of a source; those that are overdue alone, where ``opened_before`` is given."""

    source: str
    limit: int
    now: int
    opened_before: int | None


class Learn(msgspec.Struct, frozen=True):
    """Write what asks came to."""

    lessons: Sequence[Lesson]


class Watch(msgspec.Struct, frozen=True):
    """Remember what a sweep of a source has come upon, and how far it has got."""

    source: str
    sightings: Sequence[Sighting]
    cursor: int | None = None
    #: Only look whether it is news.
    dry: bool = False


class Forget(msgspec.Struct, frozen=True):
    """Take one step of retention."""

    step: PassStep


class Order(msgspec.Struct, frozen=True):
    """Write down orders to send again."""

    replays: Sequence[NewReplay]


class Cancel(msgspec.Struct, frozen=True):
    """Call an order to send again off."""

    replay: int
    by: str


class Resend(msgspec.Struct, frozen=True):
    """Take a step of an order to send again, if one is due."""

    router: Router
    #: Deliveries that a destination may have open.
    backlog: int
    #: Whether what a clock that was ahead has put off is made due before that.
    righted: bool = False


class Telling(msgspec.Struct, frozen=True):
    """Who is told of what happens to a destination, and by which store."""

    router: Router
    installation: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a job has come to that may have been told, and whose deliveries wait in the store since."""

    answer: object
    stored_for: tuple[str, ...] = ()


class Postpone(msgspec.Struct, frozen=True):
    """Let the order whose step is due wait."""

    router: Router
    until: int
    backlog: int


class Alter(msgspec.Struct, frozen=True):
    """Hold a destination, or end that."""

    change: Change
    telling: Telling


class Alert(msgspec.Struct, frozen=True):
    """Tell that a destination is on its way to be disabled."""

    alarm: Alarm
    telling: Telling


class Abandon(msgspec.Struct, frozen=True):
    """Let some deliveries of a destination that nobody serves any more die."""

    destination: str
    limit: int
    #: Written with it, where it is the first step.
    entry: Entry | None


class Remember(msgspec.Struct, frozen=True):
    """Keep how tries go."""

    notes: Sequence[Note]


HoldingJob = Alter | Alert | Abandon | Remember

Job = (
    Record
    | Settle
    | Amend
    | Claim
    | Register
    | Keep
    | Inquire
    | Learn
    | Watch
    | Forget
    | Order
    | Cancel
    | Resend
    | Postpone
    | HoldingJob
)


def is_intake(job: Job) -> bool:
    """Whether a job makes the store grow by what comes from outside, or is ordered."""
    return isinstance(job, Record | Keep | Watch | Order | Resend)


def brings_news(job: Job) -> bool:
    """Whether a job may change what is known of runs."""
    return isinstance(job, Record | Learn | Watch)


def opened_of(
    jobs: Sequence[Job], keeping: Keeping, *, now: int
) -> dict[int, list[Opened]]:
    """The receipts of a group as they are judged, by the place of their job; ``now`` in wall microseconds."""
    since = forgotten_since(keeping, now)
    return {
        index: [open_receipt(it, forgotten_since=since) for it in job.receipts]
        for index, job in enumerate(jobs)
        if isinstance(job, Record)
    }


def lessons_of(jobs: Sequence[Job]) -> list[Lesson]:
    """Every lesson of a group."""
    return [item for job in jobs if isinstance(job, Learn) for item in job.lessons]


def sightings_of(jobs: Sequence[Job]) -> list[Sighting]:
    """Every sighting of a group."""
    return [item for job in jobs if isinstance(job, Watch) for item in job.sightings]


def entries_of(jobs: Sequence[Job]) -> list[Entry]:
    """What the audit is told with the receipts of a group."""
    found = (job.entry for job in jobs if isinstance(job, Record))
    return [entry for entry in found if entry is not None]


def cursors_of(jobs: Sequence[Job]) -> list[tuple[str, int]]:
    """How far which sources have been swept with this group."""
    watches = (job for job in jobs if isinstance(job, Watch))
    return [(job.source, job.cursor) for job in watches if job.cursor is not None]
