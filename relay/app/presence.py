"""Presence: whether a relay answers on the operator listener, and which destinations it knows not to work.

Owns one short question to ``/readyz``. What answers may be any program: it is believed only as far as it
speaks like a relay, and its answer is bounded. Never raises: nobody there is an answer, too.
"""

from typing import Final

import aiohttp
import msgspec

from relay.core.timeline import Presence

__all__ = ["look"]

#: It is on this machine, and answers from memory; where others keep the machine busy, a little later.
LIMIT_S: Final = 2.0
_BYTES_MAX: Final = 64 * 1024


class _Readiness(msgspec.Struct):
    degraded: list[str]
    reasons: list[str]


async def look(address: str, *, limit_s: float = LIMIT_S) -> Presence:
    """Look for a relay at ``host:port``."""
    nobody = Presence(address=address, answers=False)
    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=limit_s)
            ) as session,
            session.get(f"http://{address}/readyz", allow_redirects=False) as answer,
        ):
            body = await answer.content.read(_BYTES_MAX)
        found = msgspec.json.decode(body, type=_Readiness)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return nobody
    return Presence(address=address, answers=True, degraded=frozenset(found.degraded))
