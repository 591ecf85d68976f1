"""Answers: the client side of one connection, hardened.

Owns how many provisional answers (1xx) are heard for one request. aiohttp queues every one of them and
skips them one by one, for as long as they come; an endpoint that floods them would take all of the
processor and ever more memory. Knows nothing of what is sent.

The class is aiohttp's own and its factory is a private name; a test shows that it is in use.
"""

import asyncio
from functools import partial
from typing import Any, Final

from aiohttp import TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

__all__ = ["harden"]

#: An honest endpoint sends one or two (100, 103).
PROVISIONAL_MAX: Final = 16
_SWITCHING: Final = 101


class _Handler(ResponseHandler):
    """Reads answers, and hangs up on a flood of provisional ones."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._provisional = 0

    def set_response_params(self, **params: Any) -> None:
        """Begin another answer."""
        self._provisional = 0
        super().set_response_params(**params)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take one head of an answer."""
        code = data[0].code
        if 100 <= code < 200 and code != _SWITCHING:
            self._provisional += 1
            if self._provisional > PROVISIONAL_MAX:
                self._hang_up()
                return
        super().feed_data(data, size)

    def _hang_up(self) -> None:
        if self._provisional == PROVISIONAL_MAX + 1:
            self.set_exception(
                HttpProcessingError(code=400, message="too many provisional answers")
            )
            if self.transport is not None:
                # Not closed but aborted: what is still in the socket is not read.
                self.transport.abort()


def harden(connector: TCPConnector) -> TCPConnector:
    """Make every connection of this connector a hardened one."""
    loop = asyncio.get_running_loop()
    kind: type[ResponseHandler] = _Handler
    connector._factory = partial(kind, loop=loop)  # noqa: SLF001 - see above
    return connector
