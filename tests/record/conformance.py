"""The law of stores: what every adapter keeps, whatever it keeps it in.

An adapter's test module subclasses :class:`StoreLaw` and hands out a fixture ``place``: its own
:class:`~tests.record.harness.StoreHarness`, not opened yet. After every test the ledger has to balance,
and to agree with the rows.
"""

from collections.abc import AsyncIterator

import pytest

from tests.record.backlog_law import BacklogLaw
from tests.record.collapse_law import CollapseLaw
from tests.record.commit_law import CommitLaw
from tests.record.harness import StoreHarness
from tests.record.history_law import HistoryLaw
from tests.record.holding_law import HoldingLaw
from tests.record.inbox_law import InboxLaw
from tests.record.letters_law import LettersLaw
from tests.record.outbox_law import OutboxLaw
from tests.record.quarantine_law import QuarantineLaw
from tests.record.queues_law import QueuesLaw
from tests.record.release_law import ReleaseLaw
from tests.record.replay_law import ReplayLaw
from tests.record.resending_law import ResendingLaw
from tests.record.retention_law import RetentionLaw
from tests.record.revision_law import RevisionLaw
from tests.record.steady_law import SteadyLaw
from tests.record.sweep_law import SweepLaw
from tests.record.telling_law import TellingLaw
from tests.record.truth_law import TruthLaw

__all__ = ["StoreLaw"]


class StoreLaw(
    InboxLaw,
    OutboxLaw,
    HoldingLaw,
    BacklogLaw,
    QueuesLaw,
    TruthLaw,
    RevisionLaw,
    SteadyLaw,
    SweepLaw,
    CollapseLaw,
    ReleaseLaw,
    HistoryLaw,
    CommitLaw,
    RetentionLaw,
    ReplayLaw,
    ResendingLaw,
    QuarantineLaw,
    LettersLaw,
    TellingLaw,
):
    """Everything. Subclasses provide the fixture ``place``."""

    @pytest.fixture
    async def harness(self, place: StoreHarness) -> AsyncIterator[StoreHarness]:
        """A store that is open and commits; the account is looked over at the end."""
        await place.open()
        try:
            yield place
            await place.audit()
        finally:
            await place.vanish()
