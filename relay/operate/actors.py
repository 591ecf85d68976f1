"""Actors: who it is that changes something.

Owns naming the person behind a process on this machine: behind the command itself, or behind the other end of
a Unix socket, which the kernel vouches for (unix(7), ``SO_PEERCRED``).
"""

import os
import pwd
import socket
import struct
from typing import Final

from aiohttp import web

__all__ = ["caller", "login"]

#: Process, user and group, as the kernel has them.
_CREDENTIALS: Final = struct.Struct("3i")
_UNKNOWN: Final = "somebody"


def login(uid: int | None = None) -> str:
    """The name of a user, or their number where there is no name; our own without one."""
    number = os.getuid() if uid is None else uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


def caller(request: web.BaseRequest) -> str:
    """Who has sent a request over a Unix socket."""
    transport = request.transport
    end = None if transport is None else transport.get_extra_info("socket")
    if end is None:
        return _UNKNOWN
    # Whatever the loop makes of a socket, it has a descriptor.
    with socket.socket(fileno=os.dup(end.fileno())) as mine:
        if mine.family != socket.AF_UNIX:
            return _UNKNOWN
        found = mine.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
        )
    _, uid, _ = _CREDENTIALS.unpack(found)
    return login(uid)
