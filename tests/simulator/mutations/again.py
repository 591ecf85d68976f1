"""Mistakes in sending again: each shows only in histories in which somebody has ordered that.

Owns them and nothing else. A cursor that is committed apart from its rows is found by the stories of
``tests/record/replay_story``: here nobody dies just there within a thousand histories.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import pytest

import relay.record.outgoing
import relay.record.sqlite.outgoing
import relay.record.sqlite.resending
import relay.record.sqlite.store
import relay.record.sqlite.writer
import relay.record.statements
from relay.core.ports import Letter, Parcel

__all__ = ["MUTATIONS"]

Patch = pytest.MonkeyPatch


def another_id(patch: Patch) -> None:
    """What is sent again is told as another event."""
    known = relay.record.outgoing.parcels

    def parcels(*given: Any, **more: Any) -> list[Parcel]:
        return [_renamed(parcel) for parcel in known(*given, **more)]

    patch.setattr(relay.record.sqlite.outgoing, "parcels", parcels)


def _renamed(parcel: Parcel) -> Parcel:
    if parcel.replay is None:
        return parcel
    facts = parcel.letter.facts
    other = msgspec.structs.replace(facts, revision=facts.revision + 1)
    return msgspec.structs.replace(parcel, letter=Letter(other))


def the_dead_row_is_opened_again(patch: Patch) -> None:
    known = relay.record.statements.statements
    opened = (
        "UPDATE deliveries SET state = 0, replay = :replay, due_at = :now, attempts = 0"
        " WHERE event = :event AND destination = :target AND :number + :run + :epoch IS NOT NULL"
    )

    def statements(store: str) -> Mapping[str, str]:
        return {**known(store), "insert_replayed": opened}

    patch.setattr(relay.record.sqlite.store, "statements", statements)


MUTATIONS: Final = {
    "a replay with another id": (another_id, ("P5", "P3")),
    "the dead row is opened again": (
        the_dead_row_is_opened_again,
        ("Again", "P7", "P3"),
    ),
}
