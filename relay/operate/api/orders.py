"""Orders: the body of a request that changes something.

Owns reading it, within limits of size and time.
"""

import asyncio
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from relay.operate.api.problems import problem

__all__ = ["BODY_BYTES_MAX", "read_order"]

#: An order has a few short words.
BODY_BYTES_MAX: Final = 16 * 1024
BODY_TIMEOUT_S: Final = 5.0

Order = TypeVar("Order")


async def read_order(
    request: web.Request, kind: type[Order], *, most: int = BODY_BYTES_MAX
) -> Order | web.Response:
    """The order, of at most so many bytes, or what to answer to something else."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await request.content.read(most + 1)
            while len(body) <= most and (more := await request.content.read(most)):
                body += more
    except TimeoutError:
        return problem(
            HTTPStatus.REQUEST_TIMEOUT, "too-slow", "the body did not come in time"
        )
    if len(body) > most:
        return problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too-large",
            f"the body is larger than {most} bytes",
        )
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return problem(HTTPStatus.BAD_REQUEST, "bad-order", str(error))
