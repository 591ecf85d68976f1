"""Files: how many this process may have open; every connection is one.

Owns the process's limit of them. Knows nothing of who opens which.

Init systems and container engines start a program with 1024 and let it have more for the asking. Who does not ask is full
with a thousand connections from outside: then no probe is heard, no destination dialled and no file opened.
"""

import resource
from typing import Final

import structlog

from relay.settings import HttpDestination, Settings

__all__ = ["allow_files", "files_needed"]

#: For all that no setting bounds: the store, the operator's listener, brokers, Runflow's API, destinations to come.
OTHERS: Final = 1024

log: Final = structlog.stdlib.get_logger(__name__)


def files_needed(settings: Settings) -> int:
    """As many as may be open at once."""
    posting = [one for one in settings.destinations if isinstance(one, HttpDestination)]
    sent = sum(destination.concurrency for destination in posting)
    return settings.limits.connections + sent + OTHERS


def allow_files(needed: int) -> None:
    """Raise the limit to what is needed, or as far as it goes; say so where that is less."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _is_below(allowed, needed):
        allowed = most if _is_below(most, needed) else needed
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    if _is_below(allowed, needed):
        log.warning("files.few", allowed=allowed, needed=needed)


def _is_below(limit: int, needed: int) -> bool:
    return limit != resource.RLIM_INFINITY and limit < needed
