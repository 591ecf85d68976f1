"""Reading: a body, taken in up to a limit, also where it is compressed.

Owns inflation and its bound. Must not know what the body is, or what it means that it was too long.
"""

import zlib
from typing import Final

import aiohttp

__all__ = ["Reading"]

#: gzip or zlib, whichever the first bytes say.
_EITHER: Final = 32 + zlib.MAX_WBITS


class Reading:
    """Takes a body in, inflates it where it is compressed, and stops past a limit."""

    def __init__(self, response: aiohttp.ClientResponse, *, limit: int) -> None:
        self.body = bytearray()
        self._response = response
        self._limit = limit
        coding = response.headers.get("Content-Encoding", "").strip().lower()
        self._is_coded = coding not in {"", "identity"}
        self._inflate = zlib.decompressobj(_EITHER)

    async def run(self) -> None:
        """Read to the end or past the limit.

        Raises:
            zlib.error: It is not compressed as it says.
        """
        async for chunk in self._response.content.iter_any():
            if self._is_coded:
                self._take(chunk)
            else:
                self.body += chunk
            if self.is_over_limit:
                return

    @property
    def is_over_limit(self) -> bool:
        """Whether there is more than may be."""
        return len(self.body) > self._limit

    @property
    def is_cut(self) -> bool:
        """Whether a compressed body lacks its end."""
        return self._is_coded and not self._inflate.eof

    def _take(self, chunk: bytes) -> None:
        while chunk and not self.is_over_limit:
            if self._inflate.eof:
                # gzip may have several members, one after another.
                self._inflate = zlib.decompressobj(_EITHER)
            room = self._limit + 1 - len(self.body)
            self.body += self._inflate.decompress(chunk, room)
            chunk = self._inflate.unconsumed_tail or self._inflate.unused_data
