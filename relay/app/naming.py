"""Naming: whoever cannot start is told which setting it is.

Owns the form of that sentence.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from relay.core.errors import MisconfiguredError

__all__ = ["named"]


@contextmanager
def named(setting: str) -> Iterator[None]:
    """Say which setting it is that cannot work.

    Raises:
        MisconfiguredError: what was raised inside, with the setting in front.
    """
    try:
        yield
    except MisconfiguredError as error:
        raise MisconfiguredError(f"{setting}: {error}") from error
