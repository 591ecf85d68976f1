"""Orders: a verb that changes something is given to the relay that serves the store, or done to the store.

Owns the connection to the socket of a relay that serves a SQLite file, what its refusals mean, and who
does what is ordered: only one process may write to such a file, a database takes many. Knows no verb.
"""

import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeVar

import aiohttp
import msgspec

from relay.app.alone import store_alone
from relay.app.stores import is_empty
from relay.core.errors import MisconfiguredError, RelayError, StoreTakenError
from relay.operate.socket import reachable, socket_of
from relay.record.grouped import GroupedStore
from relay.settings import Place, Settings

__all__ = ["BrokenOffError", "carry_out", "no_store", "posted", "unreachable"]

A = TypeVar("A")

CONNECT_S: Final = 5.0
#: The longest line of an answer.
LINE_BYTES: Final = 1024 * 1024
#: The longest answer that is not read line by line.
ANSWER_BYTES: Final = 8 * 1024 * 1024
_NOBODY: Final = (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR)


class BrokenOffError(RelayError):
    """The relay went away in the middle."""


async def carry_out(
    place: Place,
    route: str,
    order: msgspec.Struct,
    answer: type[A],
    *,
    settings: Callable[[], Awaitable[Settings]],
    alone: Callable[[Settings, GroupedStore], Awaitable[A]],
) -> A:
    """Have the relay that serves a store do what is ordered; where none does, ``alone`` does it.

    ``settings`` is asked only then: what runs has its own.

    Raises:
        MisconfiguredError: the order cannot be meant, or there is no store.
        BrokenOffError: the relay ended meanwhile.
        RelayError: it was refused, or did not work.
    """
    if place.store.file is None:
        return await _do_alone(place, await settings(), alone)
    path = socket_of(place.store_path.absolute())
    async with posted(path, route, order) as said:
        if said is not None:
            return msgspec.json.decode(
                await said.content.read(ANSWER_BYTES), type=answer
            )
    try:
        return await _do_alone(place, await settings(), alone)
    except StoreTakenError as error:
        raise unreachable(path) from error


async def _do_alone(
    place: Place,
    settings: Settings,
    alone: Callable[[Settings, GroupedStore], Awaitable[A]],
) -> A:
    if await is_empty(place):
        raise no_store(place)
    async with store_alone(settings) as store:
        return await alone(settings, store)


def no_store(place: Place) -> MisconfiguredError:
    """What is said where nothing was ever stored."""
    return MisconfiguredError(
        f"there is no store at {place.store_place} yet: start the relay once (relay serve)"
    )


def unreachable(path: Path) -> RelayError:
    """What is said where a relay holds the store and does not answer at its socket."""
    return RelayError(
        f"a relay is serving this store and does not answer at {path}: it starts or stops just now,"
        " or its log says `socket.unavailable` and why"
    )


@asynccontextmanager
async def posted(
    path: Path, route: str, order: msgspec.Struct
) -> AsyncIterator[aiohttp.ClientResponse | None]:
    """The answer of the relay at a socket to an order that it took; None where nobody listens there.

    Raises:
        MisconfiguredError: the relay cannot do what is ordered, or does not let us in.
        BrokenOffError: it ended meanwhile.
        RelayError: it refuses.
    """
    taken = False
    try:
        async with _session(path) as session:
            body = msgspec.json.encode(order)
            async with session.post(f"http://relay{route}", data=body) as answer:
                if answer.status >= HTTPStatus.BAD_REQUEST:
                    raise _refusal(answer.status, await answer.read())
                taken = True
                yield answer
                return
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise MisconfiguredError(
                f"{path} belongs to a relay that runs as another user: run this as that user"
            ) from error
        if taken or error.errno not in _NOBODY:
            raise BrokenOffError(f"the relay at {path} went away: {error}") from error
    except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError) as error:
        raise BrokenOffError(
            f"the relay at {path} went away before it was done"
        ) from error
    yield None


@asynccontextmanager
async def _session(path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    with reachable(path) as name:
        async with aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=name),
            # Nothing is said while the relay takes its time.
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S),
            read_bufsize=LINE_BYTES,
        ) as session:
            yield session


class _Problem(msgspec.Struct):
    detail: str = "it does not say why"


def _refusal(status: int, body: bytes) -> RelayError:
    try:
        said = msgspec.json.decode(body, type=_Problem).detail
    except msgspec.MsgspecError:
        said = f"the relay that runs answers {status}: is it of the same version?"
    wrong = status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND)
    return MisconfiguredError(said) if wrong else RelayError(said)
