"""The book: every run, batch and secret of the sandbox, in order, found by id.

Owns what exists and how it is numbered, and that what changes is put on the shelf, if there is one. How a
run lives and how its callbacks are sent is not known here.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from relay.sandbox.chance import batch_fate, child_fate, fate, stream
from relay.sandbox.faults import Faults
from relay.sandbox.orders import BatchOrder, Order
from relay.sandbox.shelf import Shelf, ShelfError
from relay.sandbox.state import Batch, Run, Secret, Subject
from relay.sandbox.wire import uuid7

__all__ = ["RUNS_MAX", "Book", "BookFullError", "Replay"]

#: Runs kept before new ones are refused, unless told otherwise; none is forgotten.
RUNS_MAX = 100_000


class BookFullError(RuntimeError):
    """As many runs are kept as may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """An answer that the same ``Idempotency-Key`` gets again."""

    key: str
    digest: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """What a shelf begins with and keeps: its seed, the faults in force, the calls counted."""

    seed: int
    faults: dict[str, float | int | bool | str]
    calls: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _BatchRow:
    """A batch as it lies on the shelf: its runs by number, for they lie beside it."""

    batch: Batch
    numbers: list[int]


class Book:
    """Every run that was created, in order, and what belongs to them."""

    def __init__(
        self, *, seed: int, faults: Faults, tries_max: int, runs_max: int
    ) -> None:
        self.seed = seed
        self.faults = faults
        self.runs: list[Run] = []
        self.batches: list[Batch] = []
        self.secrets: list[Secret] = []
        self.replays: dict[str, Replay] = {}
        self.calls: dict[str, int] = {}
        self._tries_max = tries_max
        self._runs_max = runs_max
        self._by_id: dict[str, Subject] = {}
        self._shelf: Shelf | None = None

    async def load(self, shelf: Shelf) -> None:
        """Take up what lies on a shelf; from now on every change is put there.

        The seed is the shelf's, where it has one: runs must not change their fate midway. So are the faults,
        unless others than the usual were asked for.

        Raises:
            ShelfError: What lies there cannot be read.
        """
        try:
            settings = await shelf.load("settings", _Settings)
            self.runs = await shelf.load("run", Run)
            self.secrets = await shelf.load("secret", Secret)
            rows = await shelf.load("batch", _BatchRow)
            replays = await shelf.load("replay", Replay)
            if settings and self.faults == Faults():
                self.faults = Faults().changed(settings[0].faults)
        except ValueError as error:
            raise ShelfError(f"the state cannot be read: {error}") from None
        if settings:
            self.seed, self.calls = settings[0].seed, settings[0].calls
        self.replays = {each.key: each for each in replays}
        for row in rows:
            row.batch.runs = [self.runs[number - 1] for number in row.numbers]
            self.batches.append(row.batch)
        self._by_id = {str(each.id): each for each in self.subjects()}
        self._shelf = shelf
        self.note_settings()

    async def kept(self) -> None:
        """Wait until all that was changed so far is on the shelf, if there is one."""
        if self._shelf is not None:
            await self._shelf.kept()

    def note(self, changed: Subject | Secret) -> None:
        """Put what has changed on the shelf."""
        if self._shelf is None:
            return
        if isinstance(changed, Batch):
            self._shelf.put("batch", changed.number, lambda: _row(changed))
        else:
            kind = "run" if isinstance(changed, Run) else "secret"
            self._shelf.put(kind, changed.number, lambda: changed)

    def note_settings(self) -> None:
        """Put faults and counts of calls on the shelf."""
        if self._shelf is not None:
            self._shelf.put("settings", 0, self._settings)

    def remember(self, replay: Replay) -> None:
        """Give this answer again to the same ``Idempotency-Key``."""
        self.replays[replay.key] = replay
        if self._shelf is not None:
            self._shelf.put("replay", 0, lambda: replay, name=replay.key)

    def call(self, place: str) -> int:
        """Count a call that asks for no run in particular; how many there were, this included."""
        self.calls[place] = self.calls.get(place, 0) + 1
        self.note_settings()
        return self.calls[place]

    def open(
        self,
        order: Order,
        *,
        target: str,
        at: datetime,
        kind: Literal["model", "comfyui"] = "model",
    ) -> Run:
        """Enter a new run, ``queued``.

        Its id is a UUIDv7 of this moment whose chance comes from the seed, so that two sandboxes of one
        seed make runs of one fate under ids of their own.

        Raises:
            BookFullError: No more runs may be kept.
        """
        self._room(1)
        run = self._enter(order, target=target, at=at, kind=kind)
        run.callback_url = order.callback_url
        return run

    def open_batch(self, order: BatchOrder, *, target: str, at: datetime) -> Batch:
        """Enter a new batch and a run for each of its items, all or none.

        Raises:
            BookFullError: No more runs may be kept.
        """
        self._room(len(order.input))
        number = len(self.batches) + 1
        dice = stream(self.seed, f"batch-{number}", "ids")
        batch = Batch(
            number=number,
            seed=self.seed,
            id=uuid7(at, dice),
            target=target,
            inputs=order.input,
            metadata=order.metadata,
            callback_url=order.callback_url,
            fate=batch_fate(self.seed, number, self.faults, tries_max=self._tries_max),
            created_at=at,
            items=[uuid7(at, dice) for _ in order.input],
            runs=[],
        )
        for given, ref in zip(order.input, order.client_refs, strict=True):
            single = Order(input=given, metadata=order.metadata, client_ref=ref)
            run = self._enter(single, target=target, at=at, kind="model")
            run.batch_id, run.fate = batch.id, child_fate(run.fate)
            run.callback_url = order.callback_url if self.faults.children else None
            batch.runs.append(run)
        self.batches.append(batch)
        self._by_id[str(batch.id)] = batch
        self.note(batch)
        return batch

    def run(self, run_id: str) -> Run | None:
        """The run with this id in any case of its letters; None when there is none."""
        found = self._by_id.get(run_id.lower())
        return found if isinstance(found, Run) else None

    def batch(self, batch_id: str) -> Batch | None:
        """The batch with this id in any case of its letters; None when there is none."""
        found = self._by_id.get(batch_id.lower())
        return found if isinstance(found, Batch) else None

    def subjects(self) -> Iterator[Subject]:
        """Every run and batch."""
        yield from self.runs
        yield from self.batches

    def add_secret(
        self, plain: str, label: str | None, at: datetime, *, current: bool
    ) -> Secret:
        """Enter a callback secret; the first is current in any case."""
        number = len(self.secrets) + 1
        dice = stream(self.seed, f"secret-{number}", "ids")
        secret = Secret(
            number=number,
            id=uuid7(at, dice),
            plain=plain,
            label=label,
            is_current=False,
            created_at=at,
            updated_at=at,
        )
        self.secrets.append(secret)
        if current or number == 1:
            self.promote(secret, at)
        self.note(secret)
        return secret

    def promote(self, secret: Secret, at: datetime) -> None:
        """Make a secret the one that signs."""
        for each in self.secrets:
            if each.is_current is not (each is secret):
                each.is_current, each.updated_at = each is secret, at
                self.note(each)

    def signers(self) -> tuple[Secret | None, Secret | None]:
        """The current secret, and the one that was current before it."""
        current = next((each for each in self.secrets if each.is_current), None)
        others = [each for each in self.secrets if each is not current]
        before = max(
            others, key=lambda each: (each.updated_at, each.number), default=None
        )
        return current, before

    def _room(self, count: int) -> None:
        if len(self.runs) + count > self._runs_max:
            raise BookFullError(f"{self._runs_max} runs are kept, none is forgotten")

    def _enter(
        self,
        order: Order,
        *,
        target: str,
        at: datetime,
        kind: Literal["model", "comfyui"],
    ) -> Run:
        number = len(self.runs) + 1
        dice = stream(self.seed, number, "ids")
        run = Run(
            number=number,
            seed=self.seed,
            id=uuid7(at, dice),
            request_id=uuid7(at, dice),
            kind=kind,
            target=target,
            order=order,
            fate=fate(self.seed, number, self.faults, tries_max=self._tries_max),
            created_at=at,
        )
        run.log(at, "The run is queued.")
        self.runs.append(run)
        self._by_id[str(run.id)] = run
        self.note(run)
        return run

    def _settings(self) -> _Settings:
        return _Settings(
            seed=self.seed, faults=dataclasses.asdict(self.faults), calls=self.calls
        )


def _row(batch: Batch) -> _BatchRow:
    bare = dataclasses.replace(batch, runs=[])
    return _BatchRow(batch=bare, numbers=[run.number for run in batch.runs])
