"""Lines: what the relay logs while it is simulated.

Owns keeping it away from the terminal, and writing it into the history where somebody reads along.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import structlog
from structlog.typing import EventDict

from tests.simulator.history import History

__all__ = ["heard", "unheard"]

_SAID: Final = ("destination", "reason", "worker", "why", "delivery", "verdict")


@contextmanager
def unheard() -> Iterator[None]:
    """Nobody listens, and nothing is spent on it."""

    def drop(*_: object) -> NoReturn:
        raise structlog.DropEvent

    with _configured(drop, level=50):
        yield


@contextmanager
def heard(history: History) -> Iterator[None]:
    """Every line goes into the history."""

    def note(_logger: object, _method: str, line: EventDict) -> NoReturn:
        more = [f"{key}={line[key]}" for key in _SAID if key in line]
        if line.get("exc_info") not in (None, True):
            more.append(repr(line["exc_info"]))
        history.note("log", " ".join([str(line["event"]), *more]))
        raise structlog.DropEvent

    with _configured(note, level=20):
        yield


@contextmanager
def _configured(processor: structlog.typing.Processor, *, level: int) -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(
        processors=[processor],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)
