"""Lines: text on its way out of the process, by a thread of its own.

Owns that a log can do no harm: whoever logs neither waits for the reader of a pipe nor hears of a full
disk. What finds no room is dropped and counted. Knows nothing of what a line says.
"""

import os
import queue
import threading
from typing import Final, TextIO

__all__ = ["Lines"]

#: Lines that may wait for a slow reader.
WAITING_MAX: Final = 10_000
_LINE_MAX: Final = 256 * 1024


class Lines:
    """Writes lines to a text stream's descriptor, one after another."""

    def __init__(self, stream: TextIO, *, waiting_max: int = WAITING_MAX) -> None:
        self._stream = stream
        self._waiting: queue.SimpleQueue[bytes | threading.Event] = queue.SimpleQueue()
        self._waiting_max = waiting_max
        self.dropped = 0
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def msg(self, line: str) -> None:
        """Take a line. Never waits, never raises."""
        data = line.encode(errors="backslashreplace")[:_LINE_MAX] + b"\n"
        if self._waiting.qsize() < self._waiting_max:
            self._waiting.put(data)
        else:
            self.dropped += 1

    debug = info = warning = error = critical = exception = msg

    def flush(self, *, within_s: float) -> bool:
        """Wait until what has been taken is written; False when it takes longer."""
        written = threading.Event()
        self._waiting.put(written)
        return written.wait(within_s)

    def _write_all(self) -> None:
        while True:
            item = self._waiting.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            if self._write(item) and self.dropped:
                count, self.dropped = self.dropped, 0
                self._write(b"%d lines of this log were dropped\n" % count)

    def _write(self, data: bytes) -> bool:
        try:
            # The stream is asked each time: tests and terminals put others in its place.
            descriptor = self._stream.fileno()
            while data:
                data = data[os.write(descriptor, data) :]
        except (OSError, ValueError):
            # Nobody can be told that telling does not work.
            self.dropped += 1
            return False
        return True
