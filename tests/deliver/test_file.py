"""The file sender on a real disk: whole lines, on disk before they count."""

# ruff: noqa: ASYNC240 - a test may wait for the disk

import asyncio
import errno
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from relay.core.delivery import Delivered, Failed, Fault
from relay.core.errors import MisconfiguredError
from relay.deliver.file import FileOptions, FileSender
from tests.deliver.conformance import Rig, SenderLaw, first, parcel, parcels
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


class FileRig:
    """The law's view of a sender and its file."""

    def __init__(self, sender: FileSender, thread: Thread, path: Path) -> None:
        self.sender = sender
        self._thread = thread
        self._path = path
        self._aside = path.with_name("aside")

    def arrived(self) -> Sequence[bytes]:
        return lines_of(self._path)

    def break_down(self) -> None:
        """A directory stands where the file was."""
        self._path.rename(self._aside)
        self._path.mkdir()

    def mend(self) -> None:
        self._path.rmdir()
        self._aside.rename(self._path)

    def hold(self) -> None:
        self._thread.going.clear()

    def let_go(self) -> None:
        self._thread.going.set()


class TestFileKeepsTheLaw(SenderLaw):
    @pytest.fixture
    def rig(self, sender: FileSender, thread: Thread, path: Path) -> Rig:
        return FileRig(sender, thread, path)


async def test_the_cloudevents_sdk_reads_each_line(
    sender: FileSender, path: Path
) -> None:
    sent = parcels(3)
    await sender.send(sent)
    events = [JSONFormat().read(None, line) for line in lines_of(path)]
    assert [str(item.letter.event.id) for item in sent] == [e.get_id() for e in events]


async def test_newlines_inside_an_event_become_spaces(
    sender: FileSender, path: Path
) -> None:
    """An output may come pretty-printed; what it says stays, and it stays one line."""
    pretty = parcel(output='{\r\n  "a": [\n    1.10\n  ]\r}')
    await sender.send([pretty, parcel(2)])
    one, _ = lines_of(path)
    assert b'"output":{    "a": [     1.10   ] }' in one
    assert json.loads(pretty.letter.event.structured) == json.loads(one)


async def test_a_large_batch_arrives_whole(sender: FileSender, path: Path) -> None:
    sent = [parcel(number, output=json.dumps("x" * 300_000)) for number in range(20)]
    await sender.send(sent)
    assert expected(*sent) == lines_of(path)


class TestOpening:
    async def test_missing_directories_are_made(
        self, thread: Thread, tmp_path: Path
    ) -> None:
        path = tmp_path / "a" / "b" / "events.jsonl"
        sender = await FileSender.open(options=FileOptions(path=path), executor=thread)
        await sender.send([parcel()])
        await sender.close()
        assert len(lines_of(path)) == 1

    async def test_what_is_there_stays(self, thread: Thread, path: Path) -> None:
        for number in (1, 2):
            sender = await FileSender.open(
                options=FileOptions(path=path), executor=thread
            )
            await sender.send([parcel(number)])
            await sender.close()
        assert expected(parcel(1), parcel(2)) == lines_of(path)

    @pytest.mark.parametrize(
        "torn",
        [
            b"{",
            b'{"id": "1"}',
            b"x" * 65535,
            b"x" * 65536,
            b"x" * 65537,
            b"x" * 300_000,
        ],
        ids=len,
    )
    @pytest.mark.parametrize("whole", [b"", b"{}\n", b"{}\n" * 50_000], ids=len)
    async def test_a_torn_end_is_cut_back_to_the_last_newline(
        self, thread: Thread, path: Path, whole: bytes, torn: bytes
    ) -> None:
        path.write_bytes(whole + torn)
        sender = await FileSender.open(options=FileOptions(path=path), executor=thread)
        assert whole == path.read_bytes()
        await sender.send([parcel()])
        await sender.close()
        assert whole + expected(parcel())[0] + b"\n" == path.read_bytes()

    async def test_a_second_sender_is_turned_away(
        self, sender: FileSender, thread: Thread, path: Path
    ) -> None:
        with pytest.raises(MisconfiguredError, match="already being written"):
            await FileSender.open(options=FileOptions(path=path), executor=thread)
        assert isinstance(first(await sender.send([parcel()])), Delivered)

    async def test_the_lock_is_one_that_other_programs_see(
        self, sender: FileSender, path: Path
    ) -> None:
        await sender.send([parcel()])
        lock = path.with_name(path.name + ".lock")
        with lock.open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)

    async def test_the_lock_ends_with_the_sender(
        self, thread: Thread, path: Path
    ) -> None:
        for _ in range(2):
            sender = await FileSender.open(
                options=FileOptions(path=path), executor=thread
            )
            await sender.close()

    async def test_a_lock_is_let_go_when_opening_fails(
        self, thread: Thread, path: Path
    ) -> None:
        path.mkdir()
        with pytest.raises(MisconfiguredError, match="EISDIR"):
            await FileSender.open(options=FileOptions(path=path), executor=thread)
        path.rmdir()
        sender = await FileSender.open(options=FileOptions(path=path), executor=thread)
        await sender.close()

    async def test_only_a_regular_file_will_do(
        self, thread: Thread, path: Path
    ) -> None:
        """A pipe would swallow events for good, or wait for a reader for ever."""
        os.mkfifo(path)
        with pytest.raises(MisconfiguredError, match="not a regular file"):
            await FileSender.open(options=FileOptions(path=path), executor=thread)

    async def test_a_path_below_a_file_is_said_at_the_start(
        self, thread: Thread, path: Path
    ) -> None:
        path.write_bytes(b"")
        options = FileOptions(path=path / "events.jsonl")
        with pytest.raises(MisconfiguredError, match="cannot be written"):
            await FileSender.open(options=options, executor=thread)


_FULL_DISK = """
import asyncio, resource, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from relay.deliver.file import FileOptions, FileSender
from tests.deliver.conformance import parcels
from tests.deliver.disk import Thread

async def main():
    path, thread = Path(sys.argv[1]), Thread()
    sender = await FileSender.open(options=FileOptions(path=path), executor=thread)
    await sender.send(parcels(3))
    size = path.stat().st_size
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + size // 2, hard))
    outcomes = await sender.send(parcels(6))
    print({(o.reason, o.fault.value, o.detail) for o in outcomes}, len(outcomes))
    print(path.stat().st_size == size)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print([type(o).__name__ for o in await sender.send(parcels(1))])
    await sender.close()
    thread.stop()

asyncio.run(main())
"""


class TestFaults:
    @pytest.mark.process
    def test_a_full_disk_leaves_no_torn_line(self, path: Path) -> None:
        """A process that may not write beyond a size takes the part of a disk that is full."""
        done = subprocess.run(
            [sys.executable, "-c", _FULL_DISK, str(path)],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.stdout.splitlines() == [
            "{('disk_full', 'destination', 'EFBIG File too large')} 6",
            "True",
            "['Delivered']",
        ], done.stderr
        assert expected(*parcels(3), parcel(1)) == lines_of(path)

    @pytest.mark.parametrize(
        "number, reason",
        [
            (errno.ENOSPC, "disk_full"),
            (errno.EDQUOT, "disk_full"),
            (errno.EIO, "io_error"),
            (errno.EROFS, "io_error"),
        ],
    )
    async def test_a_failed_sync_takes_the_batch_back(
        self,
        sender: FileSender,
        path: Path,
        monkeypatch: pytest.MonkeyPatch,
        number: int,
        reason: str,
    ) -> None:
        """After an fsync error nobody knows what is on disk, so the lines are written again."""
        await sender.send([parcel(1)])

        def refuse(_file: int) -> None:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", refuse)
            outcomes = await sender.send([parcel(2), parcel(3)])
        for outcome in outcomes:
            assert isinstance(outcome, Failed)
            assert (outcome.reason, outcome.fault) == (reason, Fault.DESTINATION)
        assert expected(parcel(1)) == lines_of(path)
        await sender.send([parcel(2)])
        assert expected(parcel(1), parcel(2)) == lines_of(path)

    async def test_the_batch_is_synced_before_it_counts(
        self, sender: FileSender, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[tuple[int, int]] = []
        fsync = os.fsync

        def note(file: int) -> None:
            fsync(file)
            stat = os.fstat(file)
            synced.append((stat.st_ino, stat.st_size))

        monkeypatch.setattr(os, "fsync", note)
        for _ in range(2):
            await sender.send(parcels(3))
            assert (path.stat().st_ino, path.stat().st_size) == synced[-1]
        assert len(synced) == 2

    async def test_a_short_write_goes_on(
        self, sender: FileSender, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = os.write
        monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:7]))
        await sender.send(parcels(2))
        assert expected(*parcels(2)) == lines_of(path)

    async def test_a_rotation_that_fails_loses_nothing(
        self, thread: Thread, path: Path
    ) -> None:
        """The next number is taken by a directory with something in it."""
        options = FileOptions(path=path, rotate_bytes=1, keep=1)
        sender = await FileSender.open(options=options, executor=thread)
        await sender.send([parcel(1)])
        obstacle = path.with_name(path.name + ".1") / "something"
        obstacle.mkdir(parents=True)
        outcome = first(await sender.send([parcel(2)]))
        assert isinstance(outcome, Failed)
        assert outcome.reason == "io_error"
        assert expected(parcel(1)) == lines_of(path)
        obstacle.rmdir()
        obstacle.parent.rmdir()
        assert isinstance(first(await sender.send([parcel(2)])), Delivered)
        await sender.close()


@given(data=st.binary(max_size=200))
def test_whatever_was_there_only_whole_lines_remain(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "events.jsonl"
    path.write_bytes(data)

    async def use() -> None:
        thread = Thread()
        sender = await FileSender.open(options=FileOptions(path=path), executor=thread)
        await sender.close()
        thread.stop()

    asyncio.run(use())
    assert data[: data.rfind(b"\n") + 1] == path.read_bytes()
