"""Errors, named by what the caller must do next.

Owns the few exceptions that cross a module boundary. Adapters translate what their libraries raise
into one of these and keep the original as ``__cause__``; no ``aiohttp``, ``aiokafka`` or ``sqlite3``
exception leaves its adapter.
"""

__all__ = [
    "CalledOffError",
    "InternalError",
    "InvalidKeyError",
    "MisconfiguredError",
    "RelayError",
    "StoreBusyError",
    "StoreFailedError",
    "StoreFullError",
    "StoreTakenError",
    "UnbuildableError",
    "UnstorableError",
]


class RelayError(Exception):
    """The root of everything the relay raises on purpose."""


class MisconfiguredError(RelayError):
    """Do not start: the configuration cannot work. The message says what to change."""


class StoreTakenError(MisconfiguredError):
    """Another process is serving this store: speak with that one."""


class CalledOffError(RelayError):
    """Ended before it was done: whoever did it stops, or is being replaced. What was done stays done."""


class InvalidKeyError(RelayError):
    """A secret or key is not of the form its scheme asks for. Never carries the key itself."""


class StoreFullError(RelayError):
    """The store or its disk has reached its limit: answer 503, keep delivering what is stored."""


class StoreBusyError(RelayError):
    """No commit within the time allowed, or too much is waiting: answer 503, try again."""


class StoreFailedError(RelayError):
    """The store can no longer be trusted (a failed fsync): stop acknowledging and restart."""


class UnstorableError(RelayError):
    """This one item can never be stored; its neighbours in the group can."""


class InternalError(RelayError):
    """A fault of our own with this one item: answer 503, never blame the sender."""


class UnbuildableError(RelayError):
    """This event cannot be built as it was. ``reason`` is a closed word: the delivery fails with it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
