"""The file sender's file over time: rotation, and what others do to it."""

# ruff: noqa: ASYNC240 - a test may wait for the disk

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from relay.core.delivery import Delivered
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

    async def test_a_batch_is_never_split(self, thread: Thread, path: Path) -> None:
        options = FileOptions(path=path, rotate_bytes=10, keep=3)
        sender = await FileSender.open(options=options, executor=thread)
        await sender.send(parcels(5))
        await sender.send(parcels(3))
        await sender.close()
        assert {k: len(v) for k, v in self.found(path).items()} == {"": 3, ".1": 5}

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
