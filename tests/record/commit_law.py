"""When it counts: the law of commits, deaths and time limits, for every store."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from relay.core.errors import StoreBusyError, StoreFailedError
from relay.core.run import Verdict
from relay.record import grouped
from tests.record.harness import Bounds, Died, StoreHarness, Stumbled
from tests.record.outbox_law import LATER
from tests.record.receipts import callback, partial, poison

T = TypeVar("T")


class CommitLaw:
    """An answer is given by a finished commit, and everything has an end."""

    async def test_an_answer_comes_after_its_commit(
        self, harness: StoreHarness
    ) -> None:
        """Until the commit has ended nobody else sees a row, and the caller waits (P1)."""
        seen: dict[str, int] = {}
        harness.checkpoints.at(
            "after-commit", lambda: seen.update(after=harness.committed("events"))
        )
        with harness.held() as hold:
            recording = _start(harness.one(callback()))
            await hold.reached()
            assert harness.committed("events") == 0
            assert not recording.done()
        await recording
        assert seen == {"after": 1}

    @pytest.mark.parametrize("kind", ["complete", "waiting"])
    async def test_death_before_the_commit_leaves_nothing(
        self, harness: StoreHarness, kind: str
    ) -> None:
        """No receipt, no run, no event, no delivery, no count; sent again, it is the first."""
        receipt = callback() if kind == "complete" else partial()
        harness.checkpoints.at("before-commit", _die)
        with pytest.raises(StoreBusyError):
            await harness.store.record([receipt])
        await harness.reopen()
        for table in ("receipts", "runs", "events", "deliveries", "inquiries"):
            assert await harness.count(table) == 0
        assert (await harness.audit()).sources == {}
        assert (await harness.one(receipt)).verdict is Verdict.FIRST

    async def test_death_after_the_commit_loses_nothing(
        self, harness: StoreHarness
    ) -> None:
        """Event and deliveries are there together, though the sender never had an answer (P5)."""
        harness.handover.left = {"lake": 1}
        harness.checkpoints.at("after-commit", _die)
        with pytest.raises(StoreBusyError):
            await harness.store.record([callback()])
        await harness.reopen()
        assert await harness.count("events") == 1
        assert [d.leased for d in await harness.deliveries()] == [False, False]
        assert (await harness.one(callback())).verdict is Verdict.DUPLICATE
        assert len(await harness.claim("lake")) == 1

    async def test_death_while_settling_settles_nothing(
        self, harness: StoreHarness
    ) -> None:
        """What was sent and not settled is sent again: under the same id."""
        await harness.one(callback())
        [parcel] = await harness.claim()
        harness.checkpoints.at("before-commit", _die)
        with pytest.raises(StoreBusyError):
            await harness.settle(parcel)
        await harness.reopen()
        [again] = await harness.claim()
        assert parcel.letter.event.id == again.letter.event.id

    async def test_what_raises_after_the_commit_does_nothing_twice(
        self, harness: StoreHarness
    ) -> None:
        """The rows are there once, however the group's answers were lost."""

        def stumble() -> None:
            if harness.committed("receipts"):
                raise Stumbled

        harness.checkpoints.at("after-commit", stumble)
        answers = await harness.together(
            harness.store.record([callback("run_1")]),
            harness.store.record([callback("run_2")]),
        )
        assert [type(answer) for answer in answers] == [StoreFailedError] * 2
        await harness.reopen()
        assert await harness.receipts() == [("first", 1), ("first", 1)]

    @pytest.mark.parametrize("way", ["recorded", "claimed"])
    async def test_what_a_stumble_left_leased_is_free_at_the_next_start(
        self, harness: StoreHarness, way: str
    ) -> None:
        """The store has failed by then: nobody holds what its commit leased, and nobody else may."""
        if way == "claimed":
            await harness.one(callback())
        else:
            harness.handover.left = {"lake": 1}
        harness.checkpoints.at("after-commit", _stumble)
        with pytest.raises(StoreFailedError):
            await (harness.claim() if way == "claimed" else harness.one(callback()))
        with pytest.raises(StoreFailedError):
            await harness.claim()
        assert [d.leased for d in await harness.deliveries()] == [True, False]
        harness.checkpoints.at("after-commit", None)
        harness.handover.left = {}
        await harness.restart()
        assert len(await harness.claim()) == 1

    async def test_no_answer_in_time_is_busy(self, harness: StoreHarness) -> None:
        """A commit under way may still end after that; who only waited for the next one is forgotten."""
        harness.bounds = Bounds(ack_timeout_s=0.1)
        await harness.restart()
        with harness.held() as hold:
            under_way = _start(harness.one(callback("run_1")))
            await hold.reached()
            waiting = _start(harness.one(callback("run_2")))
            for recording in (under_way, waiting):
                with pytest.raises(StoreBusyError):
                    await recording
        # A slow disk is slower than that.
        harness.bounds = Bounds()
        await harness.restart()
        verdicts = [
            (await harness.one(callback(run))).verdict for run in ("run_1", "run_2")
        ]
        assert verdicts == [Verdict.DUPLICATE, Verdict.FIRST]

    async def test_what_happened_waits_as_long_as_it_takes(
        self, harness: StoreHarness
    ) -> None:
        """Settlements are not given up while receipts around them are."""
        await harness.one(callback())
        harness.bounds = Bounds(ack_timeout_s=0.1)
        await harness.restart()
        [parcel] = await harness.claim()
        with harness.held() as hold:
            recording = _start(harness.one(callback("run_2")))
            await hold.reached()
            settling = _start(harness.settle(parcel))
            with pytest.raises(StoreBusyError):
                await recording
            assert not settling.done()
        assert await settling == [True]

    async def test_only_so_much_may_wait(self, harness: StoreHarness) -> None:
        """The next receipt is turned away at once; what happened is still taken."""
        harness.bounds = Bounds(waiting=2)
        await harness.restart()
        await harness.one(callback())
        [parcel] = await harness.claim()
        async with harness.one_group():
            first = [_start(harness.one(callback(f"run_{n}"))) for n in range(2, 4)]
            await asyncio.wait(first, timeout=0.01)
            with pytest.raises(StoreBusyError):
                await harness.one(callback("run_9"))
            settling = _start(harness.settle(parcel))
            await asyncio.wait([settling], timeout=0.01)
        assert await settling == [True]
        assert [(await task).verdict for task in first] == [Verdict.FIRST] * 2

    async def test_what_waits_shares_the_next_commit(
        self, harness: StoreHarness
    ) -> None:
        """One commit for all that came while another was under way."""
        await harness.together(
            *(harness.store.record([callback(f"run_{n}")]) for n in range(5))
        )
        sizes = harness.metrics.observations["runflow_relay_commit_size"]
        assert sizes[-2:] == [1, 5]

    async def test_callbacks_that_share_a_commit_are_a_crowd_for_a_moment(
        self, harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only callbacks are, and a group without any says nothing new."""
        monkeypatch.setattr(grouped, "CROWD_S", 3600.0)
        assert harness.store.crowd == 0
        jobs = [harness.one(callback(f"run_{number}")) for number in range(3)]
        await harness.together(*jobs, harness.claim("orders"))
        await harness.claim("lake")
        assert harness.store.crowd == 3
        monkeypatch.setattr(grouped, "CROWD_S", 0.0)
        assert harness.store.crowd == 0

    async def test_a_group_is_bounded(self, harness: StoreHarness) -> None:
        harness.bounds = Bounds(group_size=2)
        await harness.restart()
        await harness.together(
            *(harness.store.record([callback(f"run_{n}")]) for n in range(5))
        )
        sizes = harness.metrics.observations["runflow_relay_commit_size"]
        assert sizes[-4:] == [1, 2, 2, 1]

    async def test_closing_commits_what_waits(self, harness: StoreHarness) -> None:
        """Everyone who was let in has an answer, and nobody is let in any more."""
        async with harness.one_group():
            tasks = [_start(harness.one(callback(f"run_{n}"))) for n in range(3)]
            await asyncio.wait(tasks, timeout=0.01)
            harness.store.stop()
            with pytest.raises(StoreBusyError):
                await harness.one(callback("run_9"))
        assert [(await task).verdict for task in tasks] == [Verdict.FIRST] * 3
        await harness.close()
        assert await harness.count("events") == 3

    async def test_closing_twice_is_closing_once(self, harness: StoreHarness) -> None:
        await harness.close()
        await harness.store.close()

    async def test_being_cut_short_leaves_nobody_waiting(
        self, harness: StoreHarness
    ) -> None:
        """Whoever waits when the store's worker is cancelled is told so."""
        with harness.held() as hold:
            under_way = _start(harness.one(callback("run_1")))
            await hold.reached()
            waiting = _start(harness.one(callback("run_2")))
            await asyncio.wait([waiting], timeout=0.01)
            await harness.finish_running()
            for task in (under_way, waiting):
                with pytest.raises(StoreBusyError):
                    await task
        await harness.reopen()
        assert (await harness.one(callback("run_2"))).verdict is Verdict.FIRST

    async def test_a_caller_who_leaves_harms_nobody(
        self, harness: StoreHarness
    ) -> None:
        """What he brought is recorded; his neighbours have their answers."""
        async with harness.one_group():
            gone, stays = (_start(harness.one(callback(f"run_{n}"))) for n in (1, 2))
            await asyncio.wait([gone, stays], timeout=0.01)
            gone.cancel()
        assert (await stays).verdict is Verdict.FIRST
        assert (await harness.one(callback("run_1"))).verdict is Verdict.DUPLICATE

    async def test_everything_survives_a_death(self, harness: StoreHarness) -> None:
        """What was settled stays settled, what was postponed stays postponed."""
        await harness.store.record([callback(f"run_{n}") for n in range(3)])
        done, failed, _ = await harness.claim()
        await harness.settle(done)
        await harness.settle(failed, outcome=LATER)
        before = [
            (d.number, d.state, d.due_at, d.attempts)
            for d in await harness.deliveries()
        ]
        ledger = await harness.audit()
        await harness.reopen()
        after = [
            (d.number, d.state, d.due_at, d.attempts)
            for d in await harness.deliveries()
        ]
        assert before == after
        assert await harness.audit() == ledger
        assert (await harness.one(callback("run_0"))).verdict is Verdict.DUPLICATE
        assert [parcel.letter.facts.key.id for parcel in await harness.claim()] == [
            "run_2"
        ]

    async def test_numbers_and_leases_are_never_given_twice(
        self, harness: StoreHarness
    ) -> None:
        """Over deaths, failed groups and new lives."""
        leases, numbers = [], []
        for life in range(3):
            await harness.store.record([poison(), callback(f"run_{life}")])
            for parcel in await harness.claim():
                leases.append(parcel.lease)
                numbers.append(parcel.number)
                await harness.settle(parcel)
            await harness.reopen()
        assert len(set(leases)) == len(set(numbers)) == 3
        assert sorted(numbers) == numbers

    async def test_the_account_is_as_short_as_there_are_names(
        self, harness: StoreHarness
    ) -> None:
        """However often it was started: a line for the starts that are over, and one for the last of them."""
        for start in range(4):
            await harness.one(callback(f"run_{start}"))
            await harness.reopen()
        assert await harness.count("source_counters") <= 2
        assert await harness.count("destination_counters") <= 4
        ledger = await harness.audit()
        assert ledger.sources["acme"].first == 4
        assert ledger.destinations["lake"].created == 4

    async def test_a_store_keeps_its_name(self, harness: StoreHarness) -> None:
        """The installation is born once; every life has a number of its own."""
        name, number = harness.store.installation, harness.store.incarnation
        await harness.reopen()
        assert name
        assert name == harness.store.installation
        assert number < harness.store.incarnation


def _start(job: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    return asyncio.get_running_loop().create_task(job)


def _die() -> None:
    raise Died


def _stumble() -> None:
    raise Stumbled
