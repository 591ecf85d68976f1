"""Places: ports that nobody else is given, directories in which syncing costs nothing, and one that outlives a run.

Ports lie below those that the system hands out to clients: a server that is started again on its port must
not find it taken by somebody's connection.
"""

import os
import secrets
import shutil
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["HOST", "cache", "free_port", "new_directory"]

HOST: Final = "127.0.0.1"
_PORTS: Final = range(20_000, 32_000)
#: In memory, where a database of each test comes and goes in a fraction of the time.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a directory of its own is made in it
_ROOM_BYTES: Final = 4 * 1024**3


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            candidate = secrets.choice(_PORTS)
            probe.bind((HOST, candidate))
            return candidate


def new_directory(prefix: str) -> Path:
    """A directory, in memory where there is room for it."""
    with suppress(OSError):
        if shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES:
            return Path(tempfile.mkdtemp(prefix=prefix, dir=_MEMORY))
    return Path(tempfile.mkdtemp(prefix=prefix))


def cache() -> Path:
    """Where what was downloaded or built lies for the next run."""
    # https://specifications.freedesktop.org/basedir-spec: empty counts as not set.
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "runflow-relay"
