"""File sender: one JSON line for each event, on disk before it counts as delivered.

Owns the file: its lock, its torn end, its rotation, and what becomes of a batch that could not be
written whole. Must not know of retries, leases or the store. All of it runs on the executor that it
is given, one call after another; nothing here touches the disk on the event loop.

A reader may rely on this: every line that ends in a newline is a whole event, and no line is ever
changed. A line may come twice, with the same id, where a crash came between the write and its receipt.
"""

import asyncio
import errno
import fcntl
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Final, TypeAlias

from relay.core.delivery import Delivered, Failed, Fault, Outcome, Refused, Released
from relay.core.errors import MisconfiguredError, UnbuildableError
from relay.core.ports import Executor, Parcel
from relay.core.shape import WHOLE, Shape

__all__ = ["FileOptions", "FileSender"]

_SECOND_US: Final = 1_000_000
#: How far back one look for the last newline goes.
_BLOCK: Final = 64 * 1024
#: Lines are joined up to about this much for one write.
_WRITE: Final = 1 << 20
_FILE_MODE: Final = 0o640
#: What says that there is no room: no space, over quota, over the largest size allowed.
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """One file destination, as configured."""

    path: Path
    #: Begin a new file rather than let this one grow beyond so many bytes, which only a single line
    #: that is longer by itself may do; None: never.
    rotate_bytes: int | None = None
    #: How many finished files stay, as ``path.1`` (the newest) to ``path.{keep}``.
    keep: int = 7
    #: How much of each event; its limit counts a line without its newline.
    shape: Shape = WHOLE


class FileSender:
    """Appends events to a file as JSON Lines. Made by :meth:`open`."""

    batch: int = 500
    concurrency: int = 1

    def __init__(self, *, journal: "_Journal", executor: Executor) -> None:
        self._journal = journal
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._closed = False

    @classmethod
    async def open(cls, *, options: FileOptions, executor: Executor) -> "FileSender":
        """Lock the file, make it ready, and give its sender.

        Raises:
            MisconfiguredError: another process writes to the file, or it cannot be written to.
        """
        journal = _Journal(options)
        await executor.run(journal.start)
        return cls(journal=journal, executor=executor)

    def prepare(self, parcels: Iterable[Parcel], /) -> None:
        """See :class:`relay.core.ports.Sender`: every call carries many."""

    async def send(self, parcels: Sequence[Parcel], /) -> Sequence[Outcome]:
        """Append the batch in order; what counts as delivered is on disk when this returns.

        A fault in a file takes back the part of the batch that this file was to take, and all that
        comes after it. What had gone whole into files before it stays, and counts.
        """
        if self._closed:
            return [Released()] * len(parcels)
        started = self._loop.time()
        ends = await self._executor.run(lambda: self._journal.append(parcels))
        took_us = self._since(started)
        return [_outcome_of(end, took_us) for end in ends]

    async def close(self) -> None:
        """Close the file and let go of its lock."""
        self._closed = True
        await self._executor.run(self._journal.stop)

    def _since(self, started: float) -> int:
        return int((self._loop.time() - started) * _SECOND_US)


#: What became of one event: on disk, or why not.
_End: TypeAlias = UnbuildableError | Refused | OSError | None


class _Journal:
    """The file itself. Every method blocks and belongs on the executor."""

    def __init__(self, options: FileOptions) -> None:
        self._options = options
        self._path = options.path
        self._lock: int | None = None
        self._file: int | None = None
        #: The size after the last write; another one means that someone else was at the file.
        self._size = 0

    def start(self) -> None:
        """Lock and open.

        Raises:
            MisconfiguredError: see :meth:`FileSender.open`.
        """
        try:
            _make_directory(self._path.parent)
            self._take_lock()
            self._reopen()
        except OSError as error:
            self.stop()
            raise MisconfiguredError(
                f"file {self._path} cannot be written to: {_detail_of(error)}"
            ) from error
        except MisconfiguredError:
            self.stop()
            raise

    def stop(self) -> None:
        """Close whatever is open. Idempotent."""
        self._drop_file()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def append(self, parcels: Sequence[Parcel]) -> Sequence[_End]:
        """Write the batch and bring it to disk; give what became of each event, in order."""
        lines = [_line_of(parcel, self._options.shape) for parcel in parcels]
        present = [line for line in lines if isinstance(line, bytes)]
        written, fault = self._write(present) if present else (0, None)
        ends = chain(repeat(None, written), repeat(fault))
        return [next(ends) if isinstance(line, bytes) else line for line in lines]

    def _write(self, lines: Sequence[bytes]) -> tuple[int, OSError | None]:
        """Write over as many files as it takes; give how many lines are on disk, and what came next.

        A file is on disk before it is put aside, so that a fault in one undoes nothing before it.
        """
        written = 0
        try:
            file = self._current()
            while written < len(lines):
                if not (count := self._room_for(lines[written:])):
                    self._rotate()
                    file = self._reopen()
                    continue
                self._write_to(file, lines[written : written + count])
                written += count
        except OSError as fault:
            # Looked at afresh next time: the fault may have been the descriptor's.
            self._drop_file()
            return written, fault
        return written, None

    def _write_to(self, file: int, lines: Sequence[bytes]) -> None:
        try:
            for piece in _pieces(lines):
                _write_all(file, piece)
            os.fsync(file)
        except OSError:
            # No torn line, and none of these. Pages that an fsync has failed on go with them.
            os.ftruncate(file, self._size)
            raise
        self._size = os.fstat(file).st_size

    def _current(self) -> int:
        """Give the descriptor of the file that now bears the name; another one after a logrotate."""
        if self._file is None:
            return self._reopen()
        mine = os.fstat(self._file)
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return self._reopen()
        if (mine.st_dev, mine.st_ino, mine.st_size) != (
            named.st_dev,
            named.st_ino,
            self._size,
        ):
            return self._reopen()
        return self._file

    def _reopen(self) -> int:
        self._drop_file()
        _make_directory(self._path.parent)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        file = self._file = os.open(self._path, flags, _FILE_MODE)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            self._drop_file()
            raise OSError(errno.EINVAL, "not a regular file")
        self._size = _cut_torn_end(file)
        _sync_directory(self._path.parent)
        return file

    def _drop_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            # What counts is on disk already, and of a fault now nobody could learn more.
            with suppress(OSError):
                os.close(file)

    def _take_lock(self) -> None:
        # A file of its own, as the lock has to outlive rotation.
        path = self._path.with_name(self._path.name + ".lock")
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MisconfiguredError(
                f"file {self._path} is already being written by another process"
            ) from error

    def _room_for(self, lines: Sequence[bytes]) -> int:
        """How many of the lines the file may still take; an empty one takes any line."""
        limit = self._options.rotate_bytes
        if limit is None:
            return len(lines)
        size = self._size
        for count, line in enumerate(lines):
            size += len(line) + 1
            if size > limit and (count or self._size):
                return count
        return len(lines)

    def _rotate(self) -> None:
        """Move ``path`` to ``path.1``, that to ``path.2`` and so on, the oldest out.

        Only up to the first free number: a crash half way leaves a gap, and a gap costs no file.
        """
        self._drop_file()
        keep = self._options.keep
        numbered = [self._numbered(number) for number in range(1, keep + 1)]
        free = next((n for n, path in enumerate(numbered) if not path.exists()), keep)
        names = [self._path, *numbered[: free + 1]]
        if keep == 0:
            self._path.unlink()
        for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
            newer.replace(older)
        self._forget_beyond(keep)
        _sync_directory(self._path.parent)

    def _forget_beyond(self, keep: int) -> None:
        """Remove what an earlier, larger ``keep`` has left behind."""
        number = keep + 1
        while (path := self._numbered(number)).exists():
            path.unlink()
            number += 1

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _outcome_of(end: _End, duration_us: int) -> Outcome:
    match end:
        case None:
            return Delivered(duration_us=duration_us)
        case Refused():
            return end
        case UnbuildableError():
            return Failed(reason=end.reason, fault=Fault.EVENT)
        case OSError():
            return Failed(
                reason="disk_full" if end.errno in _FULL else "io_error",
                fault=Fault.DESTINATION,
                detail=_detail_of(end),
                duration_us=duration_us,
            )


def _line_of(parcel: Parcel, shape: Shape) -> bytes | UnbuildableError | Refused:
    """Give the event as one line without its newline, or why it cannot be built or written.

    A newline or carriage return in JSON stands only between tokens, where a space means the same.
    """
    try:
        structured = shape.of(parcel.letter.event).structured
    except UnbuildableError as error:
        return error
    return shape.refusal(len(structured)) or structured.replace(b"\n", b" ").replace(
        b"\r", b" "
    )


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join lines into pieces of about one write each, so that no batch is copied whole."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size >= _WRITE:
            yield b"\n".join([*piece, b""])
            piece, size = [], 0
    if piece:
        yield b"\n".join([*piece, b""])


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _cut_torn_end(file: int) -> int:
    """Cut the file back to just after its last newline; give the size that remains."""
    size = end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - _BLOCK)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        os.ftruncate(file, end)
        os.fsync(file)
    return end


def _make_directory(directory: Path) -> None:
    """Make ``directory`` and what is missing above it, each entry on disk when this returns."""
    if directory.is_dir():
        return
    _make_directory(directory.parent)
    directory.mkdir(exist_ok=True)
    _sync_directory(directory.parent)


def _sync_directory(directory: Path) -> None:
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _detail_of(error: OSError) -> str:
    symbol = errno.errorcode.get(error.errno or 0, type(error).__name__)
    return f"{symbol} {error.strerror or ''}".rstrip()
