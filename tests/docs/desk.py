"""Desk: the project's folder as a reader has it after `make install`, and terminals to type pages into.

Owns the folder, which is a copy, and the ports, which nobody else has: where a page names one of its own, what
is typed names that one. Typing is left to a shell. Knows no page.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

from tests.docs.pages import DOCS, ROOT
from tests.places import HOST, free_port

__all__ = ["Desk", "Terminal", "ask", "until"]

#: The ports that the pages name: callbacks, operator, sandbox, endpoint.
PORTS: Final = ("8080", "8081", "8090", "9099")
LIMIT_S: Final = 60.0


def until(seen: Callable[[], bool], *, what: str, within_s: float = LIMIT_S) -> None:
    """Wait for something that another process does."""
    pause = threading.Event()
    for _ in range(int(within_s / 0.05)):
        if seen():
            return
        pause.wait(0.05)
    raise TimeoutError(f"{what} was waited for in vain")


def ask(
    port: int,
    path: str,
    *,
    method: str = "POST",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """What a port of this machine answers: the status, and the body."""
    with closing(HTTPConnection(HOST, port, timeout=LIMIT_S)) as connection:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()


class Terminal:
    """Something that goes on: a server, begun in a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], said: Path) -> None:
        self.process = process
        self._said = said

    def said(self) -> str:
        """What stands in the terminal."""
        return self._said.read_text(encoding="utf-8", errors="replace")

    def press(self, number: signal.Signals) -> None:
        """Ctrl-C and the like: every process of the terminal is told."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


class Desk:
    """A folder, its environment, and what is typed in it."""

    def __init__(self, directory: Path, *, clone: bool = False) -> None:
        """The folder is furnished here, unless it is a clone."""
        self.directory = directory
        self.ports = {port: free_port() for port in PORTS}
        #: Words of the pages that their reader replaces by some of his own.
        self.words: dict[str, str] = {
            "relay sandbox": f"relay sandbox --port {self.ports['8090']}"
        }
        outside = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "VIRTUAL_ENV", "RELAY_CONFIG"}
        self.environ = {
            **{name: of for name, of in os.environ.items() if name not in outside},
            "RELAY__PUBLIC__LISTEN": self.at("8080"),
            "RELAY__OPERATOR__LISTEN": self.at("8081"),
        }
        if not clone:
            (directory / ".venv").symlink_to(sys.prefix)
            (directory / "docs").mkdir()
            shutil.copytree(ROOT / "config", directory / "config")
            shutil.copy(DOCS / "receiver.py", directory / "docs")
        for file in (
            *(directory / "config").glob("*.yaml"),
            directory / "docs/receiver.py",
        ):
            file.write_text(self.read(file.read_text()))

    def at(self, port: str) -> str:
        """The address that stands here for a port of the pages."""
        return f"{HOST}:{self.ports[port]}"

    def read(self, text: str) -> str:
        """What is typed for a text of a page."""
        for word, own in self.words.items():
            text = text.replace(word, own)
        return re.sub(
            rf"(?<=[: (])(?:{'|'.join(PORTS)})\b",
            lambda found: str(self.ports[found[0]]),
            text,
        )

    def type(self, text: str, *, within_s: float = LIMIT_S * 2) -> str:
        """Have commands carried out, to their end, which must be a good one; what they print."""
        done = subprocess.run(
            ["/bin/sh", "-e", "-c", self.read(text)],
            cwd=self.directory,
            env=self.environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=within_s,
        )
        assert done.returncode == 0, f"{self.read(text)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def play(self, text: str) -> str:
        """Have a page's Python run, as if it stood in an async function; what it prints."""
        body = textwrap.indent(self.read(text), "    ")
        script = self.directory / "example.py"
        script.write_text(
            f"import asyncio\n\n\nasync def example():\n{body}\n\nasyncio.run(example())\n"
        )
        return self.type(".venv/bin/python example.py")

    @contextmanager
    def going(
        self, text: str, port: str, *, within_s: float = LIMIT_S
    ) -> Iterator[Terminal]:
        """Have something begun that listens on a port of the pages, and Ctrl-C pressed in the end."""
        place = self.directory / f"terminal-{port}.log"
        with place.open("ab") as out:
            process = subprocess.Popen(
                ["/bin/sh", "-e", "-c", self.read(text)],
                cwd=self.directory,
                env=self.environ,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        terminal = Terminal(process, place)
        try:
            until(
                lambda: self._answers(terminal, port),
                what=f"port {port}",
                within_s=within_s,
            )
            yield terminal
        finally:
            terminal.press(signal.SIGINT)
            try:
                process.wait(30)
            finally:
                terminal.press(signal.SIGKILL)

    def _answers(self, terminal: Terminal, port: str) -> bool:
        assert terminal.process.poll() is None, terminal.said()
        with suppress(OSError), socket.create_connection((HOST, self.ports[port]), 1):
            return True
        return False

    def get(self, port: str, path: str, *, method: str = "GET") -> str:
        """What a port of the pages answers."""
        return ask(self.ports[port], path, method=method)[1].decode()

    def lines(self, file: str) -> list[Any]:
        """A file of JSON, line by line; none while there is no such file."""
        path = self.directory / file
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines()]
