"""Pacing: what whoever bounds the rate of questions is asked and told.

Owns the interface only: how often is often enough is the user's to say, and several clients may share it.
"""

from typing import Protocol

__all__ = ["Pacer"]


class Pacer(Protocol):
    """Bounds how often an API is asked, by all clients that were given the same one."""

    async def turn(self) -> None:
        """Return when the next request may be sent. Called before each, repeats included."""
        ...

    def hush(self, seconds: float | None) -> None:
        """The API has had too many requests (429) and wants none for so long; None: it does not say."""
        ...
