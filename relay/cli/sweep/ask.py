"""Ask: an order is given to the relay that serves a store, over its socket.

Owns the connection and reading the lines. Draws nothing, and knows not what is done when nobody answers.
"""

import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from relay.core.errors import MisconfiguredError, RelayError
from relay.operate.actions.sweeping import Ended, Found, Line, Order, Seen
from relay.operate.api.sweeps import PATH
from relay.operate.socket import reachable

__all__ = ["BrokenOffError", "ask"]

CONNECT_S: Final = 5.0
#: The longest line names a hundred runs.
LINE_BYTES: Final = 1024 * 1024
_NOBODY: Final = (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR)
_LINES: Final = msgspec.json.Decoder(Seen | Found | Ended)


class BrokenOffError(RelayError):
    """The relay went away in the middle."""


async def ask(path: Path, order: Order, told: Callable[[Line], None]) -> bool:
    """Have the relay at a socket sweep; False where nobody listens there.

    Raises:
        MisconfiguredError: the relay cannot do what is ordered, or does not let us in.
        BrokenOffError: it ended meanwhile.
        RelayError: it refuses.
    """
    try:
        async with _session(path) as session, _posted(session, order) as answer:
            if answer.status != HTTPStatus.OK:
                raise _refusal(answer.status, await answer.read())
            return await _read(answer, told)
    except OSError as error:
        if error.errno in _NOBODY:
            return False
        if error.errno in (errno.EACCES, errno.EPERM):
            raise MisconfiguredError(
                f"{path} belongs to a relay that runs as another user: run this as that user"
            ) from error
        raise BrokenOffError(f"the relay at {path} went away: {error}") from error
    except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError) as error:
        raise BrokenOffError(
            f"the relay at {path} went away before it was done"
        ) from error


@asynccontextmanager
async def _session(path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    with reachable(path) as name:
        async with aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=name),
            # Nothing is said while the API takes its time over a page.
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S),
            read_bufsize=LINE_BYTES,
        ) as session:
            yield session


@asynccontextmanager
async def _posted(
    session: aiohttp.ClientSession, order: Order
) -> AsyncIterator[aiohttp.ClientResponse]:
    body = msgspec.json.encode(order)
    async with session.post(f"http://relay{PATH}", data=body) as answer:
        yield answer


async def _read(answer: aiohttp.ClientResponse, told: Callable[[Line], None]) -> bool:
    async for text in answer.content:
        line = _LINES.decode(text)
        told(line)
        if isinstance(line, Ended):
            return True
    raise BrokenOffError("the relay ended before the sweep did")


class _Problem(msgspec.Struct):
    detail: str = "it does not say why"


def _refusal(status: int, body: bytes) -> RelayError:
    try:
        said = msgspec.json.decode(body, type=_Problem).detail
    except msgspec.MsgspecError:
        said = f"the relay that runs answers {status}: is it of the same version?"
    wrong = status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND)
    return MisconfiguredError(said) if wrong else RelayError(said)
