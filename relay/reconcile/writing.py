"""Writing: what was learnt is written down as soon as the store can, or given back.

Owns the patience with a store that is busy, full or away, and that nothing stays leased to nobody. Knows
nothing of what was learnt.
"""

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from relay.core.errors import (
    InternalError,
    RelayError,
    StoreBusyError,
    StoreFullError,
    UnstorableError,
)
from relay.core.inquiry import Inquiry, Lesson
from relay.core.ports import Inquiries
from relay.reconcile.turns import pause

__all__ = ["write"]

log: Final = structlog.stdlib.get_logger(__name__)

#: Before an answer is written again, in seconds.
PAUSE_S: Final = 0.1
#: How often that is tried while we stop.
STOPPING_TRIES: Final = 20


async def write(
    lessons: Sequence[Lesson],
    *,
    to: Inquiries,
    postponed: Callable[[Inquiry], Lesson],
    stopping: Callable[[], bool],
) -> None:
    """Write what was learnt: nobody else may ask until then.

    ``postponed`` makes the lesson that is written in the place of one that no store can keep. Whoever is
    cancelled, or has to end before it can be written, gives back what was claimed: it is asked again.
    """
    try:
        if await _is_written(lessons, to, postponed, stopping):
            return
    except BaseException:
        to.release([one.inquiry for one in lessons])
        raise
    to.release([one.inquiry for one in lessons])


async def _is_written(
    lessons: Sequence[Lesson],
    to: Inquiries,
    postponed: Callable[[Inquiry], Lesson],
    stopping: Callable[[], bool],
) -> bool:
    left = STOPPING_TRIES
    while left > 0:
        source = lessons[0].inquiry.key.source if lessons else ""
        try:
            await to.learn(lessons)
        except (UnstorableError, InternalError):
            log.exception("answer.unstorable", source=source)
            lessons = [postponed(one.inquiry) for one in lessons]
        except (StoreBusyError, StoreFullError) as error:
            log.warning("learn.postponed", source=source, why=str(error))
        except RelayError:
            # The store has failed: what was claimed is free when it opens again.
            return True
        else:
            return True
        # As well when it closes before we have ended.
        left -= stopping()
        await pause(PAUSE_S)
    return False
