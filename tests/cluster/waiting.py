"""Waiting for what controllers do in their own time."""

import threading
import time
from collections.abc import Callable
from typing import Final

__all__ = ["until"]

_LIMIT_S: Final = 60.0
_EVERY_S: Final = 0.2


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds; fails when it does not come to hold in time."""
    deadline = time.monotonic() + _LIMIT_S
    never = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, f"never came: {what}"
        never.wait(_EVERY_S)
