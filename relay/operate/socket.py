"""Socket: where the running relay of a SQLite store is spoken to, by whoever may read its files.

Owns the Unix socket beside the store: its name, its mode, taking the place of one that a dead process
left, and taking it away. The store's lock is the proof that nobody else serves there. Must not know what is
served.

Source: unix(7). A socket's address has room for 107 bytes; a longer path is reached through its folder's
descriptor, as proc_pid_fd(5) shows it.
"""

import asyncio
import logging
import os
import socket
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.client_exceptions import ClientPayloadError
from aiohttp.http_exceptions import HttpProcessingError

__all__ = ["Socket", "reachable", "socket_of"]

PATH_BYTES_MAX: Final = 107
#: Who may not read the store may not change it either.
MODE: Final = 0o600
SHUTDOWN_S: Final = 1.0
#: What whoever speaks to it has done, and is told.
_THEIRS: Final = (HttpProcessingError, ClientPayloadError, web.RequestPayloadError)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a line is about a fault of our own."""
    return not (record.exc_info and isinstance(record.exc_info[1], _THEIRS))


_log: Final = logging.getLogger(__name__)
_log.addFilter(_is_ours)


def socket_of(store: Path) -> Path:
    """Where the relay of a SQLite file is spoken to: ``relay.sock`` for ``relay.db``."""
    return store.with_name(store.name.removesuffix(".db") + ".sock")


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """The path of a socket in a form that an address has room for, for as long as the context lasts.

    Raises:
        OSError: there is none; the folder is missing, or the name alone is too long.
    """
    if len(os.fsencode(path)) <= PATH_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        short = f"/proc/self/fd/{folder}/{path.name}"
        if len(os.fsencode(short)) > PATH_BYTES_MAX:
            raise OSError(None, f"the path has more than {PATH_BYTES_MAX} bytes")
        yield short
    finally:
        os.close(folder)


class Socket:
    """Serves routes on the socket. To be opened only by who holds the store's lock."""

    def __init__(self, path: Path, routes: Iterable[web.RouteDef]) -> None:
        self.path = path
        self._app = web.Application()
        self._app.add_routes(routes)
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._inode: int | None = None

    async def start(self) -> None:
        """Bind and listen.

        Raises:
            OSError: it cannot be bound, or a file that is no socket stands there.
        """
        # Who goes away has no more use for the answer.
        self._runner = web.AppRunner(
            self._app,
            access_log=None,
            logger=_log,
            # Nothing small inflates into something large.
            auto_decompress=False,
            shutdown_timeout=SHUTDOWN_S,
            handler_cancellation=True,
        )
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise RuntimeError("a runner that is set up has a server")
        bound, self._inode = await asyncio.to_thread(_bind, self.path)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(server, sock=bound)

    async def close(self) -> None:
        """Take the socket away and end what is under way. Idempotent and bounded."""
        if self._server is not None:
            await asyncio.to_thread(_remove, self.path, self._inode)
            self._server.close()
            self._server = None
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()


def _bind(path: Path) -> tuple[socket.socket, int]:
    """A socket that does not listen yet: until it does nobody is let in, whatever its mode."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(None, "a file that is no socket stands there")
        path.unlink()
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.settimeout(0)
        with reachable(path) as name:
            made.bind(name)
        path.chmod(MODE)
        return made, path.lstat().st_ino
    except BaseException:
        made.close()
        raise


def _remove(path: Path, inode: int | None) -> None:
    """Unless it is another's by now."""
    with suppress(OSError):
        if path.lstat().st_ino == inode:
            path.unlink()
