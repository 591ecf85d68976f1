"""The file sender's file over time: rotation, and what others do to it."""

# ruff: noqa: ASYNC240 - a test may wait for the disk

import errno
import json
import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from relay.core.delivery import Delivered, Failed, Outcome
from relay.core.event import BUILDER
from relay.deliver.file import FileOptions, FileSender
from tests.deliver.conformance import first, parcel, parcels
from tests.deliver.disk import Thread, expected, lines_of


@pytest.fixture
def thread() -> Iterator[Thread]:
    thread = Thread()
    yield thread
    thread.stop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
async def sender(thread: Thread, path: Path) -> AsyncIterator[FileSender]:
    sender = await FileSender.open(options=FileOptions(path=path), executor=thread)
    yield sender
    thread.going.set()
    await sender.close()


def _said(outcome: Outcome) -> str:
    return (
        outcome.reason
        if isinstance(outcome, Failed)
        else type(outcome).__name__.lower()
    )


class TestRotation:
    @staticmethod
    async def fill(
        thread: Thread, path: Path, *, keep: int, count: int, rotate_bytes: int = 1
    ) -> None:
        """Send ``count`` events one by one into files that may not grow."""
        options = FileOptions(path=path, rotate_bytes=rotate_bytes, keep=keep)
        sender = await FileSender.open(options=options, executor=thread)
        for number in range(1, count + 1):
            assert isinstance(first(await sender.send([parcel(number)])), Delivered)
        await sender.close()

    @staticmethod
    def found(path: Path) -> dict[str, list[bytes]]:
        return {
            item.name.removeprefix(path.name): lines_of(item)
            for item in path.parent.iterdir()
            if not item.name.endswith(".lock")
        }

    async def test_full_files_move_up_and_the_oldest_goes(
        self, thread: Thread, path: Path
    ) -> None:
        await self.fill(thread, path, keep=2, count=5)
        assert self.found(path) == {
            "": expected(parcel(5)),
            ".1": expected(parcel(4)),
            ".2": expected(parcel(3)),
        }

    async def test_no_file_is_kept_where_none_should_be(
        self, thread: Thread, path: Path
    ) -> None:
        await self.fill(thread, path, keep=0, count=3)
        assert self.found(path) == {"": expected(parcel(3))}

    async def test_a_file_does_not_grow_beyond_its_limit(
        self, thread: Thread, path: Path
    ) -> None:
        size = len(expected(parcel())[0]) + 1
        await self.fill(thread, path, keep=9, count=5, rotate_bytes=2 * size)
        assert [len(self.found(path)[name]) for name in (".2", ".1", "")] == [2, 2, 1]

    async def test_a_batch_is_spread_over_as_many_files_as_it_takes(
        self, thread: Thread, path: Path
    ) -> None:
        size = len(expected(parcel())[0]) + 1
        options = FileOptions(path=path, rotate_bytes=2 * size + 1, keep=9)
        sender = await FileSender.open(options=options, executor=thread)
        await sender.send([parcel(1)])
        outcomes = await sender.send([parcel(number) for number in range(2, 8)])
        await sender.close()
        assert [Delivered] * 6 == [type(outcome) for outcome in outcomes]
        assert self.found(path) == {
            ".3": expected(parcel(1), parcel(2)),
            ".2": expected(parcel(3), parcel(4)),
            ".1": expected(parcel(5), parcel(6)),
            "": expected(parcel(7)),
        }

    async def test_only_a_line_longer_than_the_limit_exceeds_it_and_stands_alone(
        self, thread: Thread, path: Path
    ) -> None:
        size = len(expected(parcel())[0]) + 1
        large = parcel(3, output=json.dumps("x" * 5 * size))
        options = FileOptions(path=path, rotate_bytes=3 * size, keep=9)
        sender = await FileSender.open(options=options, executor=thread)
        await sender.send([parcel(1), parcel(2), large, parcel(4), parcel(5)])
        await sender.close()
        assert self.found(path) == {
            ".2": expected(parcel(1), parcel(2)),
            ".1": expected(large),
            "": expected(parcel(4), parcel(5)),
        }

    async def test_a_rotation_that_fails_within_a_batch_undoes_nothing_before_it(
        self, thread: Thread, path: Path
    ) -> None:
        """The next number is taken by a directory with something in it."""
        size = len(expected(parcel())[0]) + 1
        options = FileOptions(path=path, rotate_bytes=2 * size, keep=1)
        sender = await FileSender.open(options=options, executor=thread)
        obstacle = path.with_name(path.name + ".1") / "something"
        obstacle.mkdir(parents=True)
        sent = [parcel(1), parcel(9, builder=BUILDER + 1), *parcels(4)[1:]]
        outcomes = await sender.send(sent)
        assert [_said(outcome) for outcome in outcomes] == [
            "delivered",
            "unknown_builder",
            "delivered",
            "io_error",
            "io_error",
        ]
        assert expected(*parcels(2)) == lines_of(path)
        obstacle.rmdir()
        obstacle.parent.rmdir()
        await sender.send(sent[3:])
        await sender.close()
        assert self.found(path) == {
            ".1": expected(*parcels(2)),
            "": expected(*parcels(4)[2:]),
        }

    @pytest.mark.parametrize("fails", ["write", "fsync"])
    async def test_a_fault_in_a_later_file_takes_back_its_own_lines_alone(
        self, thread: Thread, path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
    ) -> None:
        size = len(expected(parcel())[0]) + 1
        options = FileOptions(path=path, rotate_bytes=2 * size, keep=9)
        sender = await FileSender.open(options=options, executor=thread)
        await sender.send([parcel(1)])
        first_file = path.stat().st_ino
        real = getattr(os, fails)

        def refuse(file: int, *given: bytes) -> int | None:
            found = os.fstat(file)
            if stat.S_ISREG(found.st_mode) and found.st_ino != first_file:
                if given:
                    real(file, given[0][:7])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            done: int | None = real(file, *given)
            return done

        with monkeypatch.context() as patch:
            patch.setattr(os, fails, refuse)
            outcomes = await sender.send(parcels(6)[1:])
        assert [_said(outcome) for outcome in outcomes] == [
            "delivered",
            *["disk_full"] * 4,
        ]
        assert self.found(path) == {".1": expected(*parcels(2)), "": []}
        await sender.send(parcels(6)[2:])
        await sender.close()
        assert self.found(path) == {
            ".2": expected(*parcels(2)),
            ".1": expected(*parcels(4)[2:]),
            "": expected(*parcels(6)[4:]),
        }

    async def test_a_gap_in_the_numbers_costs_no_file(
        self, thread: Thread, path: Path
    ) -> None:
        """A crash in the middle of a rotation leaves one."""
        await self.fill(thread, path, keep=3, count=4)
        path.with_name(path.name + ".2").unlink()
        await self.fill(thread, path, keep=3, count=1)
        assert self.found(path) == {
            "": expected(parcel(1)),
            ".1": expected(parcel(4)),
            ".2": expected(parcel(3)),
            ".3": expected(parcel(1)),
        }

    async def test_a_smaller_keep_forgets_what_is_beyond(
        self, thread: Thread, path: Path
    ) -> None:
        await self.fill(thread, path, keep=4, count=5)
        await self.fill(thread, path, keep=1, count=1)
        assert self.found(path) == {
            "": expected(parcel(1)),
            ".1": expected(parcel(5)),
        }


class TestMeddling:
    async def test_a_file_moved_away_is_followed_by_a_new_one(
        self, sender: FileSender, path: Path
    ) -> None:
        await sender.send([parcel(1)])
        moved = path.rename(path.with_name("rotated"))
        await sender.send([parcel(2)])
        assert expected(parcel(1)) == lines_of(moved)
        assert expected(parcel(2)) == lines_of(path)

    async def test_a_file_removed_is_made_again(
        self, sender: FileSender, path: Path
    ) -> None:
        await sender.send([parcel(1)])
        path.unlink()
        await sender.send([parcel(2)])
        assert expected(parcel(2)) == lines_of(path)

    async def test_a_directory_removed_is_made_again(
        self, thread: Thread, tmp_path: Path
    ) -> None:
        path = tmp_path / "sub" / "events.jsonl"
        sender = await FileSender.open(options=FileOptions(path=path), executor=thread)
        path.unlink()
        path.with_name(path.name + ".lock").unlink()
        path.parent.rmdir()
        assert isinstance(first(await sender.send([parcel()])), Delivered)
        await sender.close()
        assert expected(parcel()) == lines_of(path)

    async def test_a_file_truncated_in_place_goes_on(
        self, sender: FileSender, path: Path
    ) -> None:
        """As ``logrotate`` does with ``copytruncate``."""
        await sender.send(parcels(3))
        os.truncate(path, 0)
        await sender.send([parcel(4)])
        assert expected(parcel(4)) == lines_of(path)

    async def test_a_tail_torn_by_another_is_cut_before_the_next_batch(
        self, sender: FileSender, path: Path
    ) -> None:
        await sender.send([parcel(1)])
        with path.open("ab") as other:
            other.write(b'{"half":')
        await sender.send([parcel(2)])
        assert expected(parcel(1), parcel(2)) == lines_of(path)
