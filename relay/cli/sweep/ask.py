"""Ask: a sweep is ordered from the relay that serves a store.

Owns reading the lines that come back. Draws nothing, and knows not what is done when nobody answers.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from relay.cli.orders import BrokenOffError, posted
from relay.operate.actions.sweeping import Ended, Found, Line, Order, Seen
from relay.operate.api.sweeps import PATH

__all__ = ["ask"]

_LINES: Final = msgspec.json.Decoder(Seen | Found | Ended)


async def ask(path: Path, order: Order, told: Callable[[Line], None]) -> bool:
    """Have the relay at a socket sweep; False where nobody listens there.

    Raises:
        MisconfiguredError: the relay cannot do what is ordered, or does not let us in.
        BrokenOffError: it ended meanwhile.
        RelayError: it refuses.
    """
    async with posted(path, PATH, order) as answer:
        return answer is not None and await _read(answer, told)


async def _read(answer: aiohttp.ClientResponse, told: Callable[[Line], None]) -> bool:
    async for text in answer.content:
        line = _LINES.decode(text)
        told(line)
        if isinstance(line, Ended):
            return True
    raise BrokenOffError("the relay ended before the sweep did")
