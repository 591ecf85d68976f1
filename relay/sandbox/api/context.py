"""What every resource of the API needs: the book, the lives, the clock, where it is served.

Owns finding what a path names, and how often it was asked for. Each resource gets one of these; there is no
other way to the rest of the sandbox.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from relay.sandbox.api.answers import Refused
from relay.sandbox.book import Book
from relay.sandbox.lives import Lives
from relay.sandbox.state import Batch, Run
from relay.sandbox.views.runs import Showing

__all__ = ["Context"]


@dataclass(slots=True, kw_only=True)
class Context:
    """What a resource works with.

    Attributes:
        base: The sandbox's address; known when it listens.
        tries_max: How many tries a callback has.
    """

    book: Book
    lives: Lives
    now: Callable[[], datetime]
    tries_max: int
    base: str = ""

    def showing(self, at: datetime | None = None) -> Showing:
        """Here, and at this moment or now."""
        return Showing(base=self.base, at=at or self.now())

    def run_of(self, request: web.Request, name: str = "id") -> Run:
        """The run that the path names.

        Raises:
            Refused: 404; there is none.
        """
        run = self.book.run(request.match_info[name])
        if run is None:
            raise Refused(404, "RUN_NOT_FOUND", "No run has this id.")
        return run

    def batch_of(self, request: web.Request, name: str = "id") -> Batch:
        """The batch that the path names.

        Raises:
            Refused: 404; there is none.
        """
        batch = self.book.batch(request.match_info[name])
        if batch is None:
            raise Refused(404, "BATCH_NOT_FOUND", "No batch has this id.")
        return batch

    def stale(self, run: Run) -> bool:
        """Whether this showing of the run is to be one from before its end; counts it."""
        if not run.over or run.stale_left <= 0:
            return False
        run.stale_left -= 1
        self.book.note(run)
        return True
