"""Whatever is ordered, killed and called off: nothing is lost, doubled or told otherwise.

And a store with one thing wrong is found out.
"""

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings

import relay.record.outgoing
import relay.record.sqlite.resending
import relay.record.sqlite.store
from relay.core.ports import Letter, Parcel
from relay.core.replay import stretch
from relay.record.statements import statements
from tests.record.replay_story import ACTIONS, Action, play
from tests.record.sqlite_harness import SqliteHarness

pytestmark = pytest.mark.timeout(120)

Patch = pytest.MonkeyPatch


def played(actions: Sequence[Action]) -> None:
    """One story, on a file of its own."""

    async def story(folder: Path) -> None:
        harness = SqliteHarness(folder)
        try:
            await play(harness, actions)
        finally:
            await harness.vanish()

    with tempfile.TemporaryDirectory() as name:
        asyncio.run(story(Path(name)))


@settings(max_examples=40)
@given(ACTIONS)
def test_no_story_loses_or_doubles_anything(actions: list[Action]) -> None:
    played(actions)


def cursor_apart_from_rows(patch: Patch) -> None:
    """How far an order has come is committed before what it has made."""
    real = stretch

    def hasty(replay: Any, *given: Any, **more: Any) -> Any:
        ahead = real(replay, *given, **more)
        connection = opened[-1]
        connection.execute(
            "UPDATE replays SET cursor = ?, created = created + ? WHERE number = ?",
            (ahead.cursor, len(ahead.made), replay.number),
        )
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        return ahead

    opened: list[Any] = []
    resend = relay.record.sqlite.resending.resend

    def watched(connection: Any, *given: Any, **more: Any) -> Any:
        opened.append(connection)
        return resend(connection, *given, **more)

    patch.setattr("relay.record.sqlite.writer.resend", watched)
    patch.setattr(relay.record.sqlite.resending, "stretch", hasty)
    _say(
        patch,
        "advance_replay",
        lambda sql: sql.replace("created = created + ?", "created = created + 0 * ?"),
    )


def another_id(patch: Patch) -> None:
    """What is sent again is another event."""
    real = relay.record.outgoing.parcels

    def renamed(*given: Any, **more: Any) -> list[Parcel]:
        return [_renamed(parcel) for parcel in real(*given, **more)]

    patch.setattr("relay.record.sqlite.outgoing.parcels", renamed)


def _renamed(parcel: Parcel) -> Parcel:
    if parcel.replay is None:
        return parcel
    facts = parcel.letter.facts
    other = msgspec.structs.replace(facts, revision=facts.revision + 1)
    return msgspec.structs.replace(parcel, letter=Letter(other))


def generation_used_again(patch: Patch) -> None:
    """The dead row itself is opened once more."""
    _say(
        patch,
        "insert_replayed",
        lambda _: (
            "UPDATE deliveries SET state = 0, replay = :replay, due_at = :now, attempts = 0"
            " WHERE event = :event AND destination = :target"
            " AND :number + :run + :epoch IS NOT NULL"
        ),
    )


def dead_letters_of_yesterday(patch: Patch) -> None:
    """Whoever was sent again since is sent again all the same."""
    _say(
        patch,
        "next_dead",
        lambda sql: sql.replace("later.generation > d.generation", "0"),
    )


MUTATIONS = (
    cursor_apart_from_rows,
    another_id,
    generation_used_again,
    dead_letters_of_yesterday,
)


def _say(patch: Patch, name: str, otherwise: Callable[[str], str]) -> None:
    """A store whose statement of this name is another one."""

    def changed(store: str) -> Mapping[str, str]:
        found = statements(store)
        return {**found, name: otherwise(found[name])}

    patch.setattr(relay.record.sqlite.store, "statements", changed)


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda one: one.__name__)
def test_a_mistake_is_found(
    mutate: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    mutate(monkeypatch)

    @settings(
        max_examples=200,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    @given(ACTIONS)
    def search(actions: list[Action]) -> None:
        played(actions)

    with pytest.raises(Exception):  # noqa: B017, PT011 - however it shows
        search()
