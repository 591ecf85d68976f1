"""Lines of a log harm nobody: neither a pipe that nobody reads nor a disk that is full."""

import io
import os
from pathlib import Path

from relay.observe.lines import Lines


def test_lines_arrive_whole_and_in_order(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        lines = Lines(stream)
        for number in range(1000):
            lines.info(f"line {number} größe \ud800")
        assert lines.flush(within_s=5)
    found = (tmp_path / "log").read_text("utf-8").splitlines()
    assert found == [f"line {number} größe \\ud800" for number in range(1000)]


def test_a_pipe_that_nobody_reads_holds_nobody_up() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream, os.fdopen(reader, "rb") as other_end:
        lines = Lines(stream, waiting_max=50)
        for number in range(500):
            lines.info(f"{number} " + "x" * 2000)
        assert not lines.flush(within_s=0.05)
        heard = b""
        while b"were dropped" not in heard:
            heard += other_end.read1(65536)
        assert heard.startswith(b"0 x")
        assert lines.flush(within_s=5)


def test_nobody_hears_of_a_reader_that_has_gone() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        lines = Lines(stream)
        lines.error("to nobody")
        assert lines.flush(within_s=5)
        assert lines.dropped == 1


def test_a_stream_without_a_descriptor_is_a_stream_that_nobody_reads() -> None:
    lines = Lines(io.StringIO())
    lines.error("to nobody")
    assert lines.flush(within_s=5)
    assert lines.dropped == 1
