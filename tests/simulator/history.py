"""History: what has happened, line by line.

Owns the lines and the one exception that says which promise was broken. Decides nothing.
"""

from collections.abc import Callable

__all__ = ["BrokenError", "History"]


class BrokenError(AssertionError):
    """A promise did not hold."""

    def __init__(self, promise: str, why: str) -> None:
        super().__init__(f"{promise}: {why}")
        self.promise = promise


class History:
    """Lines with the virtual time at which each was written."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._lines: list[tuple[float, str, str]] = []
        #: What was found broken first. Who finds it may be called by the relay, which survives most errors.
        self.broken: BrokenError | None = None

    def note(self, who: str, what: str) -> None:
        self._lines.append((self._time(), who, what))

    def require(self, holds: object, promise: str, why: str) -> None:
        """The promise holds, or the history ends here.

        Raises:
            BrokenError: It does not.
        """
        if not holds:
            self.broken = self.broken or BrokenError(promise, why)
            raise BrokenError(promise, why)

    @property
    def text(self) -> str:
        """All of it, for people and for comparing byte by byte."""
        return "".join(
            f"{at:10.6f}  {who:<9} {what}\n" for at, who, what in self._lines
        )
