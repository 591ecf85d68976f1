"""What the tests of the file sender share: a thread for its calls, and a reader of its files."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from relay.core.ports import Parcel

__all__ = ["Thread", "expected", "lines_of"]

R = TypeVar("R")


class Thread:
    """An executor of one thread that can be made to wait."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self.going = threading.Event()
        self.going.set()

    def run(self, call: Callable[[], R], /) -> Awaitable[R]:
        def when_going() -> R:
            self.going.wait()
            return call()

        return asyncio.get_running_loop().run_in_executor(self._pool, when_going)

    def stop(self) -> None:
        self.going.set()
        self._pool.shutdown(wait=False)


def lines_of(path: Path) -> list[bytes]:
    """The lines, each of which has to be whole."""
    data = path.read_bytes()
    assert data[-1:] in {b"", b"\n"}
    return data.splitlines()


def expected(*sent: Parcel) -> list[bytes]:
    return [item.letter.event.structured for item in sent]
